"""The baseline that the project keeps of a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.analysis.comparing.changes import diff, settings
from lrdecay_cli.analysis.comparing.tables import drop_implied, shown_change
from lrdecay_cli.domain.change import ASPECTS
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule

_SHOWN = 3
# What an engineer looks for first.
_ORDER = tuple(dict.fromkeys(("lr", "lr_scale", "weight_decay", *ASPECTS)))


@rule(
    "LRD701",
    "differs-from-baseline",
    severity="error",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))", baseline=""),
    good=Example("", baseline=""),
)
def differs_from_baseline(context: RuleContext) -> Iterator[Fault]:
    """A parameter is not in the group that the baseline has it in, or not with the same rates.

    The baseline is the map that somebody looked at and found right; a difference that nobody meant changes the
    training.

    It fires where ``--baseline`` or ``baseline`` in the settings names a map, or a directory of maps as ``lrdecay
    baseline`` writes it. Rates that differ by less than a billionth are the same. Parameters that changed in the same
    respects are one finding. If the difference is meant, write the baseline again.
    """
    baseline = context.policy.baseline
    if baseline is None:
        return
    profiles: dict[str, dict[str, tuple[Any, Any]]] = {}
    for change in diff(baseline.group_map, context.group_map, rtol=CLOSE):
        profiles.setdefault(change.parameter, {})[change.aspect] = (change.before, change.after)
    alike: dict[tuple[str, ...], dict[str, Mapping[str, tuple[Any, Any]]]] = {}
    for name, profile in profiles.items():
        # In the map that is judged.
        now = profile["renamed"][1] if "renamed" in profile else name
        drop_implied(profile)
        alike.setdefault(tuple(sorted(profile, key=_ORDER.index)), {})[now] = profile
    changed = settings(baseline.group_map, context.group_map)
    since = ", ".join(f"{setting.name} {shown_change(setting.before, setting.after)}" for setting in changed[:_SHOWN])
    for aspects, members in alike.items():
        yield Fault(
            f"{_told(aspects, members)}, against the baseline" + (f"; settings: {since}" if since else ""),
            f"lrdecay diff {baseline.path} {context.group_map.config.path} shows all; "
            "if it is meant, lrdecay baseline writes it again",
            parameters=members,
            about=" ".join(aspects),
        )


def _told(aspects: tuple[str, ...], members: Mapping[str, Mapping[str, tuple[Any, Any]]]) -> str:
    tensors = count(len(members), "tensor")
    if aspects == ("added",):
        return f"{tensors} more"
    if aspects == ("removed",):
        return f"{tensors} gone"
    parts = []
    for aspect in aspects:
        pairs = list(dict.fromkeys(shown_change(*profile[aspect]) for profile in members.values()))
        more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        parts.append(f"{aspect.replace('_', ' ')} {', '.join(pairs[:_SHOWN])}{more}")
    return f"{tensors}: {'; '.join(parts)}"
