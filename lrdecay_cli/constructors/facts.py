"""What a constructor goes by, taken from a group map: its settings, and every parameter as the constructor meets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.decay.checked import finite_number
from lrdecay_cli.domain.group_map import GroupMap, Tensor

MMENGINE_DEFAULT = "DefaultOptimWrapperConstructor"
MMPRETRAIN_LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"
MMDET_LAYER_DECAY = "LearningRateDecayOptimizerConstructor"
LRDECAY_LAYER_DECAY = "LayerDecayOptimWrapperConstructor"

OPTIMIZER = "optim_wrapper.optimizer"


class ConstructorInputs(msgspec.Struct, frozen=True):
    """What a constructor was given."""

    constructor: str
    """Its class name."""
    options: Mapping[str, Any]
    """``paramwise_cfg``; empty if there is none."""
    base_lr: int | float | None
    """As the config gives it to the optimizer, None if it does not."""
    base_weight_decay: int | float | None
    """Likewise."""
    default_lr: float | None
    """What the optimizer takes for a group without an lr."""
    default_weight_decay: float | None
    """Likewise."""
    backbone: str | None
    """Class name of the model's backbone."""


def settings_of(group_map: GroupMap) -> ConstructorInputs:
    """The settings of the constructor that built the map.

    Raises:
        DecayError: the config's lr or weight decay is no finite number.
    """
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given: Mapping[str, Any] = optimizer if isinstance(optimizer, Mapping) else {}
    return ConstructorInputs(
        constructor=constructor_name(group_map),
        options=group_map.constructor.options,
        base_lr=_given(given, "lr"),
        base_weight_decay=_given(given, "weight_decay"),
        default_lr=group_map.base_lr,
        default_weight_decay=group_map.base_weight_decay,
        backbone=group_map.model.backbone,
    )


def constructor_name(group_map: GroupMap) -> str:
    """Class name of the map's constructor, without the scope that a config may put in front of it."""
    return group_map.constructor.type.rpartition(".")[2]


def tensors_met(group_map: GroupMap) -> list[Tensor]:
    """Every tensor that the constructor meets, in the model's order; further names of shared ones too."""
    return sorted((tensor for tensor in group_map.tensors() if tensor.seen), key=lambda tensor: tensor.position)


def _given(optimizer: Mapping[str, Any], key: str) -> int | float | None:
    value = optimizer.get(key)
    return None if value is None else finite_number(value, f"{OPTIMIZER}.{key}")
