"""The options of lrdecay's own constructor in ``paramwise_cfg``, ``custom_keys`` included.

Source: mmengine 0.10.7, its default constructor: of the keys that a name contains only the longest counts; of equally
long ones the first in alphabetical order.
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
    """A key with its multipliers; None if the config does not set one."""

    key: str
    lr_mult: int | float | None = None
    decay_mult: int | float | None = None

    @property
    def label(self) -> str:
        """Its name in provenance."""
        return f"custom_keys[{self.key!r}]"

    @property
    def where(self) -> str:
        """Its path in the config, for errors."""
        return f"{SECTION}.{self.label}"


def read_custom_keys(given: object) -> tuple[CustomKey, ...]:
    """Return the keys of a ``custom_keys`` option, in the order in which they are tried.

    Raises:
        DecayError: not a dict of dicts, a setting other than the two multipliers, or a multiplier that is not a number.
    """
    where = f"{SECTION}.custom_keys"
    if not isinstance(given, Mapping):
        raise not_a("a dict", given, where, "write custom_keys={'bbox_head': dict(lr_mult=2.0)}")
    for key in given:
        if not isinstance(key, str) or not key:
            raise DecayError(f"the key {key!r} is not part of a name", where=where, fix="use a non-empty string")
    return tuple(_read(key, given[key]) for key in sorted(sorted(given), key=len, reverse=True))


def matching(name: str, keys: Iterable[CustomKey]) -> CustomKey | None:
    """Return the first of ``keys`` that the name contains."""
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
_NO_DECAY = "leave it out: norm layers, biases and 1-D tensors have no weight decay here"
_BY_KEY = "leave it out, and use custom_keys"
ELSEWHERE = {
    **dict.fromkeys(("norm_decay_mult", "bias_decay_mult", "flat_decay_mult"), _NO_DECAY),
    **dict.fromkeys(("bias_lr_mult", "dwconv_decay_mult", "dcn_offset_lr_mult"), _BY_KEY),
    "bypass_duplicate": "leave it out: a shared tensor is in one group only",
}


@dataclass(frozen=True, slots=True)
class ConstructorOptions:
    """The options, each valid by itself."""

    decay_rate: int | float
    num_layers: int | Literal["auto"] = AUTO
    """Layers between the stem and the rest of the model; ``auto`` counts those of the backbone."""
    decay_type: DecayType = "layer_wise"
    backbone: str = "backbone"
    """Path of the backbone in the model."""
    layers: tuple[str, ...] = ()
    """Regular expressions for the names in the backbone, stem first; empty to use the backbone's class."""
    custom_keys: tuple[CustomKey, ...] = ()
    strict_compat: bool = False
    """True for layer ids and exemptions exactly as in mmdet (for other backbones: mmpretrain)."""
    passed_over: tuple[str, ...] = ()
    """Given options of mmengine's default constructor that are ignored, as in mmdet."""

    @classmethod
    def from_paramwise_cfg(cls, paramwise_cfg: Mapping[str, Any] | None) -> ConstructorOptions:
        """Read the options.

        Raises:
            DecayError: an option is missing, unknown or invalid; with the key and the allowed values.
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
        """The prefix of the backbone's parameter names."""
        return f"{self.backbone}."

    def with_layers(self, num_layers: int) -> DecayOptions:
        """Return the options of the decay for a backbone with counted layers."""
        return DecayOptions(num_layers, self.decay_rate, self.decay_type)


def _unread(given: Mapping[str, Any], strict: bool) -> Iterator[str]:
    for key in given:
        if key in ELSEWHERE and strict:
            yield key
        elif key in ELSEWHERE:
            problem = f"{key!r} is an option of mmengine's default constructor, not of this one"
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
