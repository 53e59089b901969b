"""What the constructor of a map was given and met, and its numbers computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.constructors.formulas import WithoutOptions
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, LayerDepth
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import read_base
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.provenance import Provenance


def inputs_of(group_map: GroupMap) -> ConstructorInputs:
    """What the constructor that built the map was given.

    Raises:
        DecayError: the config's lr or weight decay is no finite number.
    """
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given: Mapping[str, Any] = optimizer if isinstance(optimizer, Mapping) else {}
    return ConstructorInputs(
        spec=constructor_of(group_map),
        options=group_map.constructor.options,
        base_lr=read_base(given.get("lr"), "lr"),
        base_weight_decay=read_base(given.get("weight_decay"), "weight_decay"),
        default_lr=group_map.base_lr,
        default_weight_decay=group_map.base_weight_decay,
        backbone=group_map.model.backbone,
    )


def tensors_met(group_map: GroupMap) -> list[Tensor]:
    """Every tensor that the constructor meets, in the model's order; further names of shared ones too."""
    return sorted((tensor for tensor in group_map.tensors() if tensor.seen), key=lambda tensor: tensor.position)


def rules_of(
    group_map: GroupMap, tensors: Sequence[Tensor], layer_depth: LayerDepth | None = None
) -> ConstructorRules | None:
    """The formulas by which the map's constructor made its groups; None for one that lrdecay does not know.

    Args:
        group_map: the map.
        tensors: its parameters, :func:`tensors_met`.
        layer_depth: the model's own, where the model is at hand.

    Raises:
        DecayError: the constructor refuses its inputs.
    """
    make = constructor_of(group_map).make_rules
    if make is None:
        return None
    inputs = inputs_of(group_map)
    if not inputs.options:
        return WithoutOptions(inputs)
    return make(inputs, [tensor.seen for tensor in tensors], layer_depth)


def with_provenance(group_map: GroupMap, layer_depth: LayerDepth | None) -> GroupMap:
    """The map with a provenance for every grouped parameter whose numbers our rules can tell."""
    tensors = tensors_met(group_map)
    try:
        rules = rules_of(group_map, tensors, layer_depth)
    except DecayError:
        return group_map
    if rules is None:
        return group_map
    told: dict[str, Provenance] = {}
    for tensor in tensors:
        with suppress(DecayError):
            told[tensor.name] = rules.provenance(tensor)

    def explained(group: ParameterGroup) -> ParameterGroup:
        # What a constructor told of itself stays.
        parameters = (
            msgspec.structs.replace(parameter, provenance=told.get(parameter.name, parameter.provenance))
            for parameter in group.parameters
        )
        return msgspec.structs.replace(group, parameters=tuple(parameters))

    return msgspec.structs.replace(group_map, groups=tuple(map(explained, group_map.groups)))
