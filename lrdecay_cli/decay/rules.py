"""The layer-decay rules of one model, and the parameter groups that follow from them.

Source of the groups: mmdet 3.3.0, ``add_params`` of its layer decay constructor. The names, order and numbers of groups
are the same as in mmdet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from lrdecay_cli.decay.constructor_options import CustomKey, matching
from lrdecay_cli.decay.families import ALL_FAMILIES, BACKBONE_PREFIX, MMDET_FAMILIES, Family, find_family
from lrdecay_cli.decay.formulas import lr_scale_step, weight_decay_step
from lrdecay_cli.decay.options import SECTION, DecayError, DecayOptions, DecayType, ServedByOurs, finite_number
from lrdecay_cli.decay.parameter_kinds import Exemption, mmdet_exemption
from lrdecay_cli.domain.provenance import Formula, Provenance, computed
from lrdecay_cli.domain.training import Module

OPTIMIZER = "optim_wrapper.optimizer"


class TrainingParameter(NamedTuple):
    """A parameter, as the model registers it."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool = True
    module: Module | None = None
    """The module that registers the parameter. Its type shows, for example, whether the parameter belongs to a norm."""


class PlannedParameter(NamedTuple):
    """A parameter of a planned group, with the formulas of its layer id, lr scale, lr and weight decay."""

    name: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A parameter group that a constructor will build."""

    name: str
    """``layer_<id>_decay`` or ``layer_<id>_no_decay``. With multipliers of a custom key: ``layer_3_lr_x0.1_decay``."""
    layer_id: int
    lr_scale: int | float
    """Factor by which the base lr is multiplied."""
    lr: int | float
    """Initial lr, before any scheduler changes it."""
    weight_decay: int | float | None
    parameters: tuple[PlannedParameter, ...]


@dataclass(frozen=True, slots=True)
class DecayRules:
    """The layer-decay rules of one model.

    :meth:`of_model` creates them from mmdet's options, ``plan_of_model`` from the options of lrdecay's own constructor.
    """

    options: DecayOptions
    layer_id: Callable[[str], Formula]
    """Maps a parameter name to its layer id. Raises DecayError if the name has no layer id."""
    base_lr: int | float
    """The optimizer's lr, at which the head trains."""
    base_weight_decay: int | float | None
    """Weight decay in the config. None if the config sets none; the optimizer then uses its default."""
    exemption: Exemption = mmdet_exemption
    custom_keys: tuple[CustomKey, ...] = ()

    @classmethod
    def of_model(
        cls,
        names: Iterable[str],
        options: DecayOptions,
        *,
        backbone_class: str | None,
        base_lr: float | None,
        base_weight_decay: float | None = None,
        families: tuple[Family, ...] = ALL_FAMILIES,
    ) -> DecayRules:
        """Return the rules for a model.

        Args:
            names: all parameter names of the model. Frozen parameters also count for the depth of the backbone.
            options: the options of the decay.
            backbone_class: the class of ``model.backbone``; None if the model has no backbone.
            base_lr: the optimizer's lr.
            base_weight_decay: the optimizer's weight decay.
            families: the backbone families that the constructor supports.

        Raises:
            DecayError: no family supports the backbone, or its family does not support the decay type. Also raised if
                the lr is missing, a number is invalid, or the family does not accept ``num_layers``.
        """
        family = _serving(backbone_class, families)
        check_decay_type(family, options.decay_type, backbone_class)
        return cls(
            options=options,
            layer_id=partial(
                family.rules[options.decay_type],
                num_layers=options.num_layers,
                depths=_fitting_depths(family, backbone_class, names, options.num_layers),
            ),
            base_lr=read_base_lr(base_lr),
            base_weight_decay=read_base(base_weight_decay, "weight_decay"),
        )

    def explain(self, name: str, shape: tuple[int, ...], module: Module | None = None) -> Provenance:
        """Return the formulas of one parameter's layer id, lr scale, lr and weight decay.

        Raises:
            DecayError: the name has no layer in the backbone, or its lr scale cannot be computed.
        """
        layer_id = self.layer_id(name)
        assert isinstance(layer_id.result, int)
        custom = matching(name, self.custom_keys)
        lr_scale = lr_scale_step(name, layer_id.result, self.options, custom)
        assert lr_scale.result is not None
        scale, base = lr_scale.result, self.base_lr
        return Provenance(
            layer_id=layer_id,
            lr_scale=lr_scale,
            lr=computed(
                "lr_scale * base_lr", f"{scale!r} * {base!r}", scale * base, {"lr_scale": scale, "base_lr": base}
            ),
            weight_decay=weight_decay_step(self.base_weight_decay, self.exemption(name, shape, module), custom),
        )


def sorted_into_groups(parameters: Iterable[TrainingParameter], rules: DecayRules) -> tuple[PlannedGroup, ...]:
    """Return the groups of these parameters, in order of first appearance. Frozen parameters are in no group."""
    members: dict[str, list[PlannedParameter]] = {}
    for name, shape, requires_grad, module in parameters:
        if requires_grad:
            provenance = rules.explain(name, shape, module)
            members.setdefault(_group_name(provenance), []).append(PlannedParameter(name, provenance))
    return tuple(_group(name, planned) for name, planned in members.items())


def _group_name(provenance: Provenance) -> str:
    """Return mmdet's group name, such as ``layer_3_decay`` or ``layer_3_no_decay``, with the multipliers of custom
    keys.

    The name omits multipliers without effect, so parameters with the same layer id, lr and weight decay have the same
    group name. For example, a custom key with ``decay_mult=0`` gives ``no_decay``.
    """
    assert provenance.layer_id is not None
    assert provenance.lr_scale is not None
    lr_mult = provenance.lr_scale.inputs.get("lr_mult", 1)
    decay_mult = provenance.weight_decay.inputs.get("decay_mult", 1)
    exempt = provenance.weight_decay.basis == "exemption" or decay_mult == 0
    kind = "no_decay" if exempt else "decay" if decay_mult == 1 else f"decay_x{decay_mult!r}"
    return f"layer_{provenance.layer_id.result}_{'' if lr_mult == 1 else f'lr_x{lr_mult!r}_'}{kind}"


def _group(name: str, planned: list[PlannedParameter]) -> PlannedGroup:
    # Layer id and kind are the group's name, so all of its parameters have the numbers of the first.
    numbers = planned[0].provenance
    return PlannedGroup(
        name,
        int(_result(numbers.layer_id)),
        _result(numbers.lr_scale),
        _result(numbers.lr),
        numbers.weight_decay.result,
        tuple(planned),
    )


def _result(step: Formula | None) -> int | float:
    assert step is not None
    assert step.result is not None
    return step.result


def read_base_lr(base_lr: object) -> int | float:
    """Return the optimizer's lr from the config. Raises DecayError if it is missing or not a finite number."""
    number = read_base(base_lr, "lr")
    if number is None:
        raise DecayError(
            "the constructor needs a base lr, but the config sets none",
            where=f"{OPTIMIZER}.lr",
            fix="set the optimizer's lr",
        )
    return number


def read_base(value: object, key: str) -> int | float | None:
    """Return the optimizer's lr or weight decay from the config; None if there is none.

    Raises:
        DecayError: the value is not a finite number.
    """
    return None if value is None else finite_number(value, f"{OPTIMIZER}.{key}")


def check_decay_type(family: Family, decay_type: DecayType, backbone_class: str | None) -> None:
    """Raise DecayError if the family has no rule for this decay type."""
    if decay_type not in family.rules:
        raise DecayError(
            f"{decay_type!r} is not defined for {backbone_class}",
            where=f"{SECTION}.decay_type",
            fix=f"allowed: {', '.join(map(repr, family.rules))}",
        )


def _serving(backbone_class: str | None, families: tuple[Family, ...]) -> Family:
    if backbone_class is None:
        raise DecayError(
            "layer decay needs a backbone, but the model has none",
            where="model.backbone",
            fix="use another optimizer wrapper constructor",
        )
    if family := find_family(backbone_class, families):
        return family
    whose = "mmdet's constructor" if families == MMDET_FAMILIES else "this constructor"
    served = ", ".join(str(family.classes) for family in families)
    ours = find_family(backbone_class)
    raise (ServedByOurs if ours else DecayError)(
        f"{whose} has no layer decay for {backbone_class}",
        where="model.backbone",
        fix=f"it supports {served}" + (f"; lrdecay's own constructor supports {backbone_class}" if ours else ""),
    )


def _fitting_depths(
    family: Family, backbone_class: str | None, names: Iterable[str], num_layers: int
) -> tuple[int, ...]:
    depths = family.depths(names, BACKBONE_PREFIX)
    if not family.must_fit:
        return depths
    if not depths:
        raise DecayError(
            f"no parameter of this {backbone_class} has the name of a {family.name} block",
            where="model.backbone",
            fix="use another optimizer wrapper constructor, because the layers of this backbone are unknown",
        )
    fitting = family.fitting_num_layers(depths)
    if num_layers != fitting:
        raise DecayError(
            f"num_layers={num_layers} does not fit this {backbone_class}, which has {fitting} blocks",
            where=f"{SECTION}.num_layers",
            fix=f"set num_layers to {fitting}",
        )
    return depths
