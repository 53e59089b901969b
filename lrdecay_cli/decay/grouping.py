"""Sorting a model's parameters into groups.

Source: mmdet 3.3.0, ``add_params`` of its decay constructor: names, order and numbers of the groups are its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lrdecay_cli.decay.families import ALL_FAMILIES, Family
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.decay.rules import DecayRules
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Module


class TrainingParameter(NamedTuple):
    """A parameter as the model registers it."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool = True
    module: Module | None = None
    """The module that registers it, by whose type its kind is told."""


class PlannedParameter(NamedTuple):
    """A parameter in its group."""

    name: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A parameter group that is to be."""

    name: str
    """``layer_<id>_decay`` or ``layer_<id>_no_decay``, with a custom key's multipliers: ``layer_3_lr_x0.1_decay``."""
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
    return sorted_into_groups(everything, rules)


def sorted_into_groups(parameters: Iterable[TrainingParameter], rules: DecayRules) -> tuple[PlannedGroup, ...]:
    """The groups that the rules make of these parameters, in order of first appearance; frozen ones are in none."""
    members: dict[str, list[PlannedParameter]] = {}
    for name, shape, requires_grad, module in parameters:
        if requires_grad:
            provenance = rules.explain(name, shape, module)
            members.setdefault(_group_name(provenance), []).append(PlannedParameter(name, provenance))
    return tuple(_group(name, planned) for name, planned in members.items())


def _group_name(provenance: Provenance) -> str:
    """``layer_3_decay`` and ``layer_3_no_decay`` as mmdet has them, with the multipliers of custom keys where they act.

    What trains alike has one name: a key that takes all weight decay away makes no group beside the exempt ones.
    """
    assert provenance.layer_id is not None
    assert provenance.lr_scale is not None
    lr_mult = provenance.lr_scale.inputs.get("lr_mult", 1)
    decay_mult = provenance.weight_decay.inputs.get("decay_mult", 1)
    exempt = provenance.weight_decay.basis == "exemption" or decay_mult == 0
    kind = "no_decay" if exempt else "decay" if decay_mult == 1 else f"decay_x{decay_mult!r}"
    return f"layer_{provenance.layer_id.result}_{'' if lr_mult == 1 else f'lr_x{lr_mult!r}_'}{kind}"


def _group(name: str, planned: list[PlannedParameter]) -> PlannedGroup:
    # The layer id and the kind are the group's name, so that all of its parameters have the numbers of the first.
    numbers = planned[0].provenance
    assert numbers.layer_id is not None
    assert numbers.lr_scale is not None
    layer_id, lr_scale, lr = numbers.layer_id.result, numbers.lr_scale.result, numbers.lr.result
    assert isinstance(layer_id, int)
    assert lr_scale is not None
    assert lr is not None
    return PlannedGroup(name, layer_id, lr_scale, lr, numbers.weight_decay.result, tuple(planned))
