"""Rule LRD603: schedule-past-the-end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, number, rule

_LEFT = 0.05
"""Up to this share of the way down, what is cut off is rounding."""


@rule(
    "LRD603",
    "schedule-past-the-end",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[27, 33], gamma=0.1, begin=0, end=36)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, begin=0, end=12)]"),
)
def schedule_past_the_end(context: RuleContext) -> Iterator[Fault]:
    """Milestones or the range of a scheduler lie beyond the training's end, or beyond the scheduler's own.

    The lr never drops where it should, or stops half-way down.

    It happens when ``max_epochs`` is changed and ``param_scheduler`` is not, or the other way round. Milestones count
    from the scheduler's ``begin``, and those at or behind its ``end`` never act: whoever moves them has to move ``end``
    too.
    """
    # One fault for each scheduler.
    for scheduler in context.schedulers:
        if scheduler.end is not None and scheduler.end <= scheduler.begin:
            continue
        if not scheduler.acts:
            yield Fault(
                f"{scheduler.name} begins at {scheduler.begin:g}, and training ends at {scheduler.length:g} "
                f"{scheduler.unit}: it never acts",
                f"a begin before {scheduler.length:g}, or remove it",
                option=f"{scheduler.path}.begin",
            )
        elif scheduler.family == "MultiStep":
            yield from _milestones(scheduler)
        elif not scheduler.is_warm_up:
            yield from _cut_off(scheduler)


def _milestones(scheduler: Scheduler) -> Iterator[Fault]:
    given = scheduler.settings.get("milestones")
    milestones = [step for step in given if number(step) is not None] if isinstance(given, (list, tuple)) else []
    last = scheduler.last
    if last is None:
        return
    late = [step for step in milestones if scheduler.begin + step >= last]
    if not late:
        return
    whose = "the scheduler" if scheduler.length is None or last < scheduler.length else "training"
    from_begin = f" (counted from begin={scheduler.begin:g})" if scheduler.begin else ""
    listed = ", ".join(f"{step:g}" for step in late)
    of_all = "all of them" if len(late) == len(milestones) else f"{len(late)} of {len(milestones)}"
    are = "s {} are" if len(late) > 1 else " {} is"
    yield Fault(
        f"milestone{are.format(listed)} never reached{from_begin}, for {whose} ends at {last:g} {scheduler.unit}: "
        f"{of_all}",
        _remedy(scheduler, max(late), last),
        option=f"{scheduler.path}.milestones",
        severity="error" if len(late) == len(milestones) else None,
    )


def _remedy(scheduler: Scheduler, latest: float, last: float) -> str:
    if scheduler.length is not None and scheduler.begin + latest < scheduler.length:
        return f"{scheduler.path}.end={scheduler.length:g}"
    return f"milestones below {last - scheduler.begin:g}, or a longer training and a later end of the scheduler"


def _cut_off(scheduler: Scheduler) -> Iterator[Fault]:
    if scheduler.length is None or scheduler.end is None:
        return
    steps = scheduler.length - scheduler.begin
    if scheduler.family == "CosineAnnealing":
        whole = scheduler.value("T_max", 0) or scheduler.end - scheduler.begin
        left = (1 + math.cos(math.pi * min(steps / whole, 1))) / 2
    elif scheduler.family in ("Poly", "Linear", "OneCycle"):
        whole = scheduler.value("total_steps", 0) or scheduler.end - scheduler.begin
        power = scheduler.value("power", 1) if scheduler.family == "Poly" else 1
        left = max(1 - steps / whole, 0) ** power if power > 0 else 0
    else:
        return
    if left > _LEFT:
        option = next((name for name in ("T_max", "total_steps", "end") if name in scheduler.settings), "end")
        yield Fault(
            f"{scheduler.name} is made for {whole:g} {scheduler.unit}, and training stops after {steps:g} of them with "
            f"{left:.0%} of the way still to go",
            f"{option}={steps if option != 'end' else scheduler.length:g}",
            option=f"{scheduler.path}.{option}",
        )
