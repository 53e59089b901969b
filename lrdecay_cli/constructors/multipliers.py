"""The options of ``paramwise_cfg`` that multiply the lr or the weight decay of a kind of parameter.

Source: mmengine 0.10, ``DefaultOptimWrapperConstructor.add_params``; mmpretrain 1.2,
``LearningRateDecayOptimWrapperConstructor.add_params``, which has fewer of them and no exceptions for offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY, Settings, Subject

Target = Literal["lr", "weight_decay"]


class Fit(NamedTuple):
    """Whether an option is meant for a parameter."""

    fits: bool
    reason: str
    """What decides: ``the module is a LayerNorm``, ``not a bias``."""


class Multiplier(NamedTuple):
    """An option that multiplies the lr or the weight decay of a kind of parameter."""

    option: str
    target: Target
    fit: Callable[[Subject], Fit]
    condition: str
    """The kind of parameter."""


def _norm(subject: Subject) -> Fit:
    return Fit("norm" in subject.module.traits, f"the module is a {subject.module.type}")


def _bias(subject: Subject) -> Fit:
    return Fit(subject.own == "bias", "it is a bias" if subject.own == "bias" else "it is no bias")


def _bias_but_of_offsets(subject: Subject) -> Fit:
    if subject.own == "bias" and "offset" in subject.module.traits:
        return Fit(False, "its module computes the offsets of a deformable convolution")
    return _bias(subject)


def _bias_but_of_norms_and_offsets(subject: Subject) -> Fit:
    if subject.own == "bias" and "norm" in subject.module.traits:
        return Fit(False, f"a bias of a norm layer ({subject.module.type}) is exempt")
    return _bias_but_of_offsets(subject)


def _offset(subject: Subject) -> Fit:
    traits = subject.module.traits
    if "conv_offset" in subject.path and "offset" in traits and "conv2d" in traits:
        return Fit(True, "its module computes the offsets of a deformable convolution")
    return Fit(False, "its module is no conv_offset of a deformable convolution")


def _depthwise(subject: Subject) -> Fit:
    if "depthwise" in subject.module.traits:
        return Fit(True, f"the module is a depth-wise {subject.module.type}")
    return Fit(False, f"the module is a {subject.module.type}, no depth-wise convolution")


def dimensions_text(subject: Subject) -> str:
    """How many dimensions it has, as far as that matters: more than one are all the same."""
    return {0: "it is a scalar", 1: "it has one dimension"}.get(len(subject.shape), "it has more than one dimension")


def _flat(subject: Subject) -> Fit:
    return Fit(len(subject.shape) == 1, dimensions_text(subject))


def _flat_but_of_offsets(subject: Subject) -> Fit:
    if len(subject.shape) == 1 and "offset" in subject.module.traits:
        return Fit(False, "its module computes the offsets of a deformable convolution")
    return _flat(subject)


MULTIPLIERS: Mapping[str, tuple[Multiplier, ...]] = {
    MMENGINE_DEFAULT: (
        Multiplier("bias_lr_mult", "lr", _bias_but_of_norms_and_offsets, "be a bias, not of a norm layer or an offset"),
        Multiplier("dcn_offset_lr_mult", "lr", _offset, "be a conv_offset of a deformable convolution"),
        Multiplier("norm_decay_mult", "weight_decay", _norm, "be a parameter of a norm layer"),
        Multiplier("bias_decay_mult", "weight_decay", _bias_but_of_offsets, "be a bias, not of an offset"),
        Multiplier("dwconv_decay_mult", "weight_decay", _depthwise, "be a parameter of a depth-wise convolution"),
        Multiplier("flat_decay_mult", "weight_decay", _flat_but_of_offsets, "be a 1-D tensor, not of an offset"),
    ),
    MMPRETRAIN_LAYER_DECAY: (
        Multiplier("norm_decay_mult", "weight_decay", _norm, "be a parameter of a norm layer"),
        Multiplier("bias_decay_mult", "weight_decay", _bias, "be a bias"),
        Multiplier("flat_decay_mult", "weight_decay", _flat, "be a 1-D tensor"),
    ),
}
"""What each constructor knows of them, in the order in which it asks. Of the lr's the last that fits counts, of the
weight decay's the first."""


def multipliers_set(constructor: str, options: Mapping[str, Any]) -> tuple[Multiplier, ...]:
    """Those that ``constructor`` (a class name) knows and that ``options`` sets, with or without effect."""
    return tuple(known for known in MULTIPLIERS.get(constructor, ()) if options.get(known.option) is not None)


def has_base(multiplier: Multiplier, settings: Settings) -> bool:
    """Whether the optimizer was given what the option multiplies: no ``flat_decay_mult`` without a weight decay."""
    return (settings.base_lr if multiplier.target == "lr" else settings.base_weight_decay) is not None
