"""Rules about entries of ``custom_keys`` that override each other or another option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrdecay_cli.constructors.recomputation import KeyMatches
from lrdecay_cli.rules.api import (
    EXEMPTING,
    Edit,
    Example,
    Fault,
    RuleContext,
    as_python,
    count,
    default_with,
    delete_option,
    exempt_in_ours,
    key_option,
    keys_fix,
    nearest,
    part_with,
    rename_option,
    rule,
    set_option,
    verb,
)
from lrdecay_cli.rules.options.custom_keys import known_settings


@rule(
    "LRD506",
    "custom-key-shadowed",
    severity="warning",
    also=("info",),
    bad=Example(
        "optim_wrapper = dict(constructor='$DEFAULT',\n"
        "    paramwise_cfg=dict(_delete_=True,\n"
        "        custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0.0)}))"
    ),
    good=default_with(
        "custom_keys={\n"
        "        'backbone': dict(lr_mult=0.1),\n"
        "        'backbone.norm': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.weight': dict(lr_mult=0.1, decay_mult=0.0),\n"
        "        '.norm.bias': dict(lr_mult=0.1, decay_mult=0.0)}"
    ),
)
def custom_key_shadowed(context: RuleContext) -> Iterator[Fault]:
    """A longer custom key overrides a shorter key for some parameters and drops the settings of the shorter key.

    For each parameter, mmengine applies only the longest custom key that the parameter's name contains. It ignores the
    settings of all shorter keys and does not merge them.

    With ``custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0)}`` the backbone's norms get weight
    decay, because ``backbone`` is longer than ``norm``. With the longer key
    ``'backbone.norm': dict(decay_mult=0)`` instead of ``'norm'``, these norms are exempt from weight decay, but they
    train at the full lr.

    If two custom keys of equal length match a parameter, mmengine applies the first key in alphabetical order. LRD506
    does not report a longer key that matches fewer parameters and sets the same fields, because it overrides the
    shorter key on purpose.
    """
    reported = set()
    for matches, winner, names, dropped in _overrides(context):
        key = matches.key
        reported.add(key)
        overridden_part = "all" if not matches.wins and len(names) == len(matches.overridden) else f"{len(names):,} of"
        settings = ", ".join(f"{setting}={value!r}" for setting, value in dropped.items())
        length = "longer" if len(winner) > len(key) else "shorter" if len(winner) < len(key) else "earlier"
        fix, edits = _fix(context, key, winner, names, dropped)
        yield Fault(
            f"the {length} custom key {winner!r} overrides {key!r} for {overridden_part} its "
            f"{count(len(matches.wins) + len(matches.overridden), 'tensor')}, so these tensors lose {settings}",
            fix,
            parameters=names,
            option=key_option(key),
            edits=edits,
        )
    for key, matches in context.custom_keys.items():
        known = known_settings(context, key)
        if matches.overridden and not matches.wins and key not in reported and known.issuperset(matches.settings):
            yield Fault(
                f"custom key {key!r} is unused: longer keys override it for all "
                f"{count(len(matches.overridden), 'tensor')} that it matches",
                f"remove {key!r}",
                parameters=matches.overridden,
                option=key_option(key),
                severity="info",
                edits=[delete_option(key_option(key))],
            )


def _overrides(context: RuleContext) -> Iterator[tuple[KeyMatches, str, list[str], dict[str, Any]]]:
    """Yield an overridden key, the key that overrides it, the affected parameters, and the dropped settings."""
    for matches in context.custom_keys.values():
        for winner in dict.fromkeys(matches.overridden.values()):
            dropped = _dropped(context, matches, context.custom_keys[winner])
            if dropped:
                yield matches, winner, [name for name, by in matches.overridden.items() if by == winner], dropped


def _dropped(context: RuleContext, shadowed: KeyMatches, winner: KeyMatches) -> dict[str, Any]:
    """Return the settings of the key ``shadowed`` that parameters lose because mmengine applies the key ``winner``.

    The result omits a setting that has the same value in ``winner``. It also omits a setting that the user changed on
    purpose: ``winner`` gives it another value, and matches only parameters that ``shadowed`` matches too.
    """
    refines = {*winner.wins, *winner.overridden} <= {*shadowed.wins, *shadowed.overridden}
    dropped = {}
    known = known_settings(context, shadowed.key)
    without_effect = {
        "decay_mult": not context.group_map.base_weight_decay,
        "lr_mult": not context.spec.keys_set_lr,
    }
    for setting, value in shadowed.settings.items():
        same = winner.settings.get(setting, 1 if setting in without_effect else None) == value
        overridden = setting in winner.settings and refines
        if setting in known and not (same or overridden or without_effect.get(setting)):
            dropped[setting] = value
    return dropped


def _fix(
    context: RuleContext, key: str, winner: str, names: list[str], dropped: dict[str, Any]
) -> tuple[str, list[Edit]]:
    # The winner's settings, with misspelt names corrected and unknown ones removed.
    known, given = known_settings(context, winner), context.custom_keys[winner].settings
    corrected = {name: name if name in known else nearest(name, known) for name in given}
    settings = {
        right: given[name] for name, right in corrected.items() if right and (right == name or right not in corrected)
    }
    settings |= dropped
    matches = context.custom_keys[key]
    # A key without any tensor left would be reported next.
    left = {*matches.wins, *matches.overridden} - {*names}
    if {*names} == {*context.custom_keys[winner].wins}:
        further = "" if left else f", and remove {key!r}"
        removed = [] if left else [delete_option(key_option(key))]
        edits = [set_option(key_option(winner), settings), *removed]
        return f"write {winner!r}: {as_python(settings)}{further}", edits
    reads = context.spec.custom_keys
    if reads and reads.shortest_counts:
        reason = f"because {context.spec.name} uses the shortest key"
        return f"replace {winner!r} by a key longer than {key!r}, {reason}", []
    action = "add" if left else f"replace {key!r} by"
    joined = f"{winner.rstrip('.')}.{key.lstrip('.')}"
    if all(joined in name for name in names):
        removed = [] if left else [delete_option(key_option(key))]
        return f"{action} {joined!r}: {as_python(settings)}", [*removed, set_option(key_option(joined), settings)]
    otherwise = f"write {winner!r}: {as_python(settings)}, for all tensors that this key matches"
    if dropped == {"decay_mult": 0} and exempt_in_ours(context, names):
        otherwise = EXEMPTING
    replaced = "" if left else key
    return keys_fix(names, context.trained, winner, settings, else_do=otherwise, action=action, replaced=replaced)


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
    overrides = list(_overrides(context))
    for key, matches in context.custom_keys.items():
        for field, alternatives in (("decay_mult", decays), ("lr_mult", lrs)):
            reported = {name for _, _, names, dropped in overrides if field in dropped for name in names}
            for multiplier in alternatives:
                names = [name for name in matches.switches_off.get(multiplier.option, ()) if name not in reported]
                reported.update(names)
                # None if the key sets the value itself.
                own = None if multiplier.target in matches.settings else matches.settings.get(field, 1)
                intended = len(names) == len(matches.wins) and field in matches.settings
                counts = multiplier.target == "lr" or bool(context.group_map.base_weight_decay)
                value = context.options[multiplier.option]
                if names and own is not None and own != value != 1 and not intended and counts:
                    having = verb(len(names), "this tensor has", "these tensors have")
                    training = verb(len(names), "this tensor trains", "these tensors train")
                    amount = f"{having} weight decay {context.weight_decays.get(names[0], 0):g}"
                    exempts = alternatives is decays and exempt_in_ours(context, names)
                    fix, edits = keys_fix(
                        names,
                        context.trained,
                        key,
                        {**matches.settings, field: value},
                        else_do=EXEMPTING if exempts else "",
                    )
                    yield Fault(
                        f"custom key {key!r} overrides {multiplier.option}={value!r} for"
                        f" {count(len(names), 'tensor')}: "
                        + (amount if alternatives is decays else f"{training} with lr_mult {own}"),
                        fix,
                        parameters=names,
                        option=key_option(key),
                        severity=None if alternatives is decays else "info",
                        edits=edits,
                    )


def _tied(key: str) -> Example:
    return Example(
        "model = dict(head=dict(type='Tied'))\n"
        "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict(_delete_=True,\n"
        f"    bypass_duplicate=True, custom_keys={{'head.{key}.weight': dict(lr_mult=0.1)}}))",
        part_with(
            "Tied",
            "LinearClsHead",
            "self.proj = nn.Linear(4, 4)",
            "self.tied = nn.Linear(4, 4)",
            "self.tied.weight = self.proj.weight",
        ),
    )


@rule(
    "LRD511",
    "shared-parameter-by-other-key",
    severity="warning",
    bad=_tied("tied"),
    good=_tied("proj"),
)
def shared_parameter_by_other_key(context: RuleContext) -> Iterator[Fault]:
    """A custom key matches only the second name of a shared tensor, but mmengine uses only the first name.

    The constructor processes a shared tensor once, under its first name, so a key for the second name never applies.

    With ``bypass_duplicate=True``, mmengine skips a tensor that it has already processed under another name. Examples
    of such tensors are tied embeddings, or the weights of a head that shares convolutions across levels. The lr and
    weight decay of the tensor follow its first name in the model's order.
    """
    first = {duplicate.name: duplicate.of for duplicate in context.group_map.duplicates}
    for key, matches in context.custom_keys.items():
        reached = {*matches.wins, *matches.overridden, *matches.frozen}
        missed = [name for name in matches.duplicates if first.get(name, name) not in reached]
        if missed:
            yield Fault(
                f"custom key {key!r} does not apply to {missed[0]!r}: the constructor uses another name of this shared "
                f"tensor, {first[missed[0]]!r}" + (f"; same for {len(missed) - 1:,} more" if len(missed) > 1 else ""),
                f"use {first[missed[0]]!r} as the key, because the constructor uses this name for the tensor",
                parameters=missed,
                option=key_option(key),
                edits=[rename_option(key_option(key), first[missed[0]])] if not reached and len(missed) == 1 else (),
            )
