"""A rule about custom keys that override an option such as ``norm_decay_mult``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.rules.api import (
    EXEMPTING,
    Edit,
    Fault,
    RuleContext,
    count,
    default_with,
    exempt_in_ours,
    key_option,
    keys_fix,
    number_or_none,
    rule,
    verb,
)
from lrdecay_cli.rules.options.lost_settings import Loss, lost_settings


@rule(
    "LRD508",
    "custom-key-overrides-option",
    severity="warning",
    also=("info",),
    bad=default_with("norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}"),
    good=default_with("norm_decay_mult=0.0, custom_keys={'head': dict(lr_mult=10.0)}"),
)
def custom_key_overrides_option(context: RuleContext) -> Iterator[Fault]:
    """A custom key disables an option such as ``norm_decay_mult`` for the parameters that the key matches.

    Options such as ``norm_decay_mult`` do not apply to a parameter that a custom key matches, even if the key only sets
    the lr.

    With ``norm_decay_mult=0`` and ``custom_keys={'backbone': dict(lr_mult=0.1)}``, every norm of the backbone has
    weight decay. mmengine applies the custom key first, and treats a key without ``decay_mult`` as ``decay_mult=1``.

    LRD508 does not report a custom key that replaces an option on purpose: the key sets the same multiplier, and
    matches only parameters to which the option would apply. For example, beside ``norm_decay_mult``, LRD508 does not
    report a key that matches only norms and sets ``decay_mult``.
    """
    # One fault for each key and option. LRD506 reports keys that override each other.
    multipliers = context.multipliers
    # The first matching option for weight decay counts, but the last one for the lr.
    decays = [multiplier for multiplier in multipliers if multiplier.target == "weight_decay"]
    lrs = [multiplier for multiplier in reversed(multipliers) if multiplier.target == "lr"]
    losses = lost_settings(context)
    for key, matches in context.custom_keys.items():
        of_decay: set[str] = set()
        for field, alternatives in (("decay_mult", decays), ("lr_mult", lrs)):
            lost = {name for loss in losses if field in loss.dropped for name in loss.names}
            taken: set[str] = set()
            for multiplier in alternatives:
                fitting = [name for name in matches.switches_off.get(multiplier.option, ()) if name not in taken]
                taken.update(fitting)
                names = [name for name in fitting if name not in lost]
                # None if the key sets the value itself.
                own = None if multiplier.target in matches.settings else matches.settings.get(field, 1)
                intended = len(names) == len(matches.wins) and field in matches.settings
                counts = multiplier.target == "lr" or bool(context.group_map.base_weight_decay)
                value = context.options[multiplier.option]
                if not names or own is None or own == value or value == 1 or intended or not counts:
                    continue
                others = len(fitting) - len(names)
                overrides = (
                    f"custom key {key!r} overrides {multiplier.option}={value!r} for {count(len(names), 'tensor')}"
                    + (f", besides {others:,} that LRD506 reports: " if others else ": ")
                )
                if alternatives is decays:
                    of_decay.update(names)
                    having = verb(len(names), "this tensor has", "these tensors have")
                    fix, edits = _multiplied(context, matches, names, {field: value}, losses)
                    yield Fault(
                        f"{overrides}{having} weight decay {context.weight_decays.get(names[0], 0):g}",
                        fix,
                        parameters=names,
                        option=key_option(key),
                        edits=edits,
                    )
                else:
                    training = verb(len(names), "this tensor trains", "these tensors train")
                    factors = number_or_none(own), number_or_none(value)
                    product = (factors[0] or 1) * (factors[1] or 0)
                    yield Fault(
                        f"{overrides}{training} with lr_mult {own}",
                        f"change nothing if lr_mult {own} is intended; otherwise set lr_mult={product:g}"
                        f" in longer keys for {verb(len(names), 'this tensor', 'these tensors')}",
                        parameters=names,
                        option=key_option(key),
                        severity="info",
                        # A finding about weight decay may have the same key and tensors.
                        about=multiplier.option if of_decay.issuperset(names) else "",
                    )


def _multiplied(
    context: RuleContext, matches: KeyMatches, names: list[str], more: Mapping[str, Any], losses: Sequence[Loss]
) -> tuple[str, list[Edit]]:
    """Return a fix that gives parameters of a custom key further settings, as text and as edits.

    The new keys also have the settings that the parameters lose because of the custom key, see LRD506.
    """
    parts: dict[str, tuple[dict[str, Any], list[str]]] = {}
    of_name = {name: loss.dropped for loss in losses for name in loss.names}
    for name in names:
        settings = {**matches.settings, **of_name.get(name, {}), **more}
        parts.setdefault(repr(settings), (settings, []))[1].append(name)
    else_do = EXEMPTING if "decay_mult" in more and exempt_in_ours(context, names) else ""
    fixes = [
        keys_fix(several, context.trained, matches.key, settings, else_do=else_do)
        for settings, several in parts.values()
    ]
    edits = [edit for _, own in fixes for edit in own]
    return ", and ".join(text for text, _ in fixes), edits if all(own for _, own in fixes) else []
