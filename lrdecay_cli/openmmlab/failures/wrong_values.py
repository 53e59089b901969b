"""Values of ``optim_wrapper`` with which nothing can be computed: a number in quotes, a number for a dict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.config_values import type_name

_OPTIMIZER = "optim_wrapper.optimizer"
_PARAMWISE = "optim_wrapper.paramwise_cfg"
_KEYS = f"{_PARAMWISE}.custom_keys"
_NUMBERS = ("lr", "weight_decay", "momentum", "eps")
_SCIENTIFIC = re.compile(r"([-+]?[\d.]+)[eE]([-+]?)(\d+)$")
_KINDS = (TypeError, AttributeError, ValueError, KeyError)


def wrong_value(error: LrdecayError, config: Config, where: str) -> LrdecayError | None:
    """The error about the first value that is of the wrong kind, None if none is, or if ``error`` is of something else.

    Source: mmengine's default constructor, which multiplies and takes from a dict without asking.
    """
    if not isinstance(error.__cause__, _KINDS):
        return None
    return next((LrdecayError(problem, where=where, remedy=remedy) for problem, remedy in _faults(config)), None)


def _faults(config: Config) -> Iterator[tuple[str, str]]:
    """Problem and remedy of each."""
    wrapper: Mapping[str, Any] = config.optim_wrapper
    if "optimizer" in wrapper and wrapper["optimizer"] is None:
        yield f"{_OPTIMIZER} is None, not a dict", "write optimizer=dict(type=..., lr=...)"
    optimizer = wrapper.get("optimizer")
    if isinstance(optimizer, Mapping):
        for option, value in optimizer.items():
            if isinstance(value, str) and option != "type" and (option in _NUMBERS or _is_number(value)):
                yield _not_a_number(f"{_OPTIMIZER}.{option}", value)
    given = wrapper.get("paramwise_cfg")
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield _not_a_dict(_PARAMWISE, given, "paramwise_cfg=dict(norm_decay_mult=0.0)")
        return
    yield from _multipliers(_PARAMWISE, given)
    keys = given.get("custom_keys", {})
    if not isinstance(keys, Mapping):
        yield _not_a_dict(_KEYS, keys, "custom_keys={'backbone': dict(lr_mult=0.1)}")
        return
    for key, settings in keys.items():
        if not isinstance(settings, Mapping):
            lr_mult = settings if isinstance(settings, (int, float)) else "..."
            yield _not_a_dict(f"{_KEYS}[{key!r}]", settings, f"dict(lr_mult={lr_mult})")
        else:
            yield from _multipliers(f"{_KEYS}[{key!r}]", settings)


def _multipliers(path: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for option, value in options.items():
        # As an option None is as good as nothing, in a custom key it is multiplied.
        as_nothing = value is None and path == _PARAMWISE
        if str(option).endswith("_mult") and not isinstance(value, (int, float)) and not as_nothing:
            yield _not_a_number(f"{path}.{option}", value)


def _not_a_dict(path: str, value: Any, example: str) -> tuple[str, str]:
    return f"{path} is {value!r}, a {type_name(type(value))} and not a dict", f"write {example}"


def _not_a_number(path: str, value: Any) -> tuple[str, str]:
    problem = f"{path} is {value!r}, a {type_name(type(value))} and not a number"
    if not isinstance(value, str) or not _is_number(value):
        return problem, "give it a number"
    text = value.strip()
    remedy = f"write {text} without quotes"
    if found := _SCIENTIFIC.match(text):
        mantissa, sign, exponent = found.groups()
        # YAML 1.1 wants both a dot and a sign.
        mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
        remedy = f"{remedy}, in YAML {mantissa}e{sign or '+'}{exponent}"
    return problem, remedy


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
