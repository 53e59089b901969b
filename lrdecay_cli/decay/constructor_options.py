"""Read the options of lrdecay's own constructor from ``paramwise_cfg``, ``custom_keys`` included.

Source: mmengine 0.10.7, default constructor. If a parameter name contains several custom keys, only the longest key
counts. Of keys with the same length, the first in alphabetical order counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lrdecay_cli.decay.options import (
    SECTION,
    DecayError,
    DecayOptions,
    DecayType,
    finite_number,
    not_a,
    options_given,
    read_decay_rate,
    read_decay_type,
    read_num_layers,
    unknown,
)

MULTIPLIERS = ("lr_mult", "decay_mult")


@dataclass(frozen=True, slots=True)
class CustomKey:
    """A custom key with its multipliers. A multiplier is None if the config does not set it."""

    key: str
    lr_mult: int | float | None = None
    decay_mult: int | float | None = None

    @property
    def label(self) -> str:
        """The name of the key in formulas: for example ``custom_keys['norm']``."""
        return f"custom_keys[{self.key!r}]"

    @property
    def where(self) -> str:
        """The path of the key in the config, for error messages."""
        return f"{SECTION}.{self.label}"


def read_custom_keys(given: object) -> tuple[CustomKey, ...]:
    """Return the keys of the option ``custom_keys``, in order of precedence: the longest key first.

    Raises:
        DecayError: ``custom_keys`` is not a dict of dicts, a key has a setting other than ``lr_mult`` and
            ``decay_mult``, or a multiplier is not a number.
    """
    where = f"{SECTION}.custom_keys"
    if not isinstance(given, Mapping):
        raise not_a("a dict", given, where, "write custom_keys={'bbox_head': dict(lr_mult=2.0)}")
    for key in given:
        if not isinstance(key, str) or not key:
            raise DecayError(
                f"the key {key!r} is empty or not a string",
                where=where,
                fix="use a part of a parameter name as the key",
            )
    return tuple(_read(key, given[key]) for key in sorted(sorted(given), key=len, reverse=True))


def matching(name: str, keys: Iterable[CustomKey]) -> CustomKey | None:
    """Return the first of ``keys`` that is part of the parameter name; None if no key matches."""
    return next((key for key in keys if key.key in name), None)


def _read(key: str, settings: Any) -> CustomKey:
    where = CustomKey(key).where
    if not isinstance(settings, Mapping):
        raise not_a("a dict", settings, where, "write dict(lr_mult=…, decay_mult=…)")
    for setting in settings:
        if setting not in MULTIPLIERS:
            raise unknown("setting", setting, MULTIPLIERS, where)
    numbers = {name: finite_number(settings[name], f"{where}.{name}") for name in MULTIPLIERS if name in settings}
    return CustomKey(key, **numbers)


AUTO: Literal["auto"] = "auto"

OPTIONS = ("num_layers", "decay_rate", "decay_type", "backbone", "layers", "custom_keys", "strict_compat")
# Options of mmengine 0.10.7's default constructor, which mmdet's decay constructor inherits and ignores.
_NO_DECAY = "remove the option: lrdecay's constructor gives norm layers, biases and 1-D tensors no weight decay"
_BY_KEY = "remove the option, and use custom_keys"
ELSEWHERE = {
    **dict.fromkeys(("norm_decay_mult", "bias_decay_mult", "flat_decay_mult"), _NO_DECAY),
    **dict.fromkeys(("bias_lr_mult", "dwconv_decay_mult", "dcn_offset_lr_mult"), _BY_KEY),
    "bypass_duplicate": "remove the option: a shared tensor is in one group only",
}


@dataclass(frozen=True, slots=True)
class ConstructorOptions:
    """The options of lrdecay's own constructor. Each value alone is valid, but may not fit the model."""

    decay_rate: int | float
    num_layers: int | Literal["auto"] = AUTO
    """Number of layers between the stem and the head. ``auto`` means: count the layers of the backbone."""
    decay_type: DecayType = "layer_wise"
    backbone: str = "backbone"
    """Path of the backbone in the model."""
    layers: tuple[str, ...] = ()
    """Regular expressions for the parameter names of the backbone's layers, stem first.

    If empty, the backbone's class determines the layers.
    """
    custom_keys: tuple[CustomKey, ...] = ()
    strict_compat: bool = False
    """True to use exactly mmdet's layer ids and exemptions from weight decay. For backbones that mmdet does not
    support, mmpretrain's layer ids are used.
    """
    passed_over: tuple[str, ...] = ()
    """Options of mmengine's default constructor that the config sets.

    With ``strict_compat``, lrdecay's constructor ignores these options, as mmdet does.
    """

    @classmethod
    def from_paramwise_cfg(cls, paramwise_cfg: Mapping[str, Any] | None) -> ConstructorOptions:
        """Read and validate the options in ``paramwise_cfg``.

        Raises:
            DecayError: an option is missing, unknown or invalid. The error names the key and the allowed values.
        """
        given = options_given(paramwise_cfg)
        strict = given.get("strict_compat", False)
        if not isinstance(strict, bool):
            raise not_a("a bool", strict, f"{SECTION}.strict_compat", "allowed: True, False")
        passed_over = tuple(_unread(given, strict))
        num_layers = given.get("num_layers", AUTO)
        return cls(
            decay_rate=read_decay_rate(given),
            num_layers=AUTO if num_layers == AUTO else read_num_layers(num_layers, or_else=f"{AUTO!r}"),
            decay_type=read_decay_type(given.get("decay_type", "layer_wise")),
            backbone=_path(given.get("backbone", "backbone")),
            layers=_patterns(given["layers"]) if "layers" in given else (),
            custom_keys=read_custom_keys(given["custom_keys"]) if "custom_keys" in given else (),
            strict_compat=strict,
            passed_over=passed_over,
        )

    @property
    def prefix(self) -> str:
        """The prefix of the backbone's parameter names: ``backbone.``."""
        return f"{self.backbone}."

    def with_layers(self, num_layers: int) -> DecayOptions:
        """Return the layer-decay options with this value of ``num_layers``."""
        return DecayOptions(num_layers, self.decay_rate, self.decay_type)


def _unread(given: Mapping[str, Any], strict: bool) -> Iterator[str]:
    for key in given:
        if key in ELSEWHERE and strict:
            yield key
        elif key in ELSEWHERE:
            problem = f"{key!r} is an option of mmengine's default constructor, not of lrdecay's constructor"
            raise DecayError(problem, where=SECTION, fix=ELSEWHERE[key])
        elif key not in OPTIONS:
            raise unknown("option", key, OPTIONS, SECTION)


def _path(value: object) -> str:
    if not isinstance(value, str) or not all(value.split(".")):
        where = f"{SECTION}.backbone"
        raise not_a("the path of a module", value, where, "write 'backbone' or 'student.backbone'")
    return value


def _patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(pattern, str) for pattern in value):
        fix = r"write layers=['patch_embed', r'blocks\.(\d+)', 'norm'], from the stem up"
        raise not_a("a list of regular expressions", value, f"{SECTION}.layers", fix)
    return tuple(value)
