"""Groups without an lr, which mmengine takes in every training."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.analysis.verification import missing_lr
from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

_ADAFACTOR = "optim_wrapper = dict(_delete_=True, optimizer=dict(type='Adafactor'{}))\n"
_WARM_UP = "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2)]"


@rule(
    "LRD825",
    "group-without-lr",
    severity="error",
    bad=Example(_ADAFACTOR.format("") + _WARM_UP),
    good=Example(_ADAFACTOR.format(", lr=1e-3, relative_step=False") + _WARM_UP),
)
def group_without_lr(context: RuleContext) -> Iterator[Fault]:
    """A group has no lr, which mmengine's schedulers or its log take.

    The model and the optimizer are built, and the training ends before its first step.

    transformers' Adafactor has ``lr=None`` by default and works out step sizes by itself. mmengine's schedulers
    multiply the lr of every group when they are built; without one, mmengine's RuntimeInfoHook fails when it logs the
    lr of the first group. Give the optimizer an lr; Adafactor then needs ``relative_step=False``.
    """
    if context.group_map.checkpoint is not None:
        return
    first = context.group_map.groups[:1]
    takers = [(f"{scheduler.name} at {scheduler.path}", scheduler.groups) for scheduler in context.schedulers]
    for reader, groups in takers or [("mmengine's RuntimeInfoHook", first)]:
        if found := missing_lr(groups, reader):
            problem, fix = found
            yield Fault(
                problem,
                fix,
                parameters=[parameter.name for group in groups if group.lr is None for parameter in group.parameters],
                option="optim_wrapper.optimizer.lr",
            )
            return
