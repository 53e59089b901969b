"""Rule LRD508: custom-key-overrides-option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrdecay_cli.constructors.multipliers import Multiplier
from lrdecay_cli.rules.api import (
    EXEMPTING,
    Example,
    Fault,
    RuleContext,
    count,
    exempt_in_ours,
    key_option,
    keys_told,
    rule,
    verb,
)
from lrdecay_cli.rules.options.custom_key_shadowed import losing

_FIELDS = {"lr": "lr_mult", "weight_decay": "decay_mult"}


@rule(
    "LRD508",
    "custom-key-overrides-option",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, custom_keys={'head': dict(lr_mult=10.0)}))"
    ),
)
def custom_key_overrides_option(context: RuleContext) -> Iterator[Fault]:
    """A custom key takes parameters away from an option such as ``norm_decay_mult``.

    The option does not count for whatever a custom key reaches, even where the key only sets the lr.

    ``norm_decay_mult=0`` beside ``custom_keys={'backbone': dict(lr_mult=0.1)}`` decays every norm of the backbone: the
    key is asked first, and one that sets no ``decay_mult`` counts as 1. A key that is meant for just these parameters,
    and sets the field itself, is left alone.
    """
    # One fault for each key and option, but for what is one key's loss to another: that is LRD506's.
    multipliers = context.multipliers
    # Of the weight decay's options the first that fits counts, of the lr's the last.
    decays = [one for one in multipliers if one.target == "weight_decay"]
    lrs = [one for one in reversed(multipliers) if one.target == "lr"]
    for key, matches in context.custom_keys.items():
        for alternatives in (decays, lrs):
            told: set[str] = losing(context, _FIELDS[alternatives[0].target]) if alternatives else set()
            for multiplier in alternatives:
                names = [name for name in matches.switches_off.get(multiplier.option, ()) if name not in told]
                told.update(names)
                value, own = context.options[multiplier.option], _own(matches.settings, multiplier)
                meant = len(names) == len(matches.wins) and _FIELDS[multiplier.target] in matches.settings
                if names and own is not None and own != value != 1 and not meant and _counts(context, multiplier):
                    yield _fault(context, key, multiplier, names)


def _own(settings: Any, multiplier: Multiplier) -> Any:
    """The key's own multiplier; None where it sets the value itself."""
    return None if multiplier.target in settings else settings.get(_FIELDS[multiplier.target], 1)


def _counts(context: RuleContext, multiplier: Multiplier) -> bool:
    return multiplier.target == "lr" or bool(context.group_map.base_weight_decay)


def _fault(context: RuleContext, key: str, multiplier: Multiplier, names: list[str]) -> Fault:
    value, settings = context.options[multiplier.option], context.custom_keys[key].settings
    what = "decayed" if multiplier.target == "weight_decay" else "trained"
    amount = (
        f"{context.weight_decays.get(names[0], 0):g}"
        if multiplier.target == "weight_decay"
        else f"{_FIELDS['lr']} {_own(settings, multiplier)}"
    )
    return Fault(
        f"{count(len(names), 'tensor')} {verb(len(names), 'goes', 'go')} by custom key {key!r} and not by "
        f"{multiplier.option}={value!r}: {what} at {amount}",
        keys_told(
            names,
            context.trained,
            key,
            {**settings, _FIELDS[multiplier.target]: value},
            else_do=EXEMPTING if multiplier.target == "weight_decay" and exempt_in_ours(context, names) else "",
        ),
        parameters=names,
        option=key_option(key),
        severity=None if multiplier.target == "weight_decay" else "info",
    )
