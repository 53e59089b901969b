"""What a constructor goes by, taken from a group map: its settings, and every parameter as the constructor meets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from lrdecay_cli.decay.checked import finite_number
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Module

MMENGINE_DEFAULT = "DefaultOptimWrapperConstructor"
MMPRETRAIN_LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"
MMDET_LAYER_DECAY = "LearningRateDecayOptimizerConstructor"
LRDECAY_LAYER_DECAY = "LayerDecayOptimWrapperConstructor"

OPTIMIZER = "optim_wrapper.optimizer"

State = Literal["trainable", "frozen", "duplicate"]


class Subject(msgspec.Struct, frozen=True):
    """A name under which a model registers a tensor."""

    name: str
    """In the map: from the model on."""
    seen: str
    """To the constructor, which unwraps a model inside ``.module``."""
    own: str
    """Within its module: ``weight``."""
    path: str
    """The module's, to the constructor; empty for the model itself."""
    module: Module
    shape: tuple[int, ...]
    state: State
    """``duplicate``: a further name of a tensor, met again after its first one."""


class Settings(msgspec.Struct, frozen=True):
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


def settings_of(group_map: GroupMap) -> Settings:
    """The settings of the constructor that built the map.

    Raises:
        DecayError: the config's lr or weight decay is no finite number.
    """
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given: Mapping[str, Any] = optimizer if isinstance(optimizer, Mapping) else {}
    return Settings(
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


def subjects_of(group_map: GroupMap) -> Iterator[Subject]:
    """Every name of every parameter that the constructor meets, in the model's order."""
    shapes, states = _shapes_and_states(group_map)
    prefix = "module." if is_wrapped(group_map) else ""
    for full_path, module in group_map.modules.items():
        path = f"{full_path}."
        if not path.startswith(prefix):
            continue
        path = path.removeprefix(prefix)[:-1]
        for own in module.parameters:
            name = f"{full_path}.{own}" if full_path else own
            if name in shapes:
                yield Subject(name, name.removeprefix(prefix), own, path, module, shapes[name], states[name])


def is_wrapped(group_map: GroupMap) -> bool:
    """Whether the model holds another one as ``.module``, which mmengine's constructors then take in its place."""
    return any(path == "module" or path.startswith("module.") for path in group_map.modules)


def _given(optimizer: Mapping[str, Any], key: str) -> int | float | None:
    value = optimizer.get(key)
    return None if value is None else finite_number(value, f"{OPTIMIZER}.{key}")


def _shapes_and_states(group_map: GroupMap) -> tuple[dict[str, tuple[int, ...]], dict[str, State]]:
    shapes: dict[str, tuple[int, ...]] = {}
    states: dict[str, State] = {}
    for duplicate in group_map.duplicates:
        shapes[duplicate.name], states[duplicate.name] = duplicate.shape, "duplicate"
    # A tensor that a second group holds is a duplicate of its own name: the first time counts.
    for _, grouped in group_map.grouped():
        shapes[grouped.name], states[grouped.name] = grouped.shape, "trainable" if grouped.requires_grad else "frozen"
    for frozen in group_map.frozen:
        shapes[frozen.name], states[frozen.name] = frozen.shape, "frozen"
    for missing in group_map.missing:
        shapes[missing.name], states[missing.name] = missing.shape, "trainable"
    return shapes, states
