"""Options that a class or a constructor refuses: what the class takes, and the place to which the option belongs."""

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
from lrdecay_cli.text.printing import said_by
from lrdecay_cli.text.spelling import meant, nearest

_PARAMWISE = "optim_wrapper.paramwise_cfg"
# Of every constructor, but for those that end in _mult.
_PARAMWISE_OPTIONS = {option for spec in CONSTRUCTORS for option in spec.options}
_NO_WEIGHT_DECAY = "base_wd should not be None"


def refused_option(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """The error in terms of the config, None for one that is not of an option.

    Source: ``_validate_cfg`` of mmengine's default constructor for what needs a weight decay.
    """
    given: Mapping[str, Any] = config.optim_wrapper.get("paramwise_cfg") or {}
    cause = error.__cause__
    if cause is not None and _NO_WEIGHT_DECAY in said_by(cause):
        keys = given.get("custom_keys")
        multipliers = [option for option in given if option.endswith("_decay_mult")] + [
            f"decay_mult of custom key {key!r}"
            for key, settings in (keys.items() if isinstance(keys, Mapping) else ())
            if isinstance(settings, Mapping) and "decay_mult" in settings
        ]
        problem = f"{', '.join(multipliers)} has no weight decay to multiply"
        optimizer: Mapping[str, Any] = config.optim_wrapper.get("optimizer") or {}
        taken, fix = _taken(OPTIMIZERS, optimizer), "set optim_wrapper.optimizer.weight_decay"
        if taken and taken.all and "weight_decay" not in taken.names:
            kind = type_name(optimizer["type"]).rpartition(".")[2]
            fix = f"remove {'it' if len(multipliers) == 1 else 'them'}: {kind} has no weight decay"
        return LrdecayError(problem, where=where, fix=fix, final=True)
    lacking = str(cause.args[0]) if isinstance(cause, KeyError) and cause.args else ""
    if lacking.isidentifier() and (like := nearest(lacking, map(str, given))):
        problem = f"the constructor needs {_PARAMWISE}.{lacking}"
        return LrdecayError(problem, where=where, fix=f"did you mean that by {like}?")
    return None


def misplaced_options(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """An error about every option that is in the wrong place, None if none is.

    The stack stops at the first one, or at what another lacks for it.
    """
    wrapper: Mapping[str, Any] = config.optim_wrapper
    optimizer = wrapper.get("optimizer")
    if not isinstance(optimizer, Mapping):
        return None
    of_wrapper, of_optimizer = _taken(OPTIM_WRAPPERS, wrapper), _taken(OPTIMIZERS, optimizer)
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
    wrapper: Mapping[str, Any], optimizer: Mapping[str, Any], of_wrapper: Taken, of_optimizer: Taken
) -> Iterator[tuple[str, str]]:
    """Every option that its place refuses, and where it belongs."""
    for option, value in wrapper.items():
        # A dict of that name may be of another optimizer.
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


def _taken(registry: Registry, settings: Mapping[str, Any]) -> Taken | None:
    kind = find_registered(registry, settings.get("type", "OptimWrapper" if registry is OPTIM_WRAPPERS else None))
    return taken_by(kind) if isinstance(kind, type) else None


_REFUSING = re.compile(r"(?P<name>\w+)(?:\.__init__)?\(\)")
_KEYWORD = re.compile(r"unexpected keyword argument '(?P<name>\w+)'")
# mmengine's registry takes them out, or puts the second one in.
_OF_REGISTRY = ("type", "_scope_")
WRAPPER_OPTIONS = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")
"""What may stand in ``optim_wrapper`` beside what its class takes, and what every class of mmengine's takes."""


class Taken(NamedTuple):
    """The arguments of a class."""

    names: frozenset[str]
    all: bool
    """Whether it takes no other: a class that is not mmengine's may do as it likes with ``**kwargs``."""


def taken_by(kind: type) -> Taken:
    """What the class takes, with its bases as long as each passes on the rest."""
    names, known = {*_OF_REGISTRY}, True
    try:
        for base, arguments, passes_on in arguments_of(kind):
            names.update(argument.name for argument in arguments)
            known &= not passes_on or str(getattr(base, "__module__", "")).startswith("mmengine.")
    except (TypeError, ValueError):
        known = False
    return Taken(frozenset(names), known)


def refused_keyword(error: BaseException | None) -> str:
    """The keyword argument that a TypeError is about; empty for any other error."""
    found = _KEYWORD.search(str(error)) if isinstance(error, TypeError) else None
    return found["name"] if found else ""


def unknown_option(error: BaseException, kind: object, config: Any, where: str, *, final: bool) -> LrdecayError | None:
    """The error for options that ``kind``, which was being built, does not take; None if they are not the config's.

    What is inherited from a base goes on to hold for another type: where nothing is spelled alike, that is said.
    ``final`` is that of the error, see :class:`lrdecay_cli.domain.errors.LrdecayError`.
    """
    option = refused_keyword(error)
    if not option or not isinstance(kind, type):
        return None
    key = key_of_type(config, kind.__name__, holding=option)
    if not key and kind.__name__ == "OptimWrapper" and "type" not in (_at(config, "optim_wrapper") or {"type"}):
        # Which mmengine puts in.
        key = "optim_wrapper"
    given = _at(config, key)
    taken = taken_by(kind)
    names = taken.names | ({*WRAPPER_OPTIONS} if key == "optim_wrapper" else set())
    if not isinstance(given, Mapping) or option in names:
        return None
    unknown = [given_option for given_option in given if given_option not in names] if taken.all else [option]
    near = [_renamed(str(each), names) or meant(str(each), sorted(names - {*_OF_REGISTRY}))[:1] for each in unknown]
    listed = ", ".join(f"{key}.{each}" for each in unknown)
    # A class that passes on what it is given wraps another, which is the one that refuses.
    refusing = _REFUSING.match(str(error))
    of = kind.__name__ if taken.all or not refusing else refusing["name"]
    said = "is not an option" if len(unknown) == 1 else "are not options"
    if unknown == ["_delete_"]:
        fix = f"remove it: no base has {key}, and mmengine leaves it among the options"
        return LrdecayError(f"{listed} deletes nothing", where=where, fix=fix, final=final, key=f"{key}._delete_")
    if all(near):
        fix = f"did you mean {' and '.join(name for (name,) in near)}?"
    else:
        inner = key.rpartition(".")[2]
        it, it_is = ("it", "it is") if len(unknown) == 1 else ("them", "they are")
        anew = f"write {inner}=dict(_delete_=True, type={kind.__name__!r}, ...)"
        fix = f"leave {it} out; where {it_is} a base's, {anew}"
    return LrdecayError(f"{listed} {said} of {of}", where=where, fix=fix, final=final, key=f"{key}.{unknown[0]}")


_RENAMED = {
    "grad_clip": "clip_grad",
    "cumulative_iters": "accumulative_counts",
    "paramwise_options": "paramwise_cfg",
}
"""What MMCV 1 called them, and the versions before it."""


def _renamed(option: str, names: Set[str]) -> list[str]:
    return [name for name in (_RENAMED.get(option),) if name is not None and name in names]


def _at(config: Any, key: str) -> Any:
    """What stands at a dotted path, None if nothing does or if it goes through a list."""
    for part in key.split(".") if key else ():
        config = config.get(part) if hasattr(config, "get") else None
    return config if key else None
