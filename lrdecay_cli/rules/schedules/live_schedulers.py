"""Rules about torch schedulers in a program that uses no config."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.domain.group_map import ParameterGroup
from lrdecay_cli.domain.live import LiveScheduler
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    count,
    listed,
    number_or_none,
    rate,
    rule,
    span,
    trainable_names,
    verb,
)

_LAYERS = """\
from torch import nn, optim
from torch.optim import lr_scheduler

model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2))
lrs = [1e-3 * 0.1 ** (2 - index) for index in range(3)]
optimizer = optim.AdamW([{"params": each.parameters(), "lr": lr} for each, lr in zip(model, lrs)])
"""
_CYCLE = f"{_LAYERS}cycle = lr_scheduler.OneCycleLR(optimizer, max_lr=lrs, total_steps=10_000)\n"
_COSINE = _LAYERS + "schedulers = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10{})\n"
_ITERATIONS = 1000
"""lrdecay assumes that a schedule with at least this number of steps counts batches, not epochs."""
_PER_BATCH = ("OneCycleLR", "CyclicLR")
"""Schedulers that overwrite the lr of every group when they are built. They expect a step after every batch.

Source: torch 2.13.0, ``optim/lr_scheduler.py``.
"""


def _trained(context: RuleContext, optimizer: str | None) -> list[ParameterGroup]:
    """Return the groups of an optimizer with a trainable parameter; those of all optimizers for None."""
    groups = [each for each in context.group_map.groups if optimizer in (None, each.optimizer)]
    return [each for each in groups if any(parameter.requires_grad for parameter in each.parameters)]


@rule(
    "LRD612",
    "floor-above-group-lr",
    severity="error",
    bad=Example("", program=_COSINE.replace("{}", ", eta_min=5e-5")),
    good=Example("", program=_COSINE.replace("{}", "")),
)
def floor_above_group_lr(context: RuleContext) -> Iterator[Fault]:
    """The ``eta_min`` of a torch scheduler is above the initial lr of a group.

    The scheduler raises the lr of this group during the run. With layer decay, the lowest layers then end with a higher
    lr than they began with.

    torch's ``eta_min`` is one lr for all groups. Set it below the lowest lr, or leave it at 0. timm's schedulers
    multiply their minimum ``lr_min`` by each group's ``lr_scale``. LRD601 reports the same mistake in configs.
    """
    live = context.group_map.live
    for scheduler in live.schedulers if live else ():
        lowest = scheduler.minimum or 0.0
        trained = _trained(context, scheduler.optimizer)
        raised = [group for group in trained if group.lr is not None and 0 < group.lr < lowest]
        if not raised:
            continue
        lrs = [group.lr for group in raised if group.lr is not None]
        every = [group.lr for group in trained if group.lr]
        yield Fault(
            f"eta_min={rate(lowest)} of {scheduler.name} is above the lr of {count(len(raised), 'group')}"
            f" ({span(lrs)}): it raises {verb(len(raised), 'this lr', 'these lrs')}",
            f"set eta_min below {rate(min(every))}, the lowest lr of a group",
            parameters=trainable_names(raised),
            about=scheduler.type,
        )


@rule(
    "LRD613",
    "one-peak-for-all-groups",
    severity="warning",
    bad=Example(
        "", program=f"{_LAYERS}schedulers = lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=100)\n"
    ),
    good=Example(
        "", program=f"{_LAYERS}schedulers = lr_scheduler.OneCycleLR(optimizer, max_lr=lrs, total_steps=100)\n"
    ),
)
def one_peak_for_all_groups(context: RuleContext) -> Iterator[Fault]:
    """OneCycleLR, CyclicLR or SWALR gives the same lr to groups that should differ in lr.

    OneCycleLR and CyclicLR overwrite the lr of every group when they are built, so layer decay is gone without a
    warning. SWALR brings all groups to one lr at the end of the training.

    ``max_lr`` is one number for all groups, or a list with one lr per group. The same is true of ``base_lr`` of
    CyclicLR and ``swa_lr`` of SWALR. LRD613 reports groups of one optimizer that have the same value for every option.
    Such groups probably had different lrs before the scheduler was built.
    """
    live = context.group_map.live
    if not live:
        return
    for optimizer in dict.fromkeys(group.optimizer for group in context.group_map.groups):
        groups = _trained(context, optimizer)
        if (fault := _one_average_lr(groups, optimizer)) is not None:
            yield fault
        own = [each for each in live.schedulers if each.optimizer in (None, optimizer)]
        named = [each.name for each in own if each.name in _PER_BATCH]
        cyclic = [each for each in own if each.peaks]
        for scheduler in cyclic:
            yield from _one_peak_of_cycles(scheduler, groups, optimizer)
        if cyclic:
            continue
        # OneCycleLR stores its peak in the groups, even if the caller does not pass the scheduler.
        peaks = {repr(group.options.get("max_lr")) for group in groups}
        if len(peaks) > 1 or not (named or "None" not in peaks):
            continue
        alike = [group for group in groups if sum(_same(group, other) for other in groups) > 1]
        if alike:
            schedulers = listed(dict.fromkeys(named)) or "OneCycleLR"
            peak = alike[0].options.get("max_lr") or alike[0].lr or 0.0
            yield Fault(
                f"{schedulers} gave {count(len(groups), 'group')} the same lr ({rate(float(peak))} at its peak);"
                f" {len(alike)} of these groups have equal options",
                "set max_lr to a list with the peak lr of each group",
                parameters=trainable_names(alike),
                about=optimizer,
            )


def _one_average_lr(groups: list[ParameterGroup], optimizer: str) -> Fault | None:
    """Return a fault if SWALR, which stores its ``swa_lr`` in the groups, brings different lrs to the same lr."""
    lrs, ends = sorted({group.lr for group in groups if group.lr}), {group.options.get("swa_lr") for group in groups}
    end = number_or_none(next(iter(ends))) if len(ends) == 1 else None
    if len(lrs) < 2 or end is None:
        return None
    return Fault(
        f"SWALR brings {count(len(groups), 'group')} with lrs of {span(lrs)} to the same lr {rate(end)}",
        "set swa_lr to a list with one lr for each group",
        parameters=trainable_names(groups),
        about=f"{optimizer} swa_lr",
    )


def _one_peak_of_cycles(scheduler: LiveScheduler, groups: list[ParameterGroup], optimizer: str) -> Iterator[Fault]:
    """Yield a fault if the cycles of several groups have the same highest lr.

    If their lowest lr is the same too, only groups with equal options are reported: others may differ on purpose, for
    example in their weight decay.
    """
    lows = sorted({group.lr for group in groups if group.lr is not None})
    alike = [group for group in groups if sum(_same(group, other) for other in groups) > 1]
    if len({*scheduler.peaks}) > 1 or not lows or not (len(lows) > 1 or alike):
        return
    peak = rate(scheduler.peaks[0])
    same = f"the same peak lr {peak}" if len(lows) > 1 else f"the same lrs, {rate(lows[0])} to {peak}"
    yield Fault(
        f"{scheduler.name} gives {count(len(groups), 'group')} {same}",
        "set base_lr and max_lr to lists with one lr for each group",
        parameters=trainable_names(groups if len(lows) > 1 else alike),
        about=optimizer,
    )


def _same(group: ParameterGroup, other: ParameterGroup) -> bool:
    return (group.lr, group.weight_decay, group.options) == (other.lr, other.weight_decay, other.options)


@rule(
    "LRD614",
    "cycle-per-epoch",
    severity="warning",
    bad=Example(
        "",
        program=f"{_CYCLE}# What configure_optimizers returns to Lightning.\n"
        'optimizer = {"optimizer": optimizer, "lr_scheduler": cycle}\n',
    ),
    good=Example(
        "",
        program=_CYCLE + 'steps = {"scheduler": cycle, "interval": "step"}\n'
        'optimizer = {"optimizer": optimizer, "lr_scheduler": steps}\n',
    ),
)
def cycle_per_epoch(context: RuleContext) -> Iterator[Fault]:
    """Lightning steps a scheduler once per epoch, but the scheduler expects a step after every batch.

    The warm-up never ends, and the whole training runs at a fraction of the intended lr.

    Lightning steps the schedulers from ``configure_optimizers`` once per epoch, unless ``lr_scheduler`` is a dict with
    ``"interval": "step"``. OneCycleLR and CyclicLR expect a step after every batch.
    """
    live = context.group_map.live
    for scheduler in live.schedulers if live else ():
        if scheduler.name not in _PER_BATCH or scheduler.interval != "epoch" or (scheduler.steps or 0) < _ITERATIONS:
            continue
        yield Fault(
            f"{scheduler.name} has {count(scheduler.steps or 0, 'step')}, but Lightning steps it once per epoch",
            'return "lr_scheduler": {"scheduler": scheduler, "interval": "step"} from configure_optimizers',
            parameters=trainable_names(_trained(context, scheduler.optimizer)),
            about=scheduler.type,
        )
