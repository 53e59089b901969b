"""The decay rules of one model, validated once and then applied by name; and the groups that they make.

Source of the groups: mmdet 3.3.0, ``add_params`` of its decay constructor: names, order and numbers are the same.
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
    """A parameter as the model registers it."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool = True
    module: Module | None = None
    """The module that registers it; its type determines the parameter's kind."""


class PlannedParameter(NamedTuple):
    """A parameter in its group."""

    name: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A parameter group to build."""

    name: str
    """``layer_<id>_decay`` or ``layer_<id>_no_decay``, with a custom key's multipliers: ``layer_3_lr_x0.1_decay``."""
    layer_id: int
    lr_scale: int | float
    """Factor on the base lr."""
    lr: int | float
    """Per step, as training starts."""
    weight_decay: int | float | None
    parameters: tuple[PlannedParameter, ...]


@dataclass(frozen=True, slots=True)
class DecayRules:
    """The decay of one model. :meth:`of_model` reads mmdet's options, ``plan_of_model`` those of lrdecay's
    constructor."""

    options: DecayOptions
    layer_id: Callable[[str], Formula]
    """Maps a parameter name to its layer id. Raises DecayError for a name without one."""
    base_lr: int | float
    """Learning rate of the top of the model, per step."""
    base_weight_decay: int | float | None
    """None if the config sets none; the optimizer then uses its default."""
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
        """Return the rules for a model with the parameters ``names``; frozen ones count towards the depth too.

        ``backbone_class`` is the class of ``model.backbone``; None without a backbone.

        Raises:
            DecayError: no family supports the backbone or its decay type, a number is missing or invalid, or
                ``num_layers`` is not the backbone's and the family requires it.
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
        """Return the formulas of one parameter's layer id, lr scale, lr and weight decay, from its name and shape.

        Raises:
            DecayError: the name has no layer in the backbone, or its lr scale has no value.
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
    """Return the groups of these parameters, in order of first appearance; frozen ones are in none."""
    members: dict[str, list[PlannedParameter]] = {}
    for name, shape, requires_grad, module in parameters:
        if requires_grad:
            provenance = rules.explain(name, shape, module)
            members.setdefault(_group_name(provenance), []).append(PlannedParameter(name, provenance))
    return tuple(_group(name, planned) for name, planned in members.items())


def _group_name(provenance: Provenance) -> str:
    """Return mmdet's ``layer_3_decay`` or ``layer_3_no_decay``, with the multipliers of custom keys that act.

    Parameters that train alike share a name: a key that removes all weight decay joins the exempt group.
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
    """Return the optimizer's lr. Raises DecayError if it is missing or not a finite number."""
    number = read_base(base_lr, "lr")
    if number is None:
        raise DecayError(
            "there is no base learning rate to scale", where=f"{OPTIMIZER}.lr", fix="set the optimizer's lr"
        )
    return number


def read_base(value: object, key: str) -> int | float | None:
    """Return the optimizer's lr or weight decay; None if there is none. Raises DecayError if it is not a finite
    number."""
    return None if value is None else finite_number(value, f"{OPTIMIZER}.{key}")


def check_decay_type(family: Family, decay_type: DecayType, backbone_class: str | None) -> None:
    """Raise DecayError unless the family has rules for this decay type."""
    if decay_type not in family.rules:
        raise DecayError(
            f"{decay_type!r} is not defined for {backbone_class}",
            where=f"{SECTION}.decay_type",
            fix=f"allowed: {', '.join(map(repr, family.rules))}",
        )


def _serving(backbone_class: str | None, families: tuple[Family, ...]) -> Family:
    if backbone_class is None:
        raise DecayError(
            "the model has no backbone to decay by layers",
            where="model.backbone",
            fix="use another optimizer wrapper constructor",
        )
    if family := find_family(backbone_class, families):
        return family
    whose = "mmdet's constructor" if families == MMDET_FAMILIES else "this constructor"
    served = ", ".join(str(family.classes) for family in families)
    ours = find_family(backbone_class)
    raise (ServedByOurs if ours else DecayError)(
        f"{whose} cannot decay a {backbone_class}",
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
            f"no parameter name of this {backbone_class} matches a block of the family {family.name}",
            where="model.backbone",
            fix="use another optimizer wrapper constructor: the layers are unknown",
        )
    fitting = family.fitting_num_layers(depths)
    if num_layers != fitting:
        raise DecayError(
            f"{num_layers} does not fit this {backbone_class}, which has {fitting} blocks",
            where=f"{SECTION}.num_layers",
            fix=f"set it to {fitting}",
        )
    return depths
