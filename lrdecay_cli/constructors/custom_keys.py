"""``custom_keys``: which key a parameter goes by, which keys lose, and what a key switches off.

Source: mmengine 0.10, ``DefaultOptimWrapperConstructor.add_params``; mmpretrain 1.2,
``LearningRateDecayOptimWrapperConstructor.add_params``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lrdecay_cli.constructors.facts import (
    LRDECAY_LAYER_DECAY,
    MMENGINE_DEFAULT,
    MMPRETRAIN_LAYER_DECAY,
    ConstructorInputs,
    settings_of,
    tensors_met,
)
from lrdecay_cli.constructors.multipliers import has_base, multipliers_set
from lrdecay_cli.domain.group_map import GroupMap, Tensor

READERS = (MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY, LRDECAY_LAYER_DECAY)
"""Class names of the constructors that read ``custom_keys``."""


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
    settings = settings_of(group_map)
    keys = keys_in_order(settings)
    if not keys:
        return {}
    wins: dict[str, list[str]] = {key: [] for key in keys}
    loses: dict[str, dict[str, str]] = {key: {} for key in keys}
    idle: dict[tuple[str, str], list[str]] = {}
    off: dict[str, dict[str, list[str]]] = {key: {} for key in keys}
    known = multipliers_set(settings.constructor, settings.options)
    multipliers = [multiplier for multiplier in known if has_base(multiplier, settings)]
    for tensor in tensors_met(group_map):
        matching = matching_keys(tensor, keys, settings.constructor)
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
            settings=key_settings(settings, key),
            wins=tuple(wins[key]),
            loses=loses[key],
            frozen=tuple(idle.get(("frozen", key), ())),
            duplicates=tuple(idle.get(("duplicate", key), ())),
            switches_off={option: tuple(names) for option, names in off[key].items()},
        )
        for key in keys
    }


def keys_in_order(settings: ConstructorInputs) -> tuple[str, ...]:
    """The keys in the order in which the constructor tries them: the longest first, of equal length by alphabet.

    None of them where the constructor does not ask: mmpretrain's does not without a weight decay.
    """
    given = settings.options.get("custom_keys")
    if settings.constructor not in READERS or not isinstance(given, Mapping):
        return ()
    if settings.constructor == MMPRETRAIN_LAYER_DECAY and settings.base_weight_decay is None:
        return ()
    return tuple(sorted(sorted(given), key=len, reverse=True))


def key_settings(settings: ConstructorInputs, key: str) -> Mapping[str, Any]:
    """What the config says for a key; empty if that is no dict."""
    given = settings.options["custom_keys"][key]
    return given if isinstance(given, Mapping) else {}


def matching_keys(tensor: Tensor, keys: Iterable[str], constructor: str) -> list[str]:
    """Those of ``keys`` that are in a parameter's name, in their order: the first one counts."""
    name = searched_name(tensor, constructor)
    return [key for key in keys if key in name]


def searched_name(tensor: Tensor, constructor: str) -> str:
    """Where the constructor looks for keys. mmengine's puts a dot in front of a name without a module."""
    if constructor == MMENGINE_DEFAULT and not tensor.path:
        return f".{tensor.own}"
    return tensor.seen


def lost_to(winner: str, key: str) -> str:
    """Why a key loses to another one that is in the name too."""
    if len(winner) > len(key):
        return f"to the longer {winner!r}"
    return f"to {winner!r}, as long and first in the alphabet"
