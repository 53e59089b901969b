"""What a config's ``paramwise_cfg`` says to lrdecay's own constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lrdecay_cli.decay.custom_keys import CustomKey, read_custom_keys
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.options import (
    LIKENESS,
    SECTION,
    DecayOptions,
    DecayType,
    options_given,
    read_decay_rate,
    read_decay_type,
    read_num_layers,
)
from lrdecay_cli.text.spelling import nearest

AUTO: Literal["auto"] = "auto"

OPTIONS = ("num_layers", "decay_rate", "decay_type", "backbone", "layers", "custom_keys", "strict_compat")
# mmengine 0.10.7, its default constructor. What mmdet's decay constructor inherits and passes over.
_NO_DECAY = "leave it out: norm layers, biases and 1-D tensors have no weight decay here"
_BY_KEY = "leave it out, and use custom_keys"
ELSEWHERE = {
    **dict.fromkeys(("norm_decay_mult", "bias_decay_mult", "flat_decay_mult"), _NO_DECAY),
    **dict.fromkeys(("bias_lr_mult", "dwconv_decay_mult", "dcn_offset_lr_mult"), _BY_KEY),
    "bypass_duplicate": "leave it out: a shared tensor is in one group only",
}


@dataclass(frozen=True, slots=True)
class ConstructorOptions:
    """The options, each known to be usable by itself."""

    decay_rate: int | float
    num_layers: int | Literal["auto"] = AUTO
    """Layers between the stem and the rest of the model; ``auto``: as many as the backbone has."""
    decay_type: DecayType = "layer_wise"
    backbone: str = "backbone"
    """Path of the backbone in the model."""
    layers: tuple[str, ...] = ()
    """Regular expressions for the names in the backbone, stem first; empty: by the backbone's class."""
    custom_keys: tuple[CustomKey, ...] = ()
    strict_compat: bool = False
    """Layer ids and exemptions exactly as mmdet (for other backbones: mmpretrain) has them."""
    passed_over: tuple[str, ...] = ()
    """Options of mmengine's default constructor that are given and not read, as mmdet does not."""

    @classmethod
    def from_paramwise_cfg(cls, paramwise_cfg: Mapping[str, Any] | None) -> ConstructorOptions:
        """Read the options.

        Raises:
            DecayError: an option is missing, unknown or cannot be used, with the key and what is allowed.
        """
        given = options_given(paramwise_cfg)
        strict = _flag(given, "strict_compat")
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
        """What the names of the backbone's parameters start with."""
        return f"{self.backbone}."

    def with_layers(self, num_layers: int) -> DecayOptions:
        """The options of the decay itself, for a backbone whose layers have been counted."""
        return DecayOptions(num_layers, self.decay_rate, self.decay_type)


def _unread(given: Mapping[str, Any], strict: bool) -> list[str]:
    passed_over = []
    for key in given:
        if key in OPTIONS:
            continue
        if key in ELSEWHERE and strict:
            passed_over.append(key)
            continue
        if key in ELSEWHERE:
            problem, remedy = f"{key!r} is an option of mmengine's default constructor, not of this one", ELSEWHERE[key]
        else:
            meant = nearest(str(key), OPTIONS, likeness=LIKENESS)
            problem = f"unknown option {key!r}"
            remedy = f"did you mean {meant!r}?" if meant else f"allowed: {', '.join(OPTIONS)}"
        raise DecayError(problem, where=SECTION, remedy=remedy)
    return passed_over


def _flag(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise DecayError(f"{value!r} is not a bool", where=f"{SECTION}.{key}", remedy="allowed: True, False")
    return value


def _path(value: object) -> str:
    if not isinstance(value, str) or not all(value.split(".")):
        raise DecayError(
            f"{value!r} is not the path of a module",
            where=f"{SECTION}.backbone",
            remedy="write 'backbone' or 'student.backbone'",
        )
    return value


def _patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(one, str) for one in value):
        raise DecayError(
            f"{value!r} is not a list of regular expressions",
            where=f"{SECTION}.layers",
            remedy=r"write layers=['patch_embed', r'blocks\.(\d+)', 'norm'], from the stem up",
        )
    return tuple(value)
