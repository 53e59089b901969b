"""Rules about the lr that a scheduler sets in all groups alike: ``eta_min`` and ``eta_max``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.api import (
    BY_GAMMA,
    Edit,
    Example,
    Fault,
    RuleContext,
    Scheduler,
    count,
    number_or_none,
    rename_option,
    rule,
    set_option,
    trainable_groups,
    trainable_names,
)

_NOTABLE = 0.01
"""Fraction of the highest lr. An ``eta_min`` below this fraction changes the weights too little to matter."""


@rule(
    "LRD601",
    "minimum-above-lr",
    severity="error",
    also=("warning", "info"),
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-5)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min_ratio=0.1)]"),
)
def minimum_above_lr(context: RuleContext) -> Iterator[Fault]:
    """A scheduler anneals to an lr at or above the initial lr of a group.

    The scheduler raises the lr of a group instead of lowering it. Usually this group contains the lowest layers of a
    model with layer decay, or parameters with ``lr_mult=0``.

    ``eta_min`` is the same absolute lr for all groups. ``eta_min_ratio`` is multiplied by the lr of each group, so
    lower layers still have lower lrs.

    A scheduler may raise the lr on purpose, if a later scheduler lowers it again. In that case, LRD601 does not report
    a scheduler that raises all groups by the same factor. If the scheduler raises groups with different lrs to the same
    lr, the finding is an info.
    """
    for scheduler in context.schedulers:
        if not scheduler.acts:
            continue
        taken_back = _taken_back(scheduler, context.schedulers)
        ratio = scheduler.settings.get("eta_min_ratio")
        if scheduler.family.startswith("Cosine") and isinstance(ratio, (int, float)) and ratio >= 1 and not taken_back:
            yield Fault(
                f"{scheduler.name} with eta_min_ratio={ratio:g} ends at {ratio:g} times the initial lr",
                "set eta_min_ratio=0.01, or any ratio below 1",
                option=f"{scheduler.path}.eta_min_ratio",
                edits=[set_option(f"{scheduler.path}.eta_min_ratio", 0.01)],
            )
        if (lowest := scheduler.lowest()) and not (taken_back and _raises_alike(scheduler)):
            yield from _above(context, scheduler, lowest, taken_back=taken_back)


def _taken_back(scheduler: Scheduler, others: Iterable[Scheduler]) -> bool:
    """Return True if later schedulers lower the lr of every raised group back to its initial lr or below."""
    raised = [(scheduler.goal(lr), lr) for _, lr in trainable_groups(scheduler.groups) if scheduler.goal(lr) > lr]
    after = [each for each in others if each.acts and _is_later(each, scheduler)]
    return bool(raised) and all(any(_comes_to(each, high, lr) <= lr for each in after) for high, lr in raised)


def _is_later(each: Scheduler, scheduler: Scheduler) -> bool:
    same_unit = each.unit == scheduler.unit and scheduler.end is not None
    return each is not scheduler and (each.begin >= scheduler.end if same_unit and scheduler.end else each.begin > 0)


def _comes_to(scheduler: Scheduler, high: float, lr: float) -> float:
    """Return the final lr of a group after this scheduler.

    Args:
        scheduler: the scheduler.
        high: the group's lr when the scheduler begins.
        lr: the group's initial lr.
    """
    if scheduler.is_annealing:
        return scheduler.goal(lr)
    if scheduler.family == "Linear":
        return high * scheduler.value("end_factor", 1.0)
    gamma = scheduler.value("gamma", 0.1)
    return high * gamma ** min(scheduler.times_stepped() or 1, 1000) if scheduler.family in BY_GAMMA else high


def _raises_alike(scheduler: Scheduler) -> bool:
    """Return True if the scheduler multiplies the lr of every trainable group by the same factor above 1."""
    factors = [scheduler.goal(lr) / lr for _, lr in trainable_groups(scheduler.groups) if lr > 0]
    return bool(factors) and factors[0] > 1 and all(math.isclose(factor, factors[0]) for factor in factors)


def _above(context: RuleContext, scheduler: Scheduler, lowest: float, *, taken_back: bool) -> Iterator[Fault]:
    everything = trainable_groups(scheduler.groups)
    groups = [(group, lr) for group, lr in everything if lr <= lowest]
    if not groups:
        return
    parameters = trainable_names([group for group, _ in groups])
    least, highest = min(lr for _, lr in groups), max(lr for _, lr in everything)
    effect = "leaves the lr unchanged" if least == lowest else "raises the lr"
    if 0 < least < lowest:
        effect += f" up to {lowest / least:.3g} times"
    elif least == 0 and lowest > 0:
        effect += " from 0, so these tensors train"
    base = context.starting_base_lr
    ratio = lowest / base if base else 0.01
    # If a later scheduler lowers all groups again, the rise is intended, and the fix keeps its height.
    cycle = taken_back and lowest > highest
    if taken_back:
        effect += ", before another scheduler lowers the lr again"
    new_ratio = f"{ratio if cycle else min(ratio, 0.1):.3g}"
    fix = f"replace eta_min by eta_min_ratio={new_ratio} to keep the lrs different"
    edits = _by_ratio(scheduler, new_ratio)
    if scheduler.family == "Poly":
        fix = f"set {scheduler.path}.eta_min=0, or any lr below {least:g}"
        edits = [set_option(f"{scheduler.path}.eta_min", 0)]
    severity: Severity | None = None
    if taken_back:
        severity = "info" if cycle else "warning"
    elif least != 0 and (least == lowest or lowest < _NOTABLE * highest):
        severity = "warning"
    yield Fault(
        f"eta_min={lowest:g} of {scheduler.name} is not below the lr of {count(len(parameters), 'tensor')} "
        f"(lowest: {least:g}): annealing {effect}",
        fix,
        parameters=parameters,
        option=f"{scheduler.path}.eta_min",
        severity=severity,
        edits=edits,
    )


def _by_ratio(scheduler: Scheduler, ratio: str) -> list[Edit]:
    path = f"{scheduler.path}.eta_min"
    return [rename_option(path, "eta_min_ratio"), set_option(f"{path}_ratio", float(ratio))]


_CLOSE = 0.1
"""Fraction of the lowest lr. An ``eta_min`` above this fraction has an effect even before the last steps."""


@rule(
    "LRD607",
    "rates-evened-out",
    severity="info",
    also=("error",),
    bad=Example("param_scheduler = [dict(type='OneCycleLR', eta_max=1e-3)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.01)]"),
)
def rates_evened_out(context: RuleContext) -> Iterator[Fault]:
    """A scheduler gives the same lr to groups with different lrs.

    ``lr_mult`` or layer decay gave the groups different lrs, but the scheduler sets the same lr in all groups, from the
    first step on or at the end.

    ``OneCycleLR`` with a single ``eta_max`` overwrites the lr of every group. ``eta_max`` can also be a list with one
    value per group and a last value for the base lr, because mmengine adds a group for the base lr.

    ``eta_min`` is the same lr for all groups. If ``eta_min`` is close to the lr of the group with the lowest lr,
    the lr of this group hardly changes, and the lrs of all other groups fall to the same value. ``eta_min_ratio`` is
    multiplied by the lr of each group.
    """
    for scheduler in context.schedulers:
        groups = [(group, lr) for group, lr in trainable_groups(scheduler.groups) if lr > 0]
        lrs = sorted({lr for _, lr in groups})
        if len(lrs) < 2 or not scheduler.acts:
            continue
        span = f"{lrs[0]:g} to {lrs[-1]:g}"
        eta_max = number_or_none(scheduler.settings.get("eta_max"))
        if scheduler.family == "OneCycle" and eta_max is not None:
            number = len(scheduler.groups)
            yield Fault(
                f"eta_max={eta_max:g} of {scheduler.name} overwrites the lr of all {len(groups)} groups ({span})",
                f"set eta_max to a list of {number + 1} lrs: one for each of the {number} groups in order, then the"
                " base lr",
                parameters=trainable_names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_max",
                severity="error",
            )
        lowest = scheduler.lowest()
        # In a training of epochs, training may end before a scheduler of iterations.
        if lowest and _CLOSE * lrs[0] <= lowest < lrs[0] and (scheduler.length or scheduler.unit == "epochs"):
            base = context.starting_base_lr or lrs[-1]
            yield Fault(
                f"all groups (lr {span}) anneal to the same lr, eta_min={lowest:g} of {scheduler.name}: "
                f"{lowest / lrs[0]:.0%} of the lowest lr and {100 * lowest / lrs[-1]:.3g}% of the highest lr",
                "set a lower eta_min, for example eta_min=0"
                if scheduler.family == "Poly"
                else f"replace eta_min by eta_min_ratio={lowest / base:.3g} to keep the lrs different",
                parameters=trainable_names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_min",
                edits=[set_option(f"{scheduler.path}.eta_min", 0)]
                if scheduler.family == "Poly"
                else _by_ratio(scheduler, f"{lowest / base:.3g}"),
            )
