"""Two schedulers lower the lr at the same time, or the lr is used up before the training ends.

Each multiplies what the other left, so the lr falls much faster than either of them says, or is 0 for whole epochs.

A warm-up may overlap with anything, for it ends at the full lr. ``OneCycleLR`` and ``CosineRestartLR`` set the lr
outright and stand no other scheduler beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.schedulers import Scheduler, trained
from lrdecay_cli.rules.subject import Subject

_USED_UP = 0.05
"""Below this share of the lr little is learnt any more."""


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for each pair, and one for each that ends too early."""
    lowering = [one for one in subject.schedulers if one.acts and not one.is_warm_up and one.family != "Constant"]
    for index, first in enumerate(lowering):
        for second in lowering[index + 1 :]:
            yield from _overlap(first, second)
    for one in lowering:
        yield from _used_up(one, [other for other in subject.schedulers if other is not one])


def _overlap(first: Scheduler, second: Scheduler) -> Iterator[Fault]:
    ends = first.last, second.last
    if first.unit != second.unit or None in ends or first.groups != second.groups:
        return
    begin, end = max(first.begin, second.begin), min(last for last in ends if last is not None)
    if begin < end:
        yield Fault(
            f"{first.name} and {second.name} both lower the lr from {begin:g} to {end:g} {first.unit}",
            f"{first.path}.end={second.begin:g}"
            if second.begin > first.begin
            else f"remove {first.path} or {second.path}",
            option=f"{second.path}.begin",
        )


def _used_up(scheduler: Scheduler, others: list[Scheduler]) -> Iterator[Fault]:
    if scheduler.family not in ("CosineAnnealing", "Poly") or scheduler.end is None or scheduler.length is None:
        return
    # Whatever comes later may raise it again.
    if any(other.unit != scheduler.unit or (other.last or 0) > scheduler.end for other in others):
        return
    steps = scheduler.end - scheduler.begin
    whole = scheduler.value("T_max", 0) or steps
    lowest = scheduler.lowest()
    highest = max((lr for _, lr in trained(scheduler.groups)), default=0)
    left = scheduler.length - scheduler.end
    if lowest is None or highest == 0 or steps < whole or left < max(1, 0.02 * scheduler.length):
        return
    # Its last step is the one before its end, but where it is stepped each iteration that is all the same.
    share = (
        0.0 if scheduler.converted or scheduler.family == "Poly" else (1 + math.cos(math.pi * (steps - 1) / whole)) / 2
    )
    reached = lowest + (highest - lowest) * share
    if reached < _USED_UP * highest:
        yield Fault(
            f"{scheduler.name} is down to {reached / highest:.1%} of the lr at {scheduler.end:g} {scheduler.unit}, and "
            f"training goes on for {left:g} more",
            f"end={scheduler.length:g}"
            + (f" and T_max={scheduler.length - scheduler.begin:g}" if "T_max" in scheduler.settings else "")
            + ", or an eta_min to go on with",
            option=f"{scheduler.path}.end",
        )


RULE = Rule(
    code="LRD606",
    name="schedulers-do-not-join",
    severity="warning",
    check=check,
    documentation=__doc__,
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=8, begin=0, end=8)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
