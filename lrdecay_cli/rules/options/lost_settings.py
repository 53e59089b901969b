"""Settings of custom keys that parameters lose, because mmengine applies one of several matching keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.rules.api import RuleContext
from lrdecay_cli.rules.options.custom_keys import known_settings


class Loss(NamedTuple):
    """Settings that parameters lose because mmengine applies one of several matching keys."""

    winner: str
    """The key that mmengine applies to the parameters."""
    sources: Mapping[str, str]
    """For each lost setting, such as ``lr_mult``, the overridden key that sets it."""
    dropped: Mapping[str, Any]
    """The values of the lost settings."""
    names: list[str]
    """The parameters, in the model's order."""

    @property
    def keys(self) -> list[str]:
        """The overridden keys whose settings are lost."""
        return list(dict.fromkeys(self.sources.values()))


def lost_settings(context: RuleContext) -> list[Loss]:
    """Return the settings that parameters lose. Each parameter is in at most one item."""
    matching: dict[str, tuple[str, ...]] = {}
    for key, matches in context.custom_keys.items():
        for name in (*matches.wins, *matches.overridden):
            matching[name] = (*matching.get(name, ()), key)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in context.in_model_order(matching):
        alike.setdefault(matching[name], []).append(name)
    found: dict[tuple[str, ...], Loss] = {}
    for keys, names in alike.items():
        if sources := _sources(context, keys):
            dropped = {setting: context.custom_keys[key].settings[setting] for setting, key in sources.items()}
            loss = found.setdefault((keys[0], *sources, *sources.values()), Loss(keys[0], sources, dropped, []))
            loss.names.extend(names)
    order = [*context.custom_keys]
    losses = (loss._replace(names=[*context.in_model_order(loss.names)]) for loss in found.values())
    return sorted(losses, key=lambda loss: order.index(loss.keys[0]))


def _sources(context: RuleContext, keys: Sequence[str]) -> dict[str, str]:
    """Return the settings that a parameter loses, each with the overridden key that sets it.

    ``keys`` are the keys that match the parameter. The first key is the one that mmengine applies. If several keys set
    a setting, the first counts. But a later key counts instead if the first key also matches parameters that the later
    key does not match. A setting is not lost if the first key gives it the same value.
    """
    without_effect = {
        "decay_mult": not context.group_map.base_weight_decay,
        "lr_mult": not context.spec.keys_set_lr,
    }
    found = [context.custom_keys[key] for key in keys]
    sources: dict[str, str] = {}
    for index, matches in enumerate(found):
        known = known_settings(context, matches.key)
        for setting, value in matches.settings.items():
            if index and (setting not in known or without_effect.get(setting)):
                continue
            other = context.custom_keys[sources[setting]] if setting in sources else None
            # A key may repeat the value of a shorter key.
            alike = [each for each in found[index:] if each.settings.get(setting) == value]
            if other is None or not any(_refines(other, each) for each in alike):
                sources[setting] = matches.key
    given = context.custom_keys[keys[0]].settings
    return {
        setting: key
        for setting, key in sources.items()
        if key != keys[0]
        and context.custom_keys[key].settings[setting] != given.get(setting, 1 if setting in without_effect else None)
    }


def matched(key: KeyMatches) -> set[str]:
    """Return the parameters whose names contain a custom key, also those to which a longer key applies."""
    return {*key.wins, *key.overridden}


def _refines(key: KeyMatches, other: KeyMatches) -> bool:
    """Return True if ``key`` matches only parameters that ``other`` matches too."""
    return matched(key) <= matched(other)
