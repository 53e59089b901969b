"""The rules of the optimizer wrapper constructors that lrdecay knows, as pure functions of a group map.

A constructor is one file here and an entry in :data:`CONSTRUCTORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lrdecay_cli.constructors.facts import (
    LRDECAY_LAYER_DECAY,
    MMDET_LAYER_DECAY,
    MMENGINE_DEFAULT,
    MMPRETRAIN_LAYER_DECAY,
    ConstructorInputs,
    constructor_name,
    settings_of,
    tensors_met,
)
from lrdecay_cli.constructors.interface import ConstructorRules, LayerDepth
from lrdecay_cli.constructors.lrdecay_layer_decay import LrdecayLayerDecay
from lrdecay_cli.constructors.mmdet_layer_decay import MmdetLayerDecay
from lrdecay_cli.constructors.mmengine_default import MmengineDefault
from lrdecay_cli.constructors.mmpretrain_layer_decay import MmpretrainLayerDecay
from lrdecay_cli.constructors.without_options import WithoutOptions
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.domain.group_map import GroupedParameter, GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.provenance import Provenance

CONSTRUCTORS: dict[str, Callable[[ConstructorInputs, Sequence[str], LayerDepth | None], ConstructorRules]] = {
    MMENGINE_DEFAULT: lambda settings, _names, _depth: MmengineDefault(settings),
    MMPRETRAIN_LAYER_DECAY: MmpretrainLayerDecay,
    MMDET_LAYER_DECAY: lambda settings, names, _depth: MmdetLayerDecay(settings, names),
    LRDECAY_LAYER_DECAY: lambda settings, _names, _depth: LrdecayLayerDecay(settings),
}
"""By class name: from its settings, the model's parameter names, and the model's own layer depths if there are any."""


def is_known(group_map: GroupMap) -> bool:
    """Whether lrdecay knows the rules of the constructor that built the map."""
    return constructor_name(group_map) in CONSTRUCTORS


def rules_of(
    group_map: GroupMap, tensors: Sequence[Tensor], layer_depth: LayerDepth | None = None
) -> ConstructorRules | None:
    """The rules by which the map's constructor made its groups; None for one that lrdecay does not know.

    Args:
        group_map: the map.
        tensors: its parameters, :func:`facts.tensors_met`.
        layer_depth: the model's own, where the model is at hand.

    Raises:
        DecayError: the settings are none that the rules could be told for.
    """
    make = CONSTRUCTORS.get(constructor_name(group_map))
    if make is None:
        return None
    settings = settings_of(group_map)
    if not settings.options:
        return WithoutOptions(settings)
    return make(settings, [tensor.seen for tensor in tensors], layer_depth)


def with_provenance(group_map: GroupMap, layer_depth: LayerDepth | None) -> GroupMap:
    """The map with a provenance for every grouped parameter whose numbers our rules can tell."""
    tensors = tensors_met(group_map)
    try:
        rules = rules_of(group_map, tensors, layer_depth)
    except DecayError:
        return group_map
    if rules is None:
        return group_map
    by_name = {tensor.name: tensor for tensor in tensors}

    def explained(parameter: GroupedParameter) -> GroupedParameter:
        tensor = by_name.get(parameter.name)
        provenance = _provenance(rules, tensor) if tensor else None
        # What a constructor told of itself stays.
        return msgspec.structs.replace(parameter, provenance=provenance) if provenance else parameter

    def explained_group(group: ParameterGroup) -> ParameterGroup:
        return msgspec.structs.replace(group, parameters=tuple(map(explained, group.parameters)))

    return msgspec.structs.replace(group_map, groups=tuple(map(explained_group, group_map.groups)))


def _provenance(rules: ConstructorRules, tensor: Tensor) -> Provenance | None:
    try:
        return rules.provenance(tensor)
    except DecayError:
        return None


__all__ = ["CONSTRUCTORS", "ConstructorRules", "LayerDepth", "is_known", "rules_of", "with_provenance"]
