"""``custom_keys``: which key a parameter goes by, which keys lose, and what a key switches off.

Source: mmengine 0.10, ``add_params`` of its default constructor; mmpretrain 1.2, of its layer decay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.constructors.recomputation import inputs_of, tensors_met
from lrdecay_cli.domain.group_map import GroupMap


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
    keys = precedence.keys
    if not keys:
        return {}
    wins: dict[str, list[str]] = {key: [] for key in keys}
    loses: dict[str, dict[str, str]] = {key: {} for key in keys}
    idle: dict[tuple[str, str], list[str]] = {}
    off: dict[str, dict[str, list[str]]] = {key: {} for key in keys}
    multipliers = precedence.effective_multipliers
    for tensor in tensors_met(group_map):
        matching = precedence.matching_keys(tensor)
        if not matching:
            continue
        winner, *losers = matching
        if not tensor.trainable:
            for key in matching:
                idle.setdefault((tensor.label, key), []).append(tensor.name)
            continue
        wins[winner].append(tensor.name)
        for key in losers:
            loses[key][tensor.name] = winner
        for multiplier in multipliers:
            if multiplier.fit(tensor).fits:
                off[winner].setdefault(multiplier.option, []).append(tensor.name)
    return {
        key: KeyMatches(
            key=key,
            settings=precedence.key_settings(key),
            wins=tuple(wins[key]),
            loses=loses[key],
            frozen=tuple(idle.get(("frozen", key), ())),
            duplicates=tuple(idle.get(("duplicate", key), ())),
            switches_off={option: tuple(names) for option, names in off[key].items()},
        )
        for key in keys
    }
