"""What it means when a constructor dies of an option: the place to which the option belongs, or what it lacks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from lrdecay_cli.domain.errors import LrdecayError

_PARAMWISE = "optim_wrapper.paramwise_cfg"
_WRAPPER = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")
_KEYWORD = re.compile(r"unexpected keyword argument '(?P<name>\w+)'")
_LACKING = re.compile(r"KeyError: '?(?P<name>\w+)'?$")
_NO_WEIGHT_DECAY = "base_wd should not be None"


def refused_option(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """The error in terms of the config, None for one that is not of an option.

    Source: mmengine's ``DefaultOptimWrapperConstructor._validate_cfg`` for what needs a weight decay.
    """
    wrapper: Mapping[str, Any] = config.optim_wrapper
    if _NO_WEIGHT_DECAY in error.problem:
        options = list(_decay_multipliers(wrapper.get("paramwise_cfg") or {}))
        return LrdecayError(
            f"{', '.join(options)} has no weight decay to multiply",
            where=where,
            remedy="set optim_wrapper.optimizer.weight_decay",
        )
    options_given: Mapping[str, Any] = wrapper.get("paramwise_cfg") or {}
    lacking = _LACKING.search(error.problem)
    if lacking and (
        like := difflib.get_close_matches(lacking["name"], list(map(str, options_given)), n=1, cutoff=0.75)
    ):
        return LrdecayError(
            f"the constructor needs {_PARAMWISE}.{lacking['name']}",
            where=where,
            remedy=f"did you mean that by {like[0]}?",
        )
    keyword = _KEYWORD.search(error.problem)
    if keyword is None:
        return None
    name = keyword["name"]
    in_optimizer = name in (wrapper.get("optimizer") or {})
    if in_optimizer and name in _WRAPPER:
        wrong, right = f"optim_wrapper.optimizer.{name}", f"optim_wrapper.{name}"
    elif name in wrapper and (name == "custom_keys" or name.endswith("_mult")):
        wrong, right = f"optim_wrapper.{name}", f"{_PARAMWISE}.{name}"
    elif in_optimizer and (name == "custom_keys" or name.endswith("_mult")):
        wrong, right = f"optim_wrapper.optimizer.{name}", f"{_PARAMWISE}.{name}"
    else:
        return None
    return LrdecayError(f"{wrong} is in the wrong place", where=where, remedy=f"move it to {right}")


def _decay_multipliers(options: Mapping[str, Any]) -> Iterator[str]:
    yield from (option for option in options if option.endswith("_decay_mult"))
    keys = options.get("custom_keys")
    if isinstance(keys, Mapping):
        yield from (
            f"decay_mult of custom key {key!r}"
            for key, settings in keys.items()
            if isinstance(settings, Mapping) and "decay_mult" in settings
        )
