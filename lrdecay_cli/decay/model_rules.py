"""Compute the parameter groups of lrdecay's own constructor. The backbone may be at any path and have any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lrdecay_cli.decay.constructor_options import AUTO, ConstructorOptions
from lrdecay_cli.decay.families import ALL_FAMILIES, Family, find_family
from lrdecay_cli.decay.layers import LayerDepth, pattern_layers, reported_layers
from lrdecay_cli.decay.options import SECTION, DecayError
from lrdecay_cli.decay.parameter_kinds import exemption, mmdet_exemption
from lrdecay_cli.decay.rules import (
    DecayRules,
    PlannedGroup,
    TrainingParameter,
    check_decay_type,
    read_base,
    read_base_lr,
    sorted_into_groups,
)
from lrdecay_cli.domain.provenance import Formula


@dataclass(frozen=True, slots=True)
class BackboneClasses:
    """The classes of a backbone, and its method ``get_layer_depth``.

    The layers of the backbone follow from the classes, this method and the parameter names.
    """

    classes: tuple[str, ...]
    """Names of the backbone's class and of its base classes, nearest first. Each class has two names: ``package.Name``,
    then ``Name``.
    """
    reporting_class: str | None = None
    """Name, without package, of the class that defines ``get_layer_depth``. None if no class defines it."""
    layer_depth: LayerDepth | None = None
    """The method ``get_layer_depth``.

    The method takes a parameter name and the backbone's prefix. It returns the layer id and the number of layer ids.
    """

    @property
    def name(self) -> str:
        """Name of the backbone's class."""
        return self.classes[0].rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameter groups to build, and warnings about the settings."""

    groups: tuple[PlannedGroup, ...]
    warnings: tuple[str, ...]
    num_layers: int


def plan_of_model(
    parameters: Iterable[TrainingParameter],
    paramwise_cfg: Mapping[str, Any] | None,
    find_backbone: Callable[[str], BackboneClasses],
    *,
    base_lr: float | None,
    base_weight_decay: float | None,
) -> Plan:
    """Compute the parameter groups for a model.

    Args:
        parameters: every parameter of the model, frozen ones included, in the model's order.
        paramwise_cfg: the options, see :class:`ConstructorOptions`.
        find_backbone: returns the classes of the backbone at a path in the model; raises DecayError if there is no
            backbone at this path.
        base_lr: the optimizer's lr.
        base_weight_decay: the optimizer's weight decay.

    Raises:
        DecayError: an option is invalid, the backbone's layers are unknown, or a parameter has no layer.
    """
    options = ConstructorOptions.from_paramwise_cfg(paramwise_cfg)
    everything = tuple(parameters)
    names = [parameter.name for parameter in everything]
    fitting, layer_id, must_fit = _layers(options, names, find_backbone(options.backbone))
    num_layers = fitting if options.num_layers == AUTO else options.num_layers
    warnings = [
        f"{SECTION}.{key}: ignored with strict_compat=True, because mmdet's decay constructor ignores it"
        for key in options.passed_over
    ]
    if num_layers != fitting and fitting >= 0:
        if must_fit:
            raise DecayError(
                f"num_layers={num_layers} does not fit this backbone, which has {fitting} layers above its stem",
                where=f"{SECTION}.num_layers",
                fix=f"set num_layers to {fitting} or to {AUTO!r}",
            )
        if not options.strict_compat:
            warnings.append(f"{SECTION}.num_layers: {num_layers} does not fit the backbone; set {fitting} or {AUTO!r}")
    warnings += [
        f"{SECTION}.{custom.label}: matches no parameter name"
        for custom in options.custom_keys
        if not any(custom.key in name for name in names)
    ]
    rules = DecayRules(
        options.with_layers(num_layers),
        lambda name: layer_id(name, num_layers),
        read_base_lr(base_lr),
        read_base(base_weight_decay, "weight_decay"),
        mmdet_exemption if options.strict_compat else exemption,
        options.custom_keys,
    )
    return Plan(sorted_into_groups(everything, rules), tuple(warnings), num_layers)


LayerId = Callable[[str, int], Formula]
"""A function that returns the layer id for a parameter name and ``num_layers``."""


def _layers(options: ConstructorOptions, names: list[str], backbone: BackboneClasses) -> tuple[int, LayerId, bool]:
    """Return the layer numbers of the backbone.

    Returns:
        Three values:

        - the ``num_layers`` that fits the backbone; -1 if this number is unknown
        - the function that returns the layer id of a parameter
        - True if any other ``num_layers`` is an error
    """
    if options.layers:
        return (*pattern_layers(options.layers, names, options.prefix), True)
    for class_name in backbone.classes:
        if family := find_family(class_name, ALL_FAMILIES):
            return _family_layers(family, options, names, backbone.name)
        if class_name == backbone.reporting_class and backbone.layer_depth is not None:
            return (*reported_layers(backbone.layer_depth, backbone.name, names, options), True)
    served = ", ".join(str(family.classes) for family in ALL_FAMILIES)
    raise DecayError(
        f"the order of the layers of {backbone.name} is unknown",
        where=f"{SECTION}.layers",
        fix=f"list the layers as regular expressions, from the stem up, or add get_layer_depth to the class;"
        f" known backbones: {served}",
    )


def _family_layers(
    family: Family, options: ConstructorOptions, names: list[str], class_name: str
) -> tuple[int, LayerId, bool]:
    check_decay_type(family, options.decay_type, class_name)
    depths = family.depths(names, options.prefix)
    if not depths and (family.must_fit or options.num_layers == AUTO):
        raise DecayError(
            f"no parameter of this {class_name} has the name of a {family.name} block",
            where=f"{SECTION}.backbone",
            fix="list the backbone's layers in paramwise_cfg.layers as regular expressions, from the stem up",
        )
    if family.stages is not None and len(depths) not in (0, family.stages) and not options.strict_compat:
        raise DecayError(
            f"this {class_name} has {len(depths)} stages, but the rules of the family {family.name} expect"
            f" {family.stages}",
            where=f"{SECTION}.layers",
            fix="list the backbone's layers from the stem up:"
            r" layers=[r'downsample_layers\.0', r'stages\.0\.(\d+)', …]",
        )
    rule = family.rules[options.decay_type]
    placement = None if options.strict_compat else family.placement

    def layer_id(name: str, num_layers: int) -> Formula:
        placed = placement(name, options.decay_type, num_layers, depths, options.prefix) if placement else None
        return placed or rule(name, num_layers, depths, options.prefix)

    return family.fitting(options.decay_type, depths) if depths else -1, layer_id, family.must_fit
