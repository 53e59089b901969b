"""All that decides about one model's parameters, checked once and then asked by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lrdecay_cli.decay.checked import finite_number
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.families import ALL_FAMILIES, BACKBONE_PREFIX, MMDET_FAMILIES, Family, find_family
from lrdecay_cli.decay.options import SECTION, DecayOptions
from lrdecay_cli.decay.steps import lr_scale_step, lr_step, weight_decay_step
from lrdecay_cli.domain.provenance import Provenance

OPTIMIZER = "optim_wrapper.optimizer"


@dataclass(frozen=True, slots=True)
class DecayRules:
    """The decay of one model. Use :meth:`of_model`, which checks that everything fits together."""

    options: DecayOptions
    family: Family
    depths: tuple[int, ...]
    """Blocks per stage of the backbone."""
    base_lr: int | float
    """Learning rate of the top of the model, per step."""
    base_weight_decay: int | float | None
    """None where the config gives the optimizer none; the optimizer then takes its own default."""

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
        """The rules for a model with these parameters.

        Args:
            names: all parameter names of the model, frozen ones included: they tell how deep the backbone is.
            options: the decay's options.
            backbone_class: class name of ``model.backbone``, None for a model that has none.
            base_lr: the optimizer's lr, None if the config has none.
            base_weight_decay: the optimizer's weight decay, None if the config has none.
            families: the backbones to serve.

        Raises:
            DecayError: no family serves the backbone or its decay type, a number is missing or unusable, or
                ``num_layers`` is not the backbone's where the family insists.
        """
        family = _serving(backbone_class, families)
        if options.decay_type not in family.rules:
            raise DecayError(
                f"{options.decay_type!r} is not defined for {backbone_class}",
                where=f"{SECTION}.decay_type",
                remedy=f"allowed: {', '.join(map(repr, family.rules))}",
            )
        if base_lr is None:
            raise DecayError(
                "there is no base learning rate to scale", where=f"{OPTIMIZER}.lr", remedy="give the optimizer an lr"
            )
        return cls(
            options=options,
            family=family,
            depths=_fitting_depths(family, backbone_class, names, options.num_layers),
            base_lr=finite_number(base_lr, f"{OPTIMIZER}.lr"),
            base_weight_decay=None
            if base_weight_decay is None
            else finite_number(base_weight_decay, f"{OPTIMIZER}.weight_decay"),
        )

    def explain(self, name: str, shape: tuple[int, ...]) -> Provenance:
        """The way from one parameter's name and shape to its layer id, lr scale, lr and weight decay.

        Raises:
            DecayError: the name has no place in the backbone, or its lr scale has no value.
        """
        layer_rule = self.family.rules[self.options.decay_type]
        layer_id = layer_rule(name, self.options.num_layers, self.depths)
        assert isinstance(layer_id.result, int)
        lr_scale = lr_scale_step(name, layer_id.result, self.options)
        assert lr_scale.result is not None
        return Provenance(
            layer_id=layer_id,
            lr_scale=lr_scale,
            lr=lr_step(lr_scale.result, self.base_lr),
            weight_decay=weight_decay_step(name, shape, self.base_weight_decay),
        )


def _serving(backbone_class: str | None, families: tuple[Family, ...]) -> Family:
    if backbone_class is None:
        raise DecayError(
            "the model has no backbone, whose layers the decay goes by",
            where="model.backbone",
            remedy="use another optimizer wrapper constructor",
        )
    if family := find_family(backbone_class, families):
        return family
    whose = "mmdet's constructor" if families == MMDET_FAMILIES else "this constructor"
    served = ", ".join(str(family.classes) for family in families)
    ours = find_family(backbone_class)
    raise DecayError(
        f"{whose} cannot decay a {backbone_class}",
        where="model.backbone",
        remedy=f"it serves {served}" + (f"; lrdecay's own constructor serves {backbone_class}" if ours else ""),
    )


def _fitting_depths(
    family: Family, backbone_class: str | None, names: Iterable[str], num_layers: int
) -> tuple[int, ...]:
    depths = family.depths(names, BACKBONE_PREFIX)
    if not family.must_fit:
        return depths
    if not depths:
        raise DecayError(
            f"no parameter of this {backbone_class} is named like a block of the family {family.name}",
            where="model.backbone",
            remedy="its layers cannot be told apart; use another optimizer wrapper constructor",
        )
    fitting = family.fitting_num_layers(depths)
    if num_layers != fitting:
        raise DecayError(
            f"{num_layers} does not fit this {backbone_class}, which has {fitting} blocks",
            where=f"{SECTION}.num_layers",
            remedy=f"set it to {fitting}",
        )
    return depths
