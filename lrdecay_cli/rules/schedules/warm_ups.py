"""Rules about warm-ups that are too short, too long, or never restore the lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import (
    WARMING,
    Example,
    Fault,
    RuleContext,
    Scheduler,
    plain_number,
    rule,
    set_option,
)


@rule(
    "LRD602",
    "warm-up-never-done",
    severity="error",
    also=("warning",),
    bad=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.01, begin=0, end=1, by_epoch=True)]"),
    good=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.01, begin=0, end=2, by_epoch=True)]"),
)
def warm_up_never_done(context: RuleContext) -> Iterator[Fault]:
    """A warm-up starts above the configured lr, or never raises the lr back to it.

    The whole run trains at a fraction of the configured lr, or does not start.

    mmengine refuses a warm-up factor outside 0 to 1 when the run starts. With a factor of 0, ``LinearLR`` divides by
    zero in its second step.

    A warm-up with a single step multiplies the lr by ``start_factor`` and has no further step to restore the lr.
    ``ConstantLR`` has a default factor of 1/3 and restores the lr only at its ``end``. mmpose has its own
    ``ConstantLR`` that accepts any factor.
    """
    for scheduler in context.all_schedulers:
        if scheduler.family not in WARMING:
            continue
        refused = _refused_factors(scheduler)
        for factor, value in refused.items() if scheduler.of_mmengine else ():
            above = (
                f": the {scheduler.quantity} would start above its configured value"
                if factor != "end_factor" and value > 1
                else ""
            )
            yield Fault(
                f"mmengine refuses {scheduler.name} with {factor}={value:g} when the run starts{above}",
                f"set {factor}=0.001, or any factor up to 1" if factor == "start_factor" else f"set {factor}=1",
                option=f"{scheduler.path}.{factor}",
                edits=[set_option(f"{scheduler.path}.{factor}", 0.001 if factor == "start_factor" else 1)],
            )
        if not refused:
            yield from _left(scheduler)


def _refused_factors(scheduler: Scheduler) -> dict[str, float]:
    factors = {name: scheduler.value(name, 1.0) for name in ("start_factor", "end_factor", "factor")}
    return {name: value for name, value in factors.items() if not 0 <= value <= 1}


def refuses_factor(scheduler: Scheduler) -> bool:
    """Return True if a factor of this warm-up makes mmengine raise. Rule LRD602 reports such a factor."""
    divides = scheduler.family == "Linear" and scheduler.value("start_factor", 1.0) == 0
    return scheduler.family in WARMING and (divides or bool(_refused_factors(scheduler)))


def _left(scheduler: Scheduler) -> Iterator[Fault]:
    constant = scheduler.family == "Constant"
    factor = "factor" if constant else "start_factor"
    start, length = scheduler.value(factor, 1 / 3), scheduler.length
    if scheduler.family == "QuadraticWarmup" or start == 1 or not scheduler.acts:
        return
    steps = None if scheduler.end is None or scheduler.converted else scheduler.end - scheduler.begin
    if steps == 1 and scheduler.is_warm_up:
        yield Fault(
            f"{scheduler.name} has a single step (1 {scheduler.unit.removesuffix('s')}), so the {scheduler.quantity}"
            f" stays at {start:.3g} times the configured {scheduler.quantity}",
            f"set {scheduler.path}.end={scheduler.begin + 2:g} or more, or remove the warm-up",
            option=f"{scheduler.path}.end",
            edits=[set_option(f"{scheduler.path}.end", plain_number(scheduler.begin + 2))],
        )
    elif constant and length is not None and (scheduler.end or 0) >= length and length - scheduler.begin > length / 2:
        # Its last step, the one before its end, restores the lr.
        kept = min((scheduler.end or 0) - 1, length) - scheduler.begin
        yield Fault(
            f"{scheduler.name} keeps the {scheduler.quantity} at {start:.3g} times the configured {scheduler.quantity}"
            f" for {kept:g} of {length:g} {scheduler.unit}",
            f"set factor=1, or set end to less than {length:g}",
            option=f"{scheduler.path}.end" if "end" in scheduler.settings else f"{scheduler.path}.factor",
            severity="warning",
            edits=[set_option(f"{scheduler.path}.factor", 1)],
        )
    elif scheduler.is_warm_up and not constant:
        if start == 0 and steps != 1:
            yield Fault(
                f"{scheduler.name} with start_factor=0 divides by zero in its second step",
                "set start_factor=0.001, or any small factor above 0",
                option=f"{scheduler.path}.start_factor",
                edits=[set_option(f"{scheduler.path}.start_factor", 0.001)],
            )
        reached = scheduler.value("end_factor", 1.0)
        if reached < 1:
            yield Fault(
                f"the warm-up of {scheduler.name} ends at {reached:g} times the configured {scheduler.quantity},"
                f" and the {scheduler.quantity} stays there",
                "set end_factor=1",
                option=f"{scheduler.path}.end_factor",
                severity="warning",
                edits=[set_option(f"{scheduler.path}.end_factor", 1)],
            )


_MOST = 0.5


@rule(
    "LRD605",
    "warm-up-too-long",
    severity="error",
    also=("warning",),
    bad=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.001, begin=0, end=500)]"),
    good=Example("param_scheduler = [dict(type='LinearLR', start_factor=0.001, begin=0, end=500, by_epoch=False)]"),
)
def warm_up_too_long(context: RuleContext) -> Iterator[Fault]:
    """A warm-up is longer than the training, or takes most of it.

    The training never reaches the configured lr, or reaches it late.

    Schedulers count epochs by default, so a warm-up of hundreds of epochs usually lacks ``by_epoch=False``. A
    ``LinearLR`` without ``end`` lasts for the whole training.
    """
    for scheduler in context.all_schedulers:
        if not scheduler.is_warm_up or scheduler.family == "Constant" or not scheduler.acts:
            continue
        begin, end, length = scheduler.begin, scheduler.end, scheduler.length
        if end is None or length is None or (end - begin) <= _MOST * length or end - begin == 1:
            continue
        start, full = scheduler.value("start_factor", 1 / 3), scheduler.value("end_factor", 1.0)
        reached = start + (full - start) * min(1, (length - 1 - begin) / max(end - begin - 1, 1))
        own = "end" in scheduler.settings
        edits = [set_option(f"{scheduler.path}.end", max(1, round(length / 20)))] if begin == 0 else []
        fix = (
            f"set {scheduler.path}.end={max(1, round(length / 20)):g}"
            if begin == 0
            else f"set {scheduler.path}.end to a smaller value"
        )
        if scheduler.unit == "epochs" and own and end > 2 * length:
            fix = f"set {scheduler.path}.by_epoch=False, if {end:g} iterations are intended"
            edits = [set_option(f"{scheduler.path}.by_epoch", False)]
        message = f"the warm-up takes {end - begin:g} {scheduler.unit} of a training of {length:g} {scheduler.unit}"
        if end > length:
            message += f", so training ends at {reached:.0%} of the configured {scheduler.quantity}"
        elif not own:
            message += ", because the scheduler's end is not set"
        yield Fault(
            message,
            fix,
            option=f"{scheduler.path}.end" if own else scheduler.path,
            severity="error" if end > length else "warning",
            edits=edits,
        )
