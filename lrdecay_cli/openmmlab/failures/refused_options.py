"""What it means when a constructor dies of an option: the place to which the option belongs, or what it lacks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS, Registry

from lrdecay_cli.constructors import CONSTRUCTORS
from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.decay.constructor_options import ELSEWHERE, OPTIONS
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.failures.class_options import WRAPPER_OPTIONS, Taken, refused_keyword, taken_by
from lrdecay_cli.openmmlab.plain_values import type_name
from lrdecay_cli.openmmlab.registered import look_up

_PARAMWISE = "optim_wrapper.paramwise_cfg"
_LACKING = re.compile(r"KeyError: '?(?P<name>\w+)'?$")
# Of every constructor, but for those that end in _mult.
_PARAMWISE_OPTIONS = {*OPTIONS, *ELSEWHERE, "layer_decay_rate"}
_NO_WEIGHT_DECAY = "base_wd should not be None"


def refused_option(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """The error in terms of the config, None for one that is not of an option.

    Source: mmengine's ``DefaultOptimWrapperConstructor._validate_cfg`` for what needs a weight decay.
    """
    given: Mapping[str, Any] = config.optim_wrapper.get("paramwise_cfg") or {}
    if _NO_WEIGHT_DECAY in error.problem:
        return LrdecayError(
            f"{', '.join(_decay_multipliers(given))} has no weight decay to multiply",
            where=where,
            remedy="set optim_wrapper.optimizer.weight_decay",
            final=True,
        )
    lacking = _LACKING.search(error.problem)
    if lacking and (like := difflib.get_close_matches(lacking["name"], list(map(str, given)), n=1, cutoff=0.75)):
        return LrdecayError(
            f"the constructor needs {_PARAMWISE}.{lacking['name']}",
            where=where,
            remedy=f"did you mean that by {like[0]}?",
        )
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
    known = type_name(wrapper.get("constructor", MMENGINE_DEFAULT)).rpartition(".")[2] in CONSTRUCTORS
    if not (error.__cause__ and refused_keyword(error.__cause__)) and not (
        known and of_wrapper.all and of_optimizer.all
    ):
        return None
    misplaced = dict(_misplaced(wrapper, optimizer, of_wrapper, of_optimizer))
    if not misplaced:
        return None
    moves: dict[str, dict[str, None]] = {}
    for right in misplaced.values():
        place, _, option = right.rpartition(".")
        moves.setdefault(place, {})[option] = None
    remedy = ", and ".join(f"{', '.join(options)} to {place}" for place, options in moves.items())
    if len(misplaced) == 1:
        ((wrong, right),) = misplaced.items()
        problem, remedy = f"{wrong} is in the wrong place", f"move it to {right}"
    else:
        problem, remedy = f"{', '.join(misplaced)} are in the wrong place", f"move {remedy}"
    return LrdecayError(problem, where=where, remedy=remedy, final=True)


def _misplaced(
    wrapper: Mapping[str, Any], optimizer: Mapping[str, Any], of_wrapper: Taken, of_optimizer: Taken
) -> Iterator[tuple[str, str]]:
    """Every option that its place refuses, and where it belongs."""
    for option, value in wrapper.items():
        # A dict of that name may be of another optimizer.
        if option in of_wrapper.names or option in WRAPPER_OPTIONS or (option in OPTIONS and _is_for_optimizer(value)):
            continue
        if _is_paramwise(option):
            yield f"optim_wrapper.{option}", f"{_PARAMWISE}.{option}"
        elif option in of_optimizer.names:
            yield f"optim_wrapper.{option}", f"optim_wrapper.optimizer.{option}"
    for option in optimizer:
        if option in of_optimizer.names:
            continue
        if option in WRAPPER_OPTIONS:
            yield f"optim_wrapper.optimizer.{option}", f"optim_wrapper.{option}"
        elif _is_paramwise(option):
            yield f"optim_wrapper.optimizer.{option}", f"{_PARAMWISE}.{option}"


def _is_for_optimizer(value: Any) -> bool:
    return isinstance(value, Mapping) and "optimizer" in value


def _is_paramwise(option: str) -> bool:
    return option in _PARAMWISE_OPTIONS or option.endswith("_mult")


def _taken(registry: Registry, settings: Mapping[str, Any]) -> Taken | None:
    """What the class takes that is named, None for no class."""
    kind = settings.get("type", "OptimWrapper" if registry is OPTIM_WRAPPERS else None)
    if isinstance(kind, str):
        with registry.switch_scope_and_registry(None) as found:
            kind = look_up(found, kind)
    if not isinstance(kind, type):
        return None
    return taken_by(kind)


def _decay_multipliers(options: Mapping[str, Any]) -> Iterator[str]:
    yield from (option for option in options if option.endswith("_decay_mult"))
    keys = options.get("custom_keys")
    if isinstance(keys, Mapping):
        yield from (
            f"decay_mult of custom key {key!r}"
            for key, settings in keys.items()
            if isinstance(settings, Mapping) and "decay_mult" in settings
        )
