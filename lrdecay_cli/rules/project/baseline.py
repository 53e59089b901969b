"""The rule that compares the groups of a config with its baseline."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.settings import settings
from lrdecay_cli.analysis.comparing.tables import drop_implied, shown_change, shown_setting
from lrdecay_cli.domain.change import ASPECTS
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule

_SHOWN = 3
# In the order in which an engineer reads them.
_ORDER = tuple(dict.fromkeys(("lr", "lr_scale", "weight_decay", *ASPECTS)))


@rule(
    "LRD701",
    "differs-from-baseline",
    severity="error",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))", baseline=""),
    good=Example("", baseline=""),
)
def differs_from_baseline(context: RuleContext) -> Iterator[Fault]:
    """A parameter's group, lr or weight decay differs from the baseline.

    The baseline is a reviewed group map. An unintended difference changes the training.

    LRD701 runs if ``--baseline``, or ``baseline`` in the settings, names a baseline, a group map, or a directory that
    ``lrdecay baseline`` wrote. Numbers that differ by less than a billionth are treated as equal. The message lists
    changed settings first, then groups, then tensors. If the difference is intended, write the baseline again.
    """
    baseline = context.policy.baseline
    if baseline is None:
        return
    profiles: dict[str, dict[str, tuple[Any, Any]]] = {}
    for change in diff(baseline.group_map, context.group_map, rtol=CLOSE):
        profiles.setdefault(change.parameter, {})[change.aspect] = (change.before, change.after)
    if not profiles and not baseline.others:
        return
    # Use the parameter names of the checked map.
    named = {profile["renamed"][1] if "renamed" in profile else name: profile for name, profile in profiles.items()}
    for profile in named.values():
        drop_implied(profile)
    changed = settings(baseline.group_map, context.group_map)
    before = baseline.group_map
    # A text baseline distinguishes groups only by name.
    counted = not baseline.is_text or all(group.named for group in (*before.groups, *context.group_map.groups))
    same_base = (before.base_lr, before.lr_factor) == (context.group_map.base_lr, context.group_map.lr_factor)
    # Configs with the same base share lr scales even if their base lrs differ.
    implied = same_base and all("lr_scale" in profile for profile in named.values() if "lr" in profile)
    for profile in named.values() if implied else ():
        profile.pop("lr", None)
    texts = [*_describe_changes(before if counted else context.group_map, context.group_map, named)]
    texts += [_listed([other.problem for other in baseline.others])] if baseline.others else []
    since = _listed([f"{each.name.rpartition('.')[2]} {shown_setting(each)}" for each in changed])
    shows = baseline.shows or f"lrdecay diff {shlex.quote(baseline.path)} {shlex.quote(context.group_map.config.path)}"
    yield Fault(
        f"{since} since the baseline: {'; '.join(texts)}"
        if changed
        else f"difference from the baseline: {'; '.join(texts)}",
        f"see all differences with: {shows}; if they are intended, run:"
        f" {baseline.command or 'lrdecay baseline --update'}",
        parameters=dict.fromkeys([*named, *(name for other in baseline.others for name in other.parameters)]),
        option=changed[0].option if changed else "",
        changed=", ".join(f"{each.name} {shown_change(each.before, each.after)}" for each in changed)
        or "; ".join(texts),
    )


def _describe_changes(
    before: GroupMap, after: GroupMap, profiles: Mapping[str, dict[str, tuple[Any, Any]]]
) -> Iterator[str]:
    """Yield texts about the changes: first the number of groups, then one text per kind of change to tensors."""
    if len(before.groups) != len(after.groups):
        yield f"{len(before.groups)} → {count(len(after.groups), 'group')}"
    for aspect, words in (("added", "more"), ("removed", "gone")):
        if number := sum(aspect in profile for profile in profiles.values()):
            yield f"{count(number, 'tensor')} {words}"
    by_aspect: dict[str, list[str]] = {}
    for profile in profiles.values():
        for aspect, pair in profile.items():
            if aspect not in ("added", "removed"):
                by_aspect.setdefault(aspect, []).append(shown_change(*pair))
    for aspect in sorted(by_aspect, key=_ORDER.index):
        changes = by_aspect[aspect]
        yield f"{aspect.replace('_', ' ')} of {count(len(changes), 'tensor')} {_listed([*dict.fromkeys(changes)])}"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"
