"""Rules about the start, the end and the unit (epochs or iterations) of schedulers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    Scheduler,
    number_or_none,
    plain_number,
    rate,
    rule,
    set_option,
    trainable_groups,
    training_length,
    training_unit,
    verb,
)

_LEFT = 0.05
"""LRD603 ignores a scheduler if at most this share of its lr decrease is missing when the training ends."""
_USED_UP = 0.05
"""Share of the highest lr. With an lr below this share, training changes the weights only little."""
_LONG = 0.1
"""LRD606 ignores the end of a MultiStepLR or StepLR if less than this share of the training remains after it."""
_EARLY = 0.5
"""LRD606 reports a scheduler whose last milestone is in the first half of the training."""


@rule(
    "LRD603",
    "schedule-past-the-end",
    severity="warning",
    also=("error",),
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[27, 33], gamma=0.1, begin=0, end=36)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, begin=0, end=12)]"),
)
def schedule_past_the_end(context: RuleContext) -> Iterator[Fault]:
    """A scheduler's range or milestones are beyond the end of the training, or its milestones are beyond its own end.

    The lr never falls, or stops falling before it reaches its final value.

    A schedule goes past the end if you change only one of ``max_epochs`` and ``param_scheduler``. Milestones count from
    the scheduler's ``begin``. A milestone at or after the scheduler's ``end`` has no effect: change ``end`` together
    with the milestones.
    """
    for scheduler in context.all_schedulers:
        if scheduler.end is not None and scheduler.end <= scheduler.begin:
            continue
        if not scheduler.acts:
            yield Fault(
                f"{scheduler.name} never acts: it begins at {scheduler.begin:g}, and training ends at "
                f"{scheduler.length:g} {scheduler.unit}",
                f"set {scheduler.path}.begin below {scheduler.length:g}, or remove the scheduler",
                option=f"{scheduler.path}.begin",
            )
        elif scheduler.family == "MultiStep":
            yield from _milestones(scheduler)
        elif not scheduler.is_warm_up:
            yield from _cut_off(scheduler)


def _milestones(scheduler: Scheduler) -> Iterator[Fault]:
    begin, length, last = scheduler.begin, scheduler.length, scheduler.last
    late = [step for step in scheduler.milestones if last is not None and begin + step >= last]
    if last is None or not late:
        return
    limit = "the scheduler" if length is None or last < length else "training"
    from_begin = f", counted from begin={begin:g}" if begin else ""
    values = ", ".join(f"{step:g}" for step in late)
    every = len(late) == len(scheduler.milestones)
    total = len(scheduler.milestones)
    unreached = f"{'all' if every else f'{len(late)} of'} {total} milestones" if total > 1 else "the only milestone"
    ends_early = length is not None and begin + max(late) < length
    yield Fault(
        f"{unreached} ({values}{from_begin}) {verb(len(late), 'is', 'are')} never reached, because {limit} ends at"
        f" {last:g} {scheduler.unit}",
        f"set {scheduler.path}.end={length:g}"
        if ends_early
        else f"set milestones below {last - begin:g}, or extend the training and the scheduler's end",
        option=f"{scheduler.path}.milestones",
        severity="error" if every else None,
        edits=[set_option(f"{scheduler.path}.end", plain_number(length or 0))] if ends_early else (),
    )


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
            f"{scheduler.name} needs {whole:g} {scheduler.unit}, but training stops after {steps:g} {scheduler.unit}, "
            f"before the last {left:.0%} of the {scheduler.quantity} decrease",
            f"set {option}={steps if option != 'end' else scheduler.length:g}",
            option=f"{scheduler.path}.{option}",
            edits=[
                set_option(f"{scheduler.path}.{option}", plain_number(steps if option != "end" else scheduler.length))
            ],
        )


@rule(
    "LRD606",
    "schedulers-do-not-join",
    severity="warning",
    also=("info",),
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=8, begin=0, end=8)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
def schedulers_do_not_join(context: RuleContext) -> Iterator[Fault]:
    """Two schedulers lower the lr at the same time, or the lr reaches its minimum long before the training ends.

    If two schedulers overlap, their factors multiply, so the lr falls much faster than either scheduler intends. If a
    12-epoch schedule is used in a 36-epoch training, two thirds of the training run at lr 0, or at a hundredth of the
    initial lr.

    The lr reaches its minimum too early if ``max_epochs`` is raised and ``param_scheduler`` is not changed. The finding
    is an info if the scheduler's ``end`` fits the training, but its last milestone is in the first half.

    A warm-up may overlap with most schedulers: it multiplies the lr by a factor that ends at 1. The exceptions are
    ``OneCycleLR`` and ``CosineRestartLR``. They set the lr directly, so no other scheduler may run at the same time.
    """
    # One fault for each pair, and one for each scheduler that ends too early.
    lowering = [
        scheduler
        for scheduler in context.all_schedulers
        if scheduler.acts and not scheduler.is_warm_up and scheduler.family != "Constant"
    ]
    for first, second in combinations(lowering, 2):
        ends = [last for last in (first.last, second.last) if last is not None]
        begin, end = max(first.begin, second.begin), min(ends, default=0)
        same = (first.unit, first.parameter) == (second.unit, second.parameter)
        if same and first.groups == second.groups and len(ends) == 2 and begin < end:
            yield Fault(
                f"{first.name} and {second.name} overlap from {first.unit.removesuffix('s')} {begin:g} to {end:g}: both"
                f" lower the {first.quantity}",
                f"set {first.path}.end={second.begin:g}"
                if second.begin > first.begin
                else f"remove {first.path} or {second.path}",
                option=f"{second.path}.begin",
                edits=[set_option(f"{first.path}.end", plain_number(second.begin))]
                if second.begin > first.begin
                else (),
            )
    for scheduler in lowering:
        if scheduler.parameter != "lr":
            continue
        # A warm-up rises to the current lr and no further.
        others = [other for other in context.schedulers if other is not scheduler and not other.is_warm_up]
        # A later scheduler may raise the lr again, or lower it further.
        if scheduler.end is None or any(
            other.unit != scheduler.unit or (other.last or 0) > scheduler.end for other in others
        ):
            continue
        yield from _steps_over(scheduler) if scheduler.family in ("MultiStep", "Step") else _used_up(scheduler)


def _steps_over(scheduler: Scheduler) -> Iterator[Fault]:
    """Yield a fault if ``MultiStepLR`` or ``StepLR`` changes the lr for the last time early in the training."""
    length, end, count = scheduler.length, scheduler.end, scheduler.times_stepped()
    gamma = scheduler.value("gamma", 0.1)
    given = scheduler.milestones
    # LRD603 reports milestones that are never reached.
    if not length or end is None or not count or not 0 <= gamma < 1 or count < len(given):
        return
    at_lr = f"at {rate(gamma ** min(count, 1000))} × the initial lr"
    if length - end >= _LONG * length:
        spread = length / (end - scheduler.begin)
        spread_out = [round(step * spread) for step in given] if given and not scheduler.begin else []
        later = f"milestones={spread_out} and " if spread_out else ""
        edits = [set_option(f"{scheduler.path}.milestones", spread_out)] if spread_out else []
        yield Fault(
            f"{scheduler.name} ends at {end:g} {scheduler.unit}; training continues for {length - end:g} more"
            f" {scheduler.unit} {at_lr}",
            f"set {later}end={length:g} to spread the steps over the training"
            if later
            else f"set {scheduler.path}.end={length:g}",
            option=f"{scheduler.path}.end",
            edits=[*edits, set_option(f"{scheduler.path}.end", plain_number(length))],
        )
    elif given and scheduler.begin + max(given) <= _EARLY * length:
        last = scheduler.begin + max(given)
        yield Fault(
            f"the last milestone of {scheduler.name} is at {last:g} of {length:g} {scheduler.unit}: the remaining "
            f"{length - last:g} {scheduler.unit} run {at_lr}",
            "set later milestones, or shorten the training",
            option=f"{scheduler.path}.milestones",
            severity="info",
        )


def _used_up(scheduler: Scheduler) -> Iterator[Fault]:
    if scheduler.family not in ("CosineAnnealing", "Poly") or scheduler.end is None or scheduler.length is None:
        return
    steps = scheduler.end - scheduler.begin
    whole = scheduler.value("T_max", 0) or steps
    lowest = scheduler.lowest()
    highest = max((lr for _, lr in trainable_groups(scheduler.groups)), default=0)
    left = scheduler.length - scheduler.end
    if lowest is None or highest == 0 or steps < whole or left < max(1, 0.02 * scheduler.length):
        return
    # Its last step is the one before its end; stepped each iteration, the difference vanishes.
    share = (
        0.0 if scheduler.converted or scheduler.family == "Poly" else (1 + math.cos(math.pi * (steps - 1) / whole)) / 2
    )
    reached = lowest + (highest - lowest) * share
    if reached < _USED_UP * highest:
        edits = [set_option(f"{scheduler.path}.end", plain_number(scheduler.length))]
        if "T_max" in scheduler.settings:
            edits.append(set_option(f"{scheduler.path}.T_max", plain_number(scheduler.length - scheduler.begin)))
        yield Fault(
            f"after {scheduler.end:g} {scheduler.unit}, {scheduler.name} has lowered the lr to {reached / highest:.1%}"
            f" of its initial value; training continues for {left:g} more {scheduler.unit}",
            f"set end={scheduler.length:g}"
            + (f" and T_max={scheduler.length - scheduler.begin:g}" if "T_max" in scheduler.settings else "")
            + ", or set a higher eta_min",
            option=f"{scheduler.path}.end",
            edits=edits,
        )


@rule(
    "LRD608",
    "epochs-for-iterations",
    severity="error",
    also=("warning",),
    bad=Example(
        "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=90000)\n"
        "param_scheduler = [dict(type='MultiStepLR', milestones=[60000, 80000])]"
    ),
    good=Example(
        "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=90000)\n"
        "param_scheduler = [dict(type='MultiStepLR', milestones=[60000, 80000], by_epoch=False)]"
    ),
)
def epochs_for_iterations(context: RuleContext) -> Iterator[Fault]:
    """A scheduler counts epochs although the training counts iterations, or the reverse.

    The scheduler never steps, or finishes within the first few iterations, so the lr never follows the config.

    A scheduler counts epochs by default (``by_epoch=True``). mmengine treats a training that counts iterations as a
    single epoch, so a scheduler that counts epochs never steps in it. A warm-up with ``LinearLR`` then keeps the lr at
    ``start_factor`` × the configured lr.

    In a training that counts epochs, milestones or an ``end`` of a few iterations were probably intended as epochs. A
    scheduler with ``convert_to_iter_based=True`` counts in epochs and steps after each iteration.
    """
    train_cfg = context.group_map.training.train_cfg
    unit = training_unit(train_cfg)
    epochs = training_length(train_cfg, "epochs")
    for scheduler in context.all_schedulers:
        if unit == "iterations" and scheduler.unit == "epochs" and not scheduler.converted:
            default = "" if "by_epoch" in scheduler.settings else ", the default"
            factor = scheduler.value("factor" if scheduler.family == "Constant" else "start_factor", 1 / 3)
            stuck = scheduler.is_warm_up and scheduler.begin == 0 and factor != 1
            yield Fault(
                f"{scheduler.name} counts epochs (by_epoch=True{default}) in a training of iterations: it never steps"
                + (f", and the {scheduler.quantity} stays at {factor:.3g} times the configured value" if stuck else ""),
                f"set {scheduler.path}.by_epoch=False, with begin, end and milestones in iterations",
                option=f"{scheduler.path}.by_epoch",
                edits=[set_option(f"{scheduler.path}.by_epoch", False)] if _in_iterations(scheduler, train_cfg) else (),
            )
        elif unit == "epochs" and scheduler.unit == "iterations" and epochs is not None:
            yield from _over_at_once(scheduler, epochs)


def _in_iterations(scheduler: Scheduler, train_cfg: Mapping[str, Any]) -> bool:
    """Return True if the numbers in a scheduler's settings are too large for epochs, so they already count
    iterations.
    """
    whole = number_or_none(train_cfg.get("max_iters"))
    given = [number_or_none(scheduler.settings.get(name)) for name in ("end", "T_max", "step_size", "begin")]
    numbers = [*scheduler.milestones, *(number for number in given if number)]
    return whole is not None and (not numbers or max(numbers) >= min(_ITERATIONS * whole, _FEW))


_ITERATIONS = 0.01
_FEW = 500
"""A setting counts iterations if it is at least 500, or at least 1% (``_ITERATIONS``) of the training's iterations.

No config has 500 epochs in a training that counts iterations."""


def _over_at_once(scheduler: Scheduler, epochs: float) -> Iterator[Fault]:
    steps = scheduler.milestones
    option = "milestones" if steps else "end" if "end" in scheduler.settings else "T_max"
    last = max(steps) if steps else number_or_none(scheduler.settings.get(option))
    converted = scheduler.settings.get("convert_to_iter_based") is True
    if converted or last is None or last > epochs or (scheduler.is_warm_up and last - scheduler.begin < 2):
        return
    yield Fault(
        f"{scheduler.name} counts iterations (by_epoch=False) and finishes at iteration {last:g} ({option}), but the"
        f" training has {epochs:g} epochs",
        f"set {scheduler.path}.by_epoch=True, if epochs are intended; add convert_to_iter_based=True to step each"
        " iteration",
        option=f"{scheduler.path}.{option}",
        severity="warning" if scheduler.is_warm_up else None,
        edits=[set_option(f"{scheduler.path}.by_epoch", True)],
    )
