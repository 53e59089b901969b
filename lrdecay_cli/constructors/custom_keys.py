"""``custom_keys``: which key a parameter goes by, which keys lose, and what a key switches off.

Source: mmengine 0.10, ``add_params`` of its default constructor; mmpretrain 1.2, of its layer decay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.constructors.recomputation import inputs_of, tensors_met
from lrdecay_cli.domain.group_map import GroupMap, Tensor


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
        for multiplier in precedence.effective_multipliers
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
