"""What the constructor of a map was given and met, its numbers computed again, and what became of its custom keys."""

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
    """What the constructor that built the map was given.

    Raises:
        DecayError: the config's lr or weight decay is no finite number.
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
    """Every tensor that the constructor meets, in the model's order; further names of shared ones too."""
    return sorted((tensor for tensor in group_map.tensors() if tensor.seen), key=lambda tensor: tensor.position)


def rules_of(
    group_map: GroupMap, tensors: Sequence[Tensor], layer_depth: LayerDepth | None = None
) -> ConstructorRules | None:
    """The formulas by which the map's constructor made its groups; None for one that lrdecay does not know.

    ``tensors`` are :func:`tensors_met`; ``layer_depth`` is the model's own, where the model is at hand.

    Raises:
        DecayError: the constructor refuses its inputs.
    """
    make = constructor_of(group_map).make_rules
    if make is None:
        return None
    inputs = inputs_of(group_map)
    if not inputs.options and not inputs.spec.makes_groups_without_options:
        return _WithoutOptions(inputs)
    return make(inputs, [tensor.seen for tensor in tensors], layer_depth)


class _WithoutOptions(ConstructorRules):
    """One group for everything, with the optimizer's own numbers, frozen parameters too.

    Source: mmengine 0.10, ``__call__`` of its default constructor, which mmdet's and mmpretrain's inherit.
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
        reason = "it is empty, so that all parameters go into one group, frozen ones too"
        return (RuleTrace(("lr", "weight_decay"), "paramwise_cfg", "no effect", reason),)


def with_provenance(group_map: GroupMap, layer_depth: LayerDepth | None) -> GroupMap:
    """The map with a provenance for every grouped parameter whose numbers our rules can tell."""
    tensors = tensors_met(group_map)
    try:
        rules = rules_of(group_map, tensors, layer_depth)
    except DecayError:
        return group_map
    if rules is None:
        return group_map
    told: dict[tuple[str, str], Provenance] = {}
    for held in (held for tensor in tensors for held in tensor.in_groups()):
        with suppress(DecayError):
            told[held.group.optimizer if held.group else "", held.name] = rules.provenance(held)

    def explained(group: ParameterGroup) -> ParameterGroup:
        # What a constructor told of itself stays.
        parameters = (
            msgspec.structs.replace(
                parameter, provenance=told.get((group.optimizer, parameter.name), parameter.provenance)
            )
            for parameter in group.parameters
        )
        return msgspec.structs.replace(group, parameters=tuple(parameters))

    return msgspec.structs.replace(group_map, groups=tuple(map(explained, group_map.groups)))


class KeyMatches(msgspec.Struct, frozen=True):
    """What became of one key. Names are those of the map, in the model's order."""

    key: str
    settings: Mapping[str, Any]
    """What the config says for the key."""
    wins: tuple[str, ...]
    """Trainable parameters that go by this key."""
    loses: Mapping[str, str]
    """Trainable parameters that have the key in their names, but go by another, by name."""
    frozen: tuple[str, ...]
    """Frozen parameters with the key in their names, which no key changes."""
    duplicates: tuple[str, ...]
    """Further names of shared tensors with the key in them: a tensor goes by its first name."""
    switches_off: Mapping[str, tuple[str, ...]]
    """Of the parameters that go by the key, those that an option (``norm_decay_mult``) would have changed, by option.
    The key takes precedence over all options, whatever it sets itself."""

    @property
    def matches_nothing(self) -> bool:
        """Whether the key is in no name of the model."""
        return not (self.wins or self.loses or self.frozen or self.duplicates)


def custom_key_matches(group_map: GroupMap) -> dict[str, KeyMatches]:
    """What became of every key, by key, in the order in which the constructor tries them.

    Empty where there is no ``custom_keys``, and for a constructor that is not known to read it.
    """
    precedence = OptionPrecedence(inputs_of(group_map))
    matched: dict[str, list[tuple[Tensor, str]]] = {key: [] for key in precedence.keys}
    for tensor in tensors_met(group_map) if matched else ():
        matching = precedence.matching_keys(tensor)
        for key in matching:
            matched[key].append((tensor, matching[0]))
    return {key: _matches(precedence, key, tensors) for key, tensors in matched.items()}


def _matches(precedence: OptionPrecedence, key: str, tensors: list[tuple[Tensor, str]]) -> KeyMatches:
    """``tensors``: with the key in their names, each with the key that it goes by."""
    wins = [tensor for tensor, winner in tensors if tensor.trainable and winner == key]
    switches_off = {
        multiplier.option: tuple(tensor.name for tensor in wins if multiplier.fit(tensor).fits)
        for multiplier in (() if precedence.multipliers_overrule_keys else precedence.effective_multipliers)
    }
    return KeyMatches(
        key=key,
        settings=precedence.key_settings(key),
        wins=tuple(tensor.name for tensor in wins),
        loses={tensor.name: winner for tensor, winner in tensors if tensor.trainable and winner != key},
        frozen=tuple(tensor.name for tensor, _ in tensors if tensor.label == "frozen"),
        duplicates=tuple(tensor.name for tensor, _ in tensors if tensor.state == "duplicate"),
        switches_off={option: names for option, names in switches_off.items() if names},
    )
