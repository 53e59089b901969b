"""Rule LRD606: schedulers-do-not-join."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, number, rate, rule, trained

_USED_UP = 0.05
"""Below this share of the lr little is learnt any more."""
_LONG = 0.1
"""From this share of the training on, what is left behind a scheduler's end is no rounding."""
_EARLY = 0.5
"""Up to this share of the training, its last step is early."""


@rule(
    "LRD606",
    "schedulers-do-not-join",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=8, begin=0, end=8)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
def schedulers_do_not_join(context: RuleContext) -> Iterator[Fault]:
    """Two schedulers lower the lr at the same time, or the lr has come to its lowest long before the training ends.

    Each multiplies what the other left, so the lr falls much faster than either of them says. And a schedule of 12
    epochs in a training of 36 leaves two thirds of the training to an lr of 0, or of a hundredth of what it was.

    The second happens when ``max_epochs`` is raised and ``param_scheduler`` is not. Steps that end before the
    training's half, by a scheduler whose own ``end`` is not earlier, are an info. A warm-up may overlap with anything,
    for it ends at the full lr. ``OneCycleLR`` and ``CosineRestartLR`` set the lr outright and stand no other scheduler
    beside them.
    """
    # One fault for each pair, and one for each that ends too early.
    lowering = [one for one in context.schedulers if one.acts and not one.is_warm_up and one.family != "Constant"]
    for index, first in enumerate(lowering):
        for second in lowering[index + 1 :]:
            yield from _overlap(first, second)
    for one in lowering:
        # A warm-up goes up to the lr that there is, and no further.
        others = [other for other in context.schedulers if other is not one and not other.is_warm_up]
        # Whatever comes later may raise it again, or go on lowering it.
        if one.end is None or any(other.unit != one.unit or (other.last or 0) > one.end for other in others):
            continue
        yield from _steps_over(one) if one.family in ("MultiStep", "Step") else _used_up(one)


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


def _steps_over(scheduler: Scheduler) -> Iterator[Fault]:
    """Its steps are all done, and most of the training is still to come."""
    length, end, count = scheduler.length, scheduler.end, scheduler.times_stepped()
    gamma = scheduler.value("gamma", 0.1)
    milestones = scheduler.settings.get("milestones")
    given = [step for step in milestones if number(step) is not None] if isinstance(milestones, (list, tuple)) else []
    # Milestones that are never reached are another rule's.
    if not length or end is None or not count or not 0 <= gamma < 1 or count < len(given):
        return
    rest = f"at {rate(gamma ** min(count, 1000))} of the lr"
    if length - end >= _LONG * length:
        spread = length / (end - scheduler.begin)
        later = f"milestones={[round(step * spread) for step in given]} and " if given and not scheduler.begin else ""
        yield Fault(
            f"{scheduler.name} ends at {end:g} {scheduler.unit}, and training goes on for {length - end:g} more {rest}",
            f"{later}end={length:g} spreads it over the training" if later else f"{scheduler.path}.end={length:g}",
            option=f"{scheduler.path}.end",
        )
    elif given and scheduler.begin + max(given) <= _EARLY * length:
        last = scheduler.begin + max(given)
        yield Fault(
            f"the last milestone of {scheduler.name} is at {last:g} of {length:g} {scheduler.unit}: the other "
            f"{length - last:g} train {rest}",
            "later milestones, or a shorter training",
            option=f"{scheduler.path}.milestones",
            severity="info",
        )


def _used_up(scheduler: Scheduler) -> Iterator[Fault]:
    if scheduler.family not in ("CosineAnnealing", "Poly") or scheduler.end is None or scheduler.length is None:
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
