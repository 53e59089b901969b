"""Rule LRD602: warm-up-never-done."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import WARMING, Example, Fault, RuleContext, Scheduler, rule


@rule(
    "LRD602",
    "warm-up-never-done",
    severity="error",
    bad=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.01, begin=0, end=1, by_epoch=True)]"),
    good=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.01, begin=0, end=2, by_epoch=True)]"),
)
def warm_up_never_done(context: RuleContext) -> Iterator[Fault]:
    """A warm-up begins above the lr, or never gives back the lr that it lowered.

    The whole run is at a fraction of the lr that the config asks for, or does not start.

    A factor outside of 0 to 1 is refused by mmengine when the run starts, and 0 makes ``LinearLR`` divide by zero in
    its second step. A warm-up of a single step multiplies by ``start_factor`` and has no further step to undo that.
    ``ConstantLR`` has a factor of 1/3 unless told otherwise, and gives the lr back at its ``end`` alone.
    """
    # One fault for each scheduler.
    for scheduler in context.schedulers:
        if scheduler.family in WARMING:
            yield from _refused(scheduler) or _left(scheduler)


def _refused(scheduler: Scheduler) -> list[Fault]:
    faults = []
    for factor in ("start_factor", "end_factor", "factor"):
        value = scheduler.value(factor, 1.0)
        if factor not in scheduler.settings or 0 <= value <= 1:
            continue
        what = "begins above the lr of every group and " if factor != "end_factor" and value > 1 else ""
        faults.append(
            Fault(
                f"{scheduler.name} with {factor}={value:g} {what}is refused by mmengine when the run starts",
                f"{factor}=0.001, or any factor up to 1" if factor == "start_factor" else f"{factor}=1",
                option=f"{scheduler.path}.{factor}",
            )
        )
    return faults


def _left(scheduler: Scheduler) -> Iterator[Fault]:
    constant = scheduler.family == "Constant"
    factor = "factor" if constant else "start_factor"
    start = scheduler.value(factor, 1 / 3)
    if scheduler.family == "QuadraticWarmup" or start == 1 or not scheduler.acts:
        return
    steps = None if scheduler.end is None or scheduler.converted else scheduler.end - scheduler.begin
    if steps == 1 and scheduler.is_warm_up:
        yield Fault(
            f"{scheduler.name} has a single step ({scheduler.unit}), and leaves the lr at {start:.3g} of what it is",
            f"{scheduler.path}.end={scheduler.begin + 2:g} or more, or no warm-up",
            option=f"{scheduler.path}.end",
        )
    elif constant and scheduler.length is not None and _is_most(scheduler, scheduler.length):
        # Its last step gives the lr back, and is the one before its end.
        held = min((scheduler.end or 0) - 1, scheduler.length) - scheduler.begin
        yield Fault(
            f"{scheduler.name} holds the lr at {start:.3g} of what it is for {held:g} of {scheduler.length:g} "
            f"{scheduler.unit}",
            f"an end before {scheduler.length:g}, or factor=1",
            option=f"{scheduler.path}.end" if "end" in scheduler.settings else f"{scheduler.path}.factor",
            severity="warning",
        )
    elif scheduler.is_warm_up and not constant:
        if start == 0 and steps != 1:
            yield Fault(
                f"{scheduler.name} with start_factor=0 divides by zero in its second step",
                "start_factor=0.001, or any small factor above 0",
                option=f"{scheduler.path}.start_factor",
            )
        reached = scheduler.value("end_factor", 1.0)
        if reached < 1:
            yield Fault(
                f"the warm-up of {scheduler.name} ends at {reached:g} of the lr and leaves it there",
                "end_factor=1",
                option=f"{scheduler.path}.end_factor",
                severity="warning",
            )


def _is_most(scheduler: Scheduler, length: float) -> bool:
    """Whether it lasts to the end of a training of this length, and is no mere end of that."""
    return (scheduler.end or 0) >= length and length - scheduler.begin > length / 2
