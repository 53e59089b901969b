"""Recompute the numbers of a group map with its constructor's formulas, and find the matches of its custom keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.constructors.precedence import OptionPrecedence, own_step
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, LayerDepth
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import read_base
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.provenance import Provenance


def inputs_of(group_map: GroupMap) -> ConstructorInputs:
    """Return the inputs of the constructor that built a map.

    Raises:
        DecayError: the lr or weight decay in the config is not a finite number.
    """
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given: Mapping[str, Any] = optimizer if isinstance(optimizer, Mapping) else {}
    prefix = "module." if group_map.is_wrapped else ""
    return ConstructorInputs(
        spec=constructor_of(group_map),
        options=group_map.constructor.options,
        base_lr=read_base(given.get("lr"), "lr"),
        base_weight_decay=read_base(given.get("weight_decay"), "weight_decay"),
        default_lr=group_map.base_lr,
        default_weight_decay=group_map.base_weight_decay,
        backbone=group_map.model.backbone,
        optimizer=given,
        wrapper=group_map.training.optim_wrapper,
        modules={path.removeprefix(prefix): module for path, module in group_map.modules.items()},
        gpus=group_map.batch.gpus if group_map.batch else 1,
    )


def tensors_met(group_map: GroupMap) -> list[Tensor]:
    """Return every tensor that the constructor gets, in the model's order.

    If a tensor has several names, the result contains it under each name that the constructor gets.
    """
    return sorted((tensor for tensor in group_map.tensors() if tensor.seen), key=lambda tensor: tensor.position)


def rules_of(
    group_map: GroupMap, tensors: Sequence[Tensor], layer_depth: LayerDepth | None = None
) -> ConstructorRules | None:
    """Return the formulas of the constructor that built a map; None if lrdecay does not know the constructor.

    Args:
        group_map: the map.
        tensors: the result of :func:`tensors_met`.
        layer_depth: the model's own ``get_layer_depth``, if the model is available.

    Raises:
        DecayError: the constructor rejects its inputs.
    """
    make = constructor_of(group_map).make_rules
    if make is None:
        return None
    inputs = inputs_of(group_map)
    if not inputs.options and not inputs.spec.makes_groups_without_options:
        return _WithoutOptions(inputs)
    return make(inputs, [tensor.seen for tensor in tensors], layer_depth)


class _WithoutOptions(ConstructorRules):
    """The formulas for a config without ``paramwise_cfg``.

    All parameters are in one group, frozen ones included. The group has the lr and weight decay of the optimizer.
    Source: mmengine 0.10, ``__call__`` of its default constructor, which the constructors of mmdet and mmpretrain
    inherit.
    """

    def __init__(self, inputs: ConstructorInputs) -> None:
        self._provenance = Provenance(
            layer_id=None,
            lr_scale=None,
            lr=own_step("base_lr", inputs.base_lr, inputs.default_lr),
            weight_decay=own_step("base_weight_decay", inputs.base_weight_decay, inputs.default_weight_decay),
        )

    def provenance(self, tensor: Tensor) -> Provenance:
        return self._provenance

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        reason = "paramwise_cfg is empty, so all parameters are in one group, also the frozen parameters"
        return (RuleTrace(("lr", "weight_decay"), "paramwise_cfg", "no effect", reason),)


def with_provenance(group_map: GroupMap, layer_depth: LayerDepth | None) -> GroupMap:
    """Return the map with the formulas of every parameter in a group, as far as lrdecay knows the formulas."""
    tensors = tensors_met(group_map)
    try:
        rules = rules_of(group_map, tensors, layer_depth)
    except DecayError:
        return group_map
    if rules is None:
        return group_map
    known: dict[tuple[str, str], Provenance] = {}
    for held in (held for tensor in tensors for held in tensor.in_groups()):
        with suppress(DecayError):
            known[held.group.optimizer if held.group else "", held.name] = rules.provenance(held)

    def explained(group: ParameterGroup) -> ParameterGroup:
        # Keep the provenance that a constructor recorded itself.
        parameters = (
            msgspec.structs.replace(
                parameter, provenance=known.get((group.optimizer, parameter.name), parameter.provenance)
            )
            for parameter in group.parameters
        )
        return msgspec.structs.replace(group, parameters=tuple(parameters))

    return msgspec.structs.replace(group_map, groups=tuple(map(explained, group_map.groups)))


class KeyMatches(msgspec.Struct, frozen=True):
    """The parameters that match one custom key. Names are as in the map, in the model's order."""

    key: str
    settings: Mapping[str, Any]
    """The settings of the custom key in the config, such as ``lr_mult``."""
    wins: tuple[str, ...]
    """Trainable parameters to which this key applies."""
    overridden: Mapping[str, str]
    """For each trainable parameter that this key matches but to which another key applies: the other key."""
    frozen: tuple[str, ...]
    """Frozen parameters with this key in their names. No key has an effect on them."""
    duplicates: tuple[str, ...]
    """Names that contain this key, but are not the first name of their tensor. No key applies to such a name."""
    switches_off: Mapping[str, tuple[str, ...]]
    """For each multiplier, such as ``norm_decay_mult``: the parameters of :attr:`wins` that it would change without
    this key.

    The key overrides all multipliers, even if its settings are empty.
    """

    @property
    def matches_nothing(self) -> bool:
        """True if no parameter name of the model contains the key."""
        return not (self.wins or self.overridden or self.frozen or self.duplicates)


def custom_key_matches(group_map: GroupMap) -> dict[str, KeyMatches]:
    """Return the matches of each custom key, in the order in which the constructor tries the keys.

    Empty if the config has no ``custom_keys``, or if lrdecay does not know that the constructor reads them.
    """
    precedence = OptionPrecedence(inputs_of(group_map))
    matched: dict[str, list[tuple[Tensor, str]]] = {key: [] for key in precedence.keys}
    for tensor in tensors_met(group_map) if matched else ():
        matching = precedence.matching_keys(tensor)
        for key in matching:
            matched[key].append((tensor, matching[0]))
    return {key: _matches(precedence, key, tensors) for key, tensors in matched.items()}


def _matches(precedence: OptionPrecedence, key: str, tensors: list[tuple[Tensor, str]]) -> KeyMatches:
    """Return the matches of one custom key.

    ``tensors`` contains each tensor with ``key`` in its name, together with the custom key that applies to the tensor.
    """
    wins = [tensor for tensor, winner in tensors if tensor.trainable and winner == key]
    switches_off = {
        multiplier.option: tuple(tensor.name for tensor in wins if multiplier.fit(tensor).fits)
        for multiplier in (() if precedence.multipliers_override_keys else precedence.effective_multipliers)
    }
    return KeyMatches(
        key=key,
        settings=precedence.key_settings(key),
        wins=tuple(tensor.name for tensor in wins),
        overridden={tensor.name: winner for tensor, winner in tensors if tensor.trainable and winner != key},
        frozen=tuple(tensor.name for tensor, _ in tensors if tensor.label == "frozen"),
        duplicates=tuple(tensor.name for tensor, _ in tensors if tensor.state == "duplicate"),
        switches_off={option: names for option, names in switches_off.items() if names},
    )
