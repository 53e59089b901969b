"""Sorting a model's parameters into groups.

Source: mmdet 3.3.0, ``LearningRateDecayOptimizerConstructor.add_params``: names, order and numbers of the groups are
its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lrdecay_cli.decay.families import ALL_FAMILIES, Family
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.decay.rules import DecayRules
from lrdecay_cli.decay.steps import weight_decay_exemption
from lrdecay_cli.domain.provenance import Provenance


class TrainingParameter(NamedTuple):
    """A parameter as the model registers it."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool = True


class PlannedParameter(NamedTuple):
    """A parameter in its group."""

    name: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A parameter group that is to be."""

    name: str
    """``layer_<id>_decay`` or ``layer_<id>_no_decay``."""
    layer_id: int
    lr_scale: int | float
    """Factor on the base lr."""
    lr: int | float
    """Per step, as training starts."""
    weight_decay: int | float | None
    parameters: tuple[PlannedParameter, ...]


def plan_groups(
    parameters: Iterable[TrainingParameter],
    options: DecayOptions,
    *,
    backbone_class: str | None,
    base_lr: float | None,
    base_weight_decay: float | None = None,
    families: tuple[Family, ...] = ALL_FAMILIES,
) -> tuple[PlannedGroup, ...]:
    """The groups that the constructor makes, in order of first appearance. A frozen parameter is in none.

    Args:
        parameters: every parameter of the model, frozen ones included, in the model's order.
        options: the decay's options.
        backbone_class: class name of ``model.backbone``, None for a model that has none.
        base_lr: the optimizer's lr.
        base_weight_decay: the optimizer's weight decay, None if the config has none.
        families: the backbones to serve, ``MMDET_FAMILIES`` for those that mmdet serves.

    Raises:
        DecayError: the constructor could not build its groups, with the parameter or key that stands in the way.
    """
    everything = tuple(parameters)
    rules = DecayRules.of_model(
        (parameter.name for parameter in everything),
        options,
        backbone_class=backbone_class,
        base_lr=base_lr,
        base_weight_decay=base_weight_decay,
        families=families,
    )
    members: dict[str, list[PlannedParameter]] = {}
    for name, shape, requires_grad in everything:
        if not requires_grad:
            continue
        provenance = rules.explain(name, shape)
        kind = "no_decay" if weight_decay_exemption(name, shape) else "decay"
        members.setdefault(f"layer_{provenance.layer_id.result}_{kind}", []).append(PlannedParameter(name, provenance))
    return tuple(_group(name, planned) for name, planned in members.items())


def _group(name: str, planned: list[PlannedParameter]) -> PlannedGroup:
    # The layer id and the kind are the group's name, so that all of its parameters have the numbers of the first.
    numbers = planned[0].provenance
    layer_id, lr_scale, lr = numbers.layer_id.result, numbers.lr_scale.result, numbers.lr.result
    assert isinstance(layer_id, int)
    assert lr_scale is not None
    assert lr is not None
    return PlannedGroup(name, layer_id, lr_scale, lr, numbers.weight_decay.result, tuple(planned))
