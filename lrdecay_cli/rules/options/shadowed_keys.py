"""A rule about custom keys that a longer key overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    listed,
    nearest,
    rule,
    set_option,
)
from lrdecay_cli.rules.options.custom_keys import known_settings
from lrdecay_cli.rules.options.lost_settings import Loss, lost_settings, matched


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

    Each parameter is in at most one finding. If several overridden keys set the same field, the fix restores the value
    of the longest of these keys, or of a shorter key that matches only a part of the longer key's parameters.

    If two custom keys of equal length match a parameter, mmengine applies the first key in alphabetical order. LRD506
    does not report a longer key that matches fewer parameters and sets the same fields, because it overrides the
    shorter key on purpose.
    """
    # One fault for each key that overrides others, and each set of tensors that lose the same settings.
    losses = lost_settings(context)
    reported = {key for loss in losses for key in loss.keys}
    for loss in losses:
        first = context.custom_keys[loss.keys[0]]
        if len(loss.keys) == 1:
            every = not first.wins and len(loss.names) == len(first.overridden)
            part = "all" if every else f"{len(loss.names):,} of"
            overridden = f"{part} its {count(len(first.wins) + len(first.overridden), 'tensor')}"
        else:
            overridden = count(len(loss.names), "tensor")
        settings = ", ".join(f"{setting}={value!r}" for setting, value in loss.dropped.items())
        lengths = len(loss.winner), len(first.key)
        length = "longer" if lengths[0] > lengths[1] else "shorter" if lengths[0] < lengths[1] else "earlier"
        fix, edits = _fix(context, loss, losses)
        yield Fault(
            f"the {length} custom key {loss.winner!r} overrides {listed(map(repr, loss.keys))} for {overridden},"
            f" so these tensors lose {settings}",
            fix,
            parameters=loss.names,
            option=key_option(loss.keys[0]),
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


def _may_reach(
    context: RuleContext, loss: Loss, losses: Sequence[Loss], settings: Mapping[str, Any], reach: set[str]
) -> bool:
    """Return True if a key may restore the lost settings, although it also applies to other parameters.

    These parameters must lose the same settings, and LRD506 must still report their other lost settings afterwards.

    Args:
        context: the map of the current config.
        loss: the loss to restore.
        losses: all losses.
        settings: the settings of the key that restores them.
        reach: the parameters that the key matches, without those to which a longer key applies.
    """
    left = reach - {*loss.names}
    for other in losses:
        if other.winner == loss.winner and other is not loss and not left.isdisjoint(other.names):
            if not loss.dropped.keys() <= other.dropped.keys():
                return False
            for setting, key in other.sources.items():
                same = settings.get(setting) == other.dropped[setting]
                if not same and setting in settings and reach <= matched(context.custom_keys[key]):
                    return False
            left -= {*other.names}
    return not left


def _fix(context: RuleContext, loss: Loss, losses: Sequence[Loss]) -> tuple[str, list[Edit]]:
    # The winner's settings, with misspelt names corrected and unknown ones removed.
    winner, names = loss.winner, loss.names
    known, given = known_settings(context, winner), context.custom_keys[winner].settings
    corrected = {name: name if name in known else nearest(name, known) for name in given}
    settings = {
        right: given[name] for name, right in corrected.items() if right and (right == name or right not in corrected)
    }
    settings |= loss.dropped
    # A key without any tensor left would be reported next.
    emptied = [key for key in loss.keys if matched(context.custom_keys[key]) <= {*names}]
    removed = [delete_option(key_option(key)) for key in emptied]
    # Only one fix may write the winner.
    largest = max((each for each in losses if each.winner == winner), key=lambda each: len(each.names))
    if largest is loss and _may_reach(context, loss, losses, settings, {*context.custom_keys[winner].wins}):
        further = f", and remove {listed(map(repr, emptied))}" if emptied else ""
        edits = [set_option(key_option(winner), settings), *removed]
        return f"write {winner!r}: {as_python(settings)}{further}", edits
    reads, key = context.spec.custom_keys, loss.keys[0]
    if reads and reads.shortest_counts:
        reason = f"because {context.spec.name} uses the shortest key"
        return f"replace {winner!r} by a key longer than {key!r}, {reason}", []
    action = f"replace {listed(map(repr, emptied))} by" if emptied else "add"
    joined = f"{winner.rstrip('.')}.{key.lstrip('.')}"
    longer = {name for key, matches in context.custom_keys.items() if len(key) >= len(joined) for name in matches.wins}
    reach = {name for name in context.trained if joined in name} - longer
    if len(loss.keys) == 1 and {*names} <= reach and _may_reach(context, loss, losses, settings, reach):
        return f"{action} {joined!r}: {as_python(settings)}", [*removed, set_option(key_option(joined), settings)]
    otherwise = f"write {winner!r}: {as_python(settings)}, for all tensors that this key matches"
    if loss.dropped == {"decay_mult": 0} and exempt_in_ours(context, names):
        otherwise = EXEMPTING
    fix, edits = keys_fix(names, context.trained, winner, settings, else_do=otherwise, action=action)
    return fix, [*removed, *edits] if edits else []
