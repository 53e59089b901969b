"""What schedulers make of the lr: minima, factors and phases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.api import (
    Edit,
    Example,
    Fault,
    Fix,
    RuleContext,
    Scheduler,
    count,
    delete_option,
    listed,
    number_or_none,
    plain_number,
    rate,
    rename_option,
    rule,
    schedulers_of,
    set_option,
    trainable_groups,
    trainable_names,
    verb,
)

_NOTABLE = 0.01
"""Below this share of the highest lr, nothing is learnt at ``eta_min`` that could harm."""


@rule(
    "LRD601",
    "minimum-above-lr",
    severity="error",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-5)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, eta_min_ratio=0.1)]"),
)
def minimum_above_lr(context: RuleContext) -> Iterator[Fault]:
    """The lr that a scheduler anneals to is at or above the lr that a group begins with.

    Annealing then raises the lr of these parameters: the lowest layers of a layer decay, or what ``lr_mult=0`` was to
    hold.

    ``eta_min`` is one absolute lr for all groups, while their own differ. ``eta_min_ratio`` is relative to each group's
    own lr and keeps the order of the layers.

    A cycle is meant to rise: where a later scheduler takes the lr down again, a rise of all groups is left alone, or an
    info where it brings their different lrs to one.
    """
    for scheduler in context.schedulers:
        if not scheduler.acts:
            continue
        taken_back = _taken_back(scheduler, context.schedulers)
        ratio = scheduler.settings.get("eta_min_ratio")
        if scheduler.family.startswith("Cosine") and isinstance(ratio, (int, float)) and ratio >= 1 and not taken_back:
            yield Fault(
                f"eta_min_ratio={ratio:g} lets {scheduler.name} end at {ratio:g} times the lr",
                "eta_min_ratio=0.01, or any ratio below 1",
                option=f"{scheduler.path}.eta_min_ratio",
                edits=[set_option(f"{scheduler.path}.eta_min_ratio", 0.01)],
            )
        if (lowest := scheduler.lowest()) and not (taken_back and _raises_alike(scheduler)):
            yield from _above(context, scheduler, lowest, taken_back=taken_back)


def _taken_back(scheduler: Scheduler, others: Iterable[Scheduler]) -> bool:
    """Whether later schedulers bring every group that it raises down to the lr that it had, or below."""
    raised = [(scheduler.goal(lr), lr) for _, lr in trainable_groups(scheduler.groups) if scheduler.goal(lr) > lr]
    after = [each for each in others if each.acts and _is_later(each, scheduler)]
    return bool(raised) and all(any(_comes_to(each, high, lr) <= lr for each in after) for high, lr in raised)


def _is_later(each: Scheduler, scheduler: Scheduler) -> bool:
    same_unit = each.unit == scheduler.unit and scheduler.end is not None
    return each is not scheduler and (each.begin >= scheduler.end if same_unit and scheduler.end else each.begin > 0)


def _comes_to(scheduler: Scheduler, high: float, lr: float) -> float:
    """Where a scheduler takes a group that is at ``high`` and began with ``lr``."""
    if scheduler.is_annealing:
        return scheduler.goal(lr)
    if scheduler.family == "Linear":
        return high * scheduler.value("end_factor", 1.0)
    gamma = scheduler.value("gamma", 0.1)
    return high * gamma ** min(scheduler.times_stepped() or 1, 1000) if scheduler.family in _BY_GAMMA else high


def _raises_alike(scheduler: Scheduler) -> bool:
    """Whether it raises every group, and all by the same factor."""
    factors = [scheduler.goal(lr) / lr for _, lr in trainable_groups(scheduler.groups) if lr > 0]
    return bool(factors) and factors[0] > 1 and all(math.isclose(factor, factors[0]) for factor in factors)


def _above(context: RuleContext, scheduler: Scheduler, lowest: float, *, taken_back: bool) -> Iterator[Fault]:
    everything = trainable_groups(scheduler.groups)
    groups = [(group, lr) for group, lr in everything if lr <= lowest]
    if not groups:
        return
    parameters = trainable_names([group for group, _ in groups])
    least, highest = min(lr for _, lr in groups), max(lr for _, lr in everything)
    raised = "keeps it where it is" if least == lowest else "raises it"
    if 0 < least < lowest:
        raised += f" up to {lowest / least:.3g} times"
    elif least == 0 and lowest > 0:
        raised += " from 0, so they do train"
    base = context.starting_base_lr
    ratio = lowest / base if base else 0.01
    # A rise of all that another takes back is meant, and keeps its height; any other is undone.
    cycle = taken_back and lowest > highest
    if taken_back:
        raised += ", before another scheduler takes it down again"
    share = f"{ratio if cycle else min(ratio, 0.1):.3g}"
    fix, edits = f"eta_min_ratio={share} in place of eta_min keeps the groups apart", _by_ratio(scheduler, share)
    if scheduler.family == "Poly":
        fix = f"{scheduler.path}.eta_min=0, or any lr below {least:g}"
        edits = [set_option(f"{scheduler.path}.eta_min", 0)]
    severity: Severity | None = None
    if taken_back:
        severity = "info" if cycle else "warning"
    elif least != 0 and (least == lowest or lowest < _NOTABLE * highest):
        severity = "warning"
    yield Fault(
        f"eta_min={lowest:g} of {scheduler.name} is not below the lr of {count(len(parameters), 'tensor')} "
        f"(from {least:g}): annealing {raised}",
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
"""An ``eta_min`` from this share of the lowest lr on shows before the training's last steps."""


@rule(
    "LRD607",
    "rates-evened-out",
    severity="info",
    bad=Example("param_scheduler = [dict(type='OneCycleLR', eta_max=1e-3)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.01)]"),
)
def rates_evened_out(context: RuleContext) -> Iterator[Fault]:
    """A scheduler brings groups of different lr to one and the same.

    Groups that ``lr_mult`` or layer decay set apart end with the same lr, or have it from the first step on.

    ``OneCycleLR`` with one ``eta_max`` writes it over the lr of every group; it takes a list with one value for each
    group and one more, for mmengine keeps the base lr as if it were a group. ``eta_min`` is one lr for all groups:
    close to the lowest of them, it leaves that one as it is and brings all others down to it. ``eta_min_ratio`` is
    relative to each group.
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
                f"eta_max={eta_max:g} of {scheduler.name} is written over the lr of all {len(groups)} groups ({span})",
                f"eta_max as a list of {number + 1} lrs: one for each of the {number} groups, in their order, and last"
                " the base lr's",
                parameters=trainable_names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_max",
                severity="error",
            )
        lowest = scheduler.lowest()
        # Iterations in a training of epochs may end before the scheduler does.
        if lowest and _CLOSE * lrs[0] <= lowest < lrs[0] and (scheduler.length or scheduler.unit == "epochs"):
            base = context.starting_base_lr or lrs[-1]
            yield Fault(
                f"eta_min={lowest:g} of {scheduler.name} is one lr for groups from {span}: all end there, at "
                f"{lowest / lrs[0]:.0%} of the lowest and {lowest / lrs[-1]:.2g} of the highest",
                "eta_min below that, such as 0"
                if scheduler.family == "Poly"
                else f"eta_min_ratio={lowest / base:.3g} in place of eta_min keeps the groups apart",
                parameters=trainable_names([group for group, _ in groups]),
                option=f"{scheduler.path}.eta_min",
                edits=[set_option(f"{scheduler.path}.eta_min", 0)]
                if scheduler.family == "Poly"
                else _by_ratio(scheduler, f"{lowest / base:.3g}"),
            )


@rule(
    "LRD609",
    "cosine-rises-again",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, begin=0, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
def cosine_rises_again(context: RuleContext) -> Iterator[Fault]:
    """A cosine's ``T_max`` is shorter than its range, so the lr goes up again.

    Behind ``T_max`` the cosine climbs back to the full lr, in the epochs that should be the quietest.

    ``T_max`` counts from ``begin`` and is ``end - begin`` where it is left out. It is often kept when ``end`` changes.
    """
    for scheduler in context.all_schedulers:
        half = scheduler.value("T_max", 0)
        if scheduler.family != "CosineAnnealing" or half <= 0 or scheduler.last is None:
            continue
        steps = scheduler.last - scheduler.begin
        back = (1 - math.cos(math.pi * (steps - half) / half)) / 2
        # One step more is how end is often counted.
        if steps > half + 1 and back > 0.01:
            top = 1.0 if steps >= 2 * half else back
            yield Fault(
                f"T_max={half:g} is shorter than the {steps:g} {scheduler.unit} of {scheduler.name}: the "
                f"{scheduler.what} rises again to {top:.0%}",
                f"{scheduler.path}.T_max={steps:g}",
                option=f"{scheduler.path}.T_max",
                edits=[set_option(f"{scheduler.path}.T_max", plain_number(steps))],
            )


@rule(
    "LRD610",
    "scheduler-never-acts",
    severity="info",
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=1.0)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def scheduler_never_acts(context: RuleContext) -> Iterator[Fault]:
    """A scheduler is set so that it changes nothing.

    The lr stays as it is although the config has a scheduler for it.

    It has a ``gamma`` of 1, both factors of 1, a ``power`` of 0, or no milestones. ``ReduceOnPlateauLR`` acts after
    validations alone. Where there are several optimizers, schedulers under a name that none of them has are for nobody.
    """
    training = context.group_map.training
    # One fault for each scheduler; ConstantLR with a factor of 1 holds the place of an lr that is to stay.
    for scheduler in context.all_schedulers:
        setting = _idle(scheduler)
        if setting:
            yield Fault(
                f"{scheduler.name} with {setting}={scheduler.settings.get(setting)!r} changes nothing",
                f"remove {scheduler.path}, or give {setting} the value that you mean",
                option=f"{scheduler.path}.{setting}",
                edits=[delete_option(scheduler.path)],
            )
        elif scheduler.family == "ReduceOnPlateau" and "val_cfg" not in (training.loops or {"val_cfg"}):
            yield Fault(
                f"{scheduler.name} waits for validations, and the config has none (val_cfg): it never acts",
                f"set val_cfg, val_dataloader and val_evaluator, or remove {scheduler.path}",
                option=scheduler.path,
                severity="warning",
            )
    yield from _of_no_optimizer(context)


def _of_no_optimizer(context: RuleContext) -> Iterator[Fault]:
    """Schedulers by the name of an optimizer that is none: mmengine asks for those that there are."""
    optimizers = [name for name in context.group_map.optimizer.types if name]
    given = context.group_map.training.param_scheduler
    if not optimizers or len(given) != 1 or not isinstance(given[0], Mapping) or "type" in given[0]:
        return
    # What lacks, mmengine refuses, which LRD604 tells.
    if any(name not in given[0] for name in optimizers):
        return
    for name in given[0]:
        if name not in optimizers:
            yield Fault(
                f"param_scheduler.{name} is of no optimizer: there {verb(len(optimizers), 'is', 'are')}"
                f" {listed(optimizers)}",
                f"remove param_scheduler.{name}",
                option=f"param_scheduler.{name}",
                severity="warning",
                edits=[delete_option(("param_scheduler", str(name)))],
            )


_BY_GAMMA = ("MultiStep", "Step", "Exponential")


def _idle(scheduler: Scheduler) -> str:
    """The setting that makes it change nothing; empty if none does."""
    family, settings = scheduler.family, scheduler.settings
    if family == "MultiStep" and settings.get("milestones") in ([], ()):
        return "milestones"
    if family in _BY_GAMMA and settings.get("gamma") == 1:
        return "gamma"
    if family == "Linear" and scheduler.value("start_factor", 1 / 3) == scheduler.value("end_factor", 1.0) == 1:
        return "start_factor"
    return "power" if family == "Poly" and settings.get("power") == 0 else ""


_LARGEST = 300
"""Power of ten."""


@rule(
    "LRD611",
    "gamma-out-of-range",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=10)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def gamma_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """A scheduler's ``gamma`` makes the lr or the momentum grow, or leaves nothing of it.

    ``MultiStepLR``, ``StepLR`` and ``ExponentialLR`` multiply by ``gamma`` at each step, and mmengine takes any number:
    with 10 in place of 0.1 the training diverges at the first milestone, after days of going well.

    A ``gamma`` of 0 ends the learning at the first step, and one below 0 turns its direction round. The classes that
    end in ``Momentum`` step the momentum, and from 1 on that diverges. A ``gamma`` of 1 is LRD610's.
    """
    for scheduler in context.schedulers:
        yield from _fault(scheduler, "lr", None)
    for scheduler in schedulers_of(context.group_map, "momentum"):
        # The highest that a group begins with: momentum, or the first of betas.
        begins = []
        for group in scheduler.groups:
            betas = group.options.get("betas")
            first = betas[0] if isinstance(betas, (list, tuple)) and betas else None
            begins.append(number_or_none(group.options.get("momentum", first)))
        highest = max((value for value in begins if value is not None), default=None)
        yield from _fault(scheduler, "momentum", highest)


def _fault(scheduler: Scheduler, what: str, value: float | None) -> Iterator[Fault]:
    gamma, count = number_or_none(scheduler.settings.get("gamma")), scheduler.times_stepped()
    if scheduler.family not in _BY_GAMMA or gamma is None or 0 < gamma <= 1 or count == 0 or not scheduler.acts:
        return
    begins = f"{scheduler.name} multiplies the {what} by gamma={gamma:g} at each step"
    severity: Severity | None = None
    if gamma <= 0:
        message = f"{begins}: " + ("nothing is left from the first one on" if gamma == 0 else "it goes below 0")
        severity = None if gamma == 0 else "error"
        meant = rate(abs(gamma)) if gamma and gamma > -1 else "0.1"
        fix = f"{scheduler.path}.gamma={meant}"
    else:
        # A power of hundreds of steps may be beyond any float.
        steps = min(count or 1, int(_LARGEST / math.log10(gamma)))
        grown = gamma**steps
        message = f"{begins}, up to {'' if steps == count else 'more than '}{rate(grown)} times what it is"
        if value is not None and value * grown >= 1:
            message += f", which begins at {rate(value)}"
            severity = "error"
        meant = rate(1 / gamma)
        fix = f"{scheduler.path}.gamma={meant}, if it is to fall"
    option = f"{scheduler.path}.gamma"
    # What was meant is not known.
    proposed = Fix(edits=(set_option(option, plain_number(float(meant))),), automatic=False)
    yield Fault(message, fix, option=option, severity=severity, edits=[proposed])
