"""Create errors about options that a class or constructor does not accept.

Each error has a fix, for example the path to which the option has to be moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS, Registry

from lrdecay_cli.constructors import CONSTRUCTORS, OURS
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.config_values import arguments_of, find_registered, type_name
from lrdecay_cli.openmmlab.constructor_class import known_constructor
from lrdecay_cli.openmmlab.failures.unknown_types import key_of_type
from lrdecay_cli.text.printing import message_of
from lrdecay_cli.text.spelling import nearest, similar_names

_PARAMWISE = "optim_wrapper.paramwise_cfg"
# Options of all constructors, except those that end in _mult.
_PARAMWISE_OPTIONS = {option for spec in CONSTRUCTORS for option in spec.options}
_NO_WEIGHT_DECAY = "base_wd should not be None"


def refused_option(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """Return an error that names the wrong option of the config; None if ``error`` is not about an option.

    Source: ``_validate_cfg`` of mmengine's default constructor, which requires a weight decay for some options.
    """
    given: Mapping[str, Any] = config.optim_wrapper.get("paramwise_cfg") or {}
    cause = error.__cause__
    if cause is not None and _NO_WEIGHT_DECAY in message_of(cause):
        keys = given.get("custom_keys")
        multipliers = [option for option in given if option.endswith("_decay_mult")] + [
            f"decay_mult of custom key {key!r}"
            for key, settings in (keys.items() if isinstance(keys, Mapping) else ())
            if isinstance(settings, Mapping) and "decay_mult" in settings
        ]
        problem = f"{', '.join(multipliers)} needs a weight decay to multiply, but the config sets none"
        optimizer: Mapping[str, Any] = config.optim_wrapper.get("optimizer") or {}
        accepted, fix = _accepted(OPTIMIZERS, optimizer), "set optim_wrapper.optimizer.weight_decay"
        if accepted and accepted.all and "weight_decay" not in accepted.names:
            kind = type_name(optimizer["type"]).rpartition(".")[2]
            fix = f"remove {'it' if len(multipliers) == 1 else 'them'}: {kind} does not support weight decay"
        return LrdecayError(problem, where=where, fix=fix, final=True)
    lacking = str(cause.args[0]) if isinstance(cause, KeyError) and cause.args else ""
    if lacking.isidentifier() and (like := nearest(lacking, map(str, given))):
        problem = f"the constructor needs {_PARAMWISE}.{lacking}"
        return LrdecayError(problem, where=where, fix=f"did you mean {lacking} instead of {like}?")
    return None


def misplaced_options(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """Return one error about all options in wrong places; None if there are none.

    mmengine's own error would name only the first of these options, or a required option that is missing in the correct
    place.
    """
    wrapper: Mapping[str, Any] = config.optim_wrapper
    optimizer = wrapper.get("optimizer")
    if not isinstance(optimizer, Mapping):
        return None
    of_wrapper, of_optimizer = _accepted(OPTIM_WRAPPERS, wrapper), _accepted(OPTIMIZERS, optimizer)
    if of_wrapper is None or of_optimizer is None:
        return None
    known = known_constructor(wrapper)
    if not (refused_keyword(error.__cause__) or (known and of_wrapper.all and of_optimizer.all)):
        return None
    misplaced = dict(_misplaced(wrapper, optimizer, of_wrapper, of_optimizer))
    if not misplaced:
        return None
    moves: dict[str, dict[str, None]] = {}
    for right in misplaced.values():
        place, _, option = right.rpartition(".")
        moves.setdefault(place, {})[option] = None
    fix = ", and ".join(f"{', '.join(options)} to {place}" for place, options in moves.items())
    if len(misplaced) == 1:
        ((wrong, right),) = misplaced.items()
        problem, fix = f"{wrong} is in the wrong place", f"move it to {right}"
    else:
        problem, fix = f"{', '.join(misplaced)} are in the wrong place", f"move {fix}"
    return LrdecayError(problem, where=where, fix=fix, final=True, key=next(iter(misplaced)))


def _misplaced(
    wrapper: Mapping[str, Any], optimizer: Mapping[str, Any], of_wrapper: Accepted, of_optimizer: Accepted
) -> Iterator[tuple[str, str]]:
    """Yield the path of every option in a wrong place, and its correct path."""
    for option, value in wrapper.items():
        # A dict of that name may belong to another optimizer.
        of_another = option in OURS.options and isinstance(value, Mapping) and "optimizer" in value
        if option in of_wrapper.names or option in WRAPPER_OPTIONS or of_another:
            continue
        if _is_paramwise(option):
            yield f"optim_wrapper.{option}", f"{_PARAMWISE}.{option}"
        elif option in of_optimizer.names:
            yield f"optim_wrapper.{option}", f"optim_wrapper.optimizer.{option}"
    for option in optimizer:
        if option in of_optimizer.names:
            continue
        if option in (*WRAPPER_OPTIONS, *_RENAMED):
            yield f"optim_wrapper.optimizer.{option}", f"optim_wrapper.{_RENAMED.get(option, option)}"
        elif _is_paramwise(option):
            yield f"optim_wrapper.optimizer.{option}", f"{_PARAMWISE}.{option}"


def _is_paramwise(option: str) -> bool:
    return option in _PARAMWISE_OPTIONS or option.endswith("_mult")


def _accepted(registry: Registry, settings: Mapping[str, Any]) -> Accepted | None:
    kind = find_registered(registry, settings.get("type", "OptimWrapper" if registry is OPTIM_WRAPPERS else None))
    return accepted_by(kind) if isinstance(kind, type) else None


_REFUSING = re.compile(r"(?P<name>\w+)(?:\.__init__)?\(\)")
_KEYWORD = re.compile(r"unexpected keyword argument '(?P<name>\w+)'")
# mmengine's registry removes both keys, and may add _scope_.
_OF_REGISTRY = ("type", "_scope_")
WRAPPER_OPTIONS = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")
"""Options that ``optim_wrapper`` accepts besides the arguments of its class, for all classes of mmengine."""


class Accepted(NamedTuple):
    """The arguments that a class accepts."""

    names: frozenset[str]
    all: bool
    """True if ``names`` contains every accepted argument. False if a class outside mmengine accepts ``**kwargs``."""


def accepted_by(kind: type) -> Accepted:
    """Return the arguments that a class accepts, including those that it passes to its bases through ``**kwargs``."""
    names, known = {*_OF_REGISTRY}, True
    try:
        for base, arguments, passes_on in arguments_of(kind):
            names.update(argument.name for argument in arguments)
            known &= not passes_on or str(getattr(base, "__module__", "")).startswith("mmengine.")
    except (TypeError, ValueError):
        known = False
    return Accepted(frozenset(names), known)


def refused_keyword(error: BaseException | None) -> str:
    """Return the keyword argument that a TypeError names as unexpected; empty for any other error."""
    found = _KEYWORD.search(str(error)) if isinstance(error, TypeError) else None
    return found["name"] if found else ""


def unknown_option(error: BaseException, kind: object, config: Any, where: str, *, final: bool) -> LrdecayError | None:
    """Return an error about options that the class ``kind`` does not accept; None if the config does not set them.

    A possible cause is a config that changes ``type``, but inherits options for the old type from its base. The fix
    covers this case. ``final``: see :class:`lrdecay_cli.domain.errors.LrdecayError`.
    """
    option = refused_keyword(error)
    if not option or not isinstance(kind, type):
        return None
    key = key_of_type(config, kind.__name__, holding=option)
    if not key and kind.__name__ == "OptimWrapper" and "type" not in (_at(config, "optim_wrapper") or {"type"}):
        # mmengine adds the type OptimWrapper.
        key = "optim_wrapper"
    given = _at(config, key)
    accepted = accepted_by(kind)
    names = accepted.names | ({*WRAPPER_OPTIONS} if key == "optim_wrapper" else set())
    if not isinstance(given, Mapping) or option in names:
        return None
    unknown = [given_option for given_option in given if given_option not in names] if accepted.all else [option]
    near = [
        _renamed(str(each), names) or similar_names(str(each), sorted(names - {*_OF_REGISTRY}))[:1] for each in unknown
    ]
    # A class that passes on its arguments wraps another class, which rejects the option.
    refusing = _REFUSING.match(str(error))
    class_name = kind.__name__ if accepted.all or not refusing else refusing["name"]
    if unknown == ["_delete_"]:
        fix = f"remove {key}._delete_: no base config sets {key}, so mmengine treats _delete_ as an option"
        return LrdecayError(f"{key}._delete_ has no effect", where=where, fix=fix, final=final, key=f"{key}._delete_")
    if all(near):
        fix = f"did you mean {' and '.join(name for (name,) in near)}?"
    else:
        inner = key.rpartition(".")[2]
        it = "it" if len(unknown) == 1 else "them"
        whole = f"{inner}=dict(_delete_=True, type={kind.__name__!r}, ...)"
        fix = f"remove {it}; if a base sets {it}, write {whole}"
    first, *others = (f"{key}.{each}" for each in unknown)
    problem = f"{first} is not an option of {class_name}"
    if others:
        problem = f"{', '.join([first, *others])} are not options of {class_name}"
    return LrdecayError(problem, where=where, fix=fix, final=final, key=first)


_RENAMED = {
    "grad_clip": "clip_grad",
    "cumulative_iters": "accumulative_counts",
    "paramwise_options": "paramwise_cfg",
}
"""Options of MMCV 1 and older versions, with their names in mmengine."""


def _renamed(option: str, names: Set[str]) -> list[str]:
    return [name for name in (_RENAMED.get(option),) if name is not None and name in names]


def _at(config: Any, key: str) -> Any:
    """Return the value at a dotted path of a config; None if the path does not exist or contains a list."""
    for part in key.split(".") if key else ():
        config = config.get(part) if hasattr(config, "get") else None
    return config if key else None
