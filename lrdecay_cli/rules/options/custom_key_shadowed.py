"""Rule LRD506: custom-key-shadowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.constructors.custom_keys import KeyMatches
from lrdecay_cli.constructors.facts import MMPRETRAIN_LAYER_DECAY
from lrdecay_cli.rules.api import (
    EXEMPTING,
    Example,
    Fault,
    RuleContext,
    as_dict,
    count,
    exempt_in_ours,
    key_option,
    keys_told,
    nearest,
    rule,
)
from lrdecay_cli.rules.options.custom_setting_misspelt import known_settings


@rule(
    "LRD506",
    "custom-key-shadowed",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True,\n"
        "        custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0.0)}))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys={\n"
        "        'backbone': dict(lr_mult=0.1),\n"
        "        'backbone.norm': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.weight': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.bias': dict(lr_mult=0.1, decay_mult=0.0)}))"
    ),
)
def custom_key_shadowed(context: RuleContext) -> Iterator[Fault]:
    """A custom key loses parameters to a longer one, and with them its settings.

    Of all keys in a name the longest one counts, alone: settings of the others are dropped and not merged.

    ``custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0)}`` decays the backbone's norms, for
    ``backbone`` is longer. The other way round, ``'backbone.norm': dict(decay_mult=0)`` takes its norms out of
    ``backbone`` and trains them at the full rate. Keys of equal length go by alphabet. A longer key that reaches fewer
    parameters and sets the same fields is meant to win, and that is not reported.
    """
    # One fault for each key and each longer one that takes settings from it.
    for key, matches in context.custom_keys.items():
        told = False
        for winner, names in _by_winner(matches).items():
            dropped = _dropped(context, matches, context.custom_keys[winner])
            if dropped:
                told = True
                yield _fault(context, matches, winner, names, dropped)
        known = known_settings(context, key)
        if matches.loses and not matches.wins and not told and known.issuperset(matches.settings):
            yield Fault(
                f"custom key {key!r} never counts: longer keys take all {count(len(matches.loses), 'tensor')} "
                "that it reaches",
                f"remove {key!r}",
                parameters=matches.loses,
                option=key_option(key),
                severity="info",
            )


def losing(context: RuleContext, setting: str) -> set[str]:
    """Parameters for which some key's ``setting`` (``decay_mult``) is dropped for a longer key."""
    return {
        name
        for matches in context.custom_keys.values()
        for winner, names in _by_winner(matches).items()
        if setting in _dropped(context, matches, context.custom_keys[winner])
        for name in names
    }


def _by_winner(matches: KeyMatches) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, winner in matches.loses.items():
        found.setdefault(winner, []).append(name)
    return found


def _fault(
    context: RuleContext, matches: KeyMatches, winner: str, names: list[str], dropped: Mapping[str, Any]
) -> Fault:
    share = "all" if not matches.wins and len(names) == len(matches.loses) else f"{len(names):,} of"
    settings = ", ".join(f"{setting}={value!r}" for setting, value in dropped.items())
    length = "longer" if len(winner) > len(matches.key) else "earlier"
    return Fault(
        f"custom key {matches.key!r} loses {share} its {count(len(matches.wins) + len(matches.loses), 'tensor')} "
        f"to the {length} {winner!r}, and with them {settings}",
        _remedy(context, matches.key, winner, names, dropped),
        parameters=names,
        option=key_option(matches.key),
    )


def _dropped(context: RuleContext, loser: KeyMatches, winner: KeyMatches) -> dict[str, Any]:
    """Settings of the loser that the winner neither has nor overrides on purpose."""
    refines = {*winner.wins, *winner.loses} <= {*loser.wins, *loser.loses}
    dropped = {}
    known = known_settings(context, loser.key)
    for setting, value in loser.settings.items():
        multiplier = setting in ("lr_mult", "decay_mult")
        if winner.settings.get(setting, 1 if multiplier else None) == value:
            continue
        if (setting in winner.settings and refines) or setting not in known:
            continue
        if setting == "decay_mult" and not context.group_map.base_weight_decay:
            continue
        if setting == "lr_mult" and context.constructor == MMPRETRAIN_LAYER_DECAY:
            continue
        dropped[setting] = value
    return dropped


def _remedy(context: RuleContext, key: str, winner: str, names: list[str], dropped: Mapping[str, Any]) -> str:
    settings = {**_meant_settings(context, winner), **dropped}
    if {*names} == {*context.custom_keys[winner].wins}:
        return f"write {winner!r}: {as_dict(settings)}"
    joined = f"{winner.rstrip('.')}.{key.lstrip('.')}"
    if all(joined in name for name in names):
        remedy = f"add {joined!r}: {as_dict(settings)}"
    else:
        remedy = keys_told(
            names, context.trained, winner, settings, else_do=_for_many(context, winner, names, settings, dropped)
        )
    matches = context.custom_keys[key]
    # A key that has nothing left would be told next.
    left = {*matches.wins, *matches.loses} - {*names}
    return remedy if left else remedy.replace("add ", f"replace {key!r} by ", 1)


def _for_many(
    context: RuleContext, winner: str, names: list[str], settings: Mapping[str, Any], dropped: Mapping[str, Any]
) -> str:
    if dict(dropped) == {"decay_mult": 0} and exempt_in_ours(context, names):
        return EXEMPTING
    return f"write {winner!r}: {as_dict(settings)}, for all that it reaches"


def _meant_settings(context: RuleContext, key: str) -> dict[str, Any]:
    """What a key sets, with names that are misspelt put right and what nobody knows left out."""
    known = known_settings(context, key)
    meant = {name: name if name in known else nearest(name, known) for name in context.custom_keys[key].settings}
    return {
        right: value
        for name, value in context.custom_keys[key].settings.items()
        if (right := meant[name]) and (right == name or right not in meant)
    }
