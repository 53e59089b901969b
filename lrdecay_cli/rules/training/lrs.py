"""Rules about groups without an lr, and about hooks that set the lr of a group by the index of the group."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.analysis.verification import missing_lr
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    rate,
    rule,
    set_option,
)

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
    """A group has no lr, but mmengine's schedulers or log need one.

    The model and the optimizer are built, then the training raises before its first step.

    By default, transformers' Adafactor has ``lr=None`` and computes its own step sizes. But mmengine's schedulers
    multiply the lr of every group when they are built, which fails for ``None``. Without schedulers, mmengine's
    RuntimeInfoHook raises when it logs the lr of the first group. Set an lr in the optimizer. With an lr, Adafactor
    also needs ``relative_step=False``.
    """
    # A live optimizer need not train with mmengine.
    if context.group_map.checkpoint is not None or context.group_map.live:
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


_WARM_UP_OF_BIASES = """\
from mmengine.hooks import ParamSchedulerHook
from mmengine.registry import HOOKS
$CONSTRUCTOR
class ByKind($DEFAULT):
    def add_params(self, params, module, **kwargs):
        kinds = {True: [], False: []}
        for name, parameter in module.named_parameters():
            kinds[name.endswith('bias')].append(parameter)
        vectors = [parameter for parameter in kinds[False] if parameter.ndim == 1]
        others = [parameter for parameter in kinds[False] if parameter.ndim != 1]
        params.extend(dict(params=each) for each in (others, vectors, kinds[True]))

@HOOKS.register_module()
class WarmUp(ParamSchedulerHook):
    def __init__(self, bias_lr=0.1):
        self.bias_lr = bias_lr
    def before_train(self, runner):
        self.lrs = [group['lr'] for group in runner.optim_wrapper.optimizer.param_groups]
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        done = min(runner.iter / 8, 1)
        for position, group in enumerate(runner.optim_wrapper.optimizer.param_groups):
            start = self.bias_lr if position == 2 else 0
            group['lr'] = start + done * (self.lrs[position] - start)
"""
_HOOK = "default_hooks = dict(param_scheduler=dict(type='WarmUp'))\n"


@rule(
    "LRD829",
    "lr-by-position",
    severity="error",
    bad=Example(_HOOK, _WARM_UP_OF_BIASES),
    good=Example(
        f"{_HOOK}optim_wrapper = dict(constructor='ByKind', paramwise_cfg=dict(_delete_=True, by='kind'))",
        _WARM_UP_OF_BIASES,
    ),
)
def lr_by_position(context: RuleContext) -> Iterator[Fault]:
    """A hook sets the lr of the group at a fixed index, but this group is not the intended group.

    The group starts with the lr for biases, which may be a hundred times the group's own lr.

    mmyolo's ``YOLOv5ParamSchedulerHook`` warms up the third group from ``warmup_bias_lr`` (0.1) and all other groups
    from 0. mmyolo's YOLOv5 and YOLOv7 constructors put the biases into the third group. With another constructor, the
    third group may be ``layer_1_decay``. Set ``warmup_bias_lr=0``, or use ``ParamSchedulerHook`` with schedulers.

    To find the group that a hook treats differently, lrdecay runs the hook on identical groups. LRD829 does not report
    a group that contains all biases and nothing else.
    """
    groups = context.group_map.groups
    for each in context.group_map.training.positioned_lrs or ():
        if each.position >= len(groups):
            continue
        group = groups[each.position]
        lr = context.starting_lr(group)
        names = [parameter.name for parameter in group.parameters if parameter.requires_grad]
        biases = [name for name in context.trained if name.rpartition(".")[2] == "bias"]
        if lr is None or each.lr <= lr or not names or {*names} == {*biases}:
            continue
        factor = each.lr / lr if lr else 0
        ratio = f", {factor:,.{0 if factor >= 10 else 1}f} times its lr {rate(lr)}" if lr else ""
        yield Fault(
            f"{each.hook} sets lr {rate(each.lr)} in {group.name}, the group at index {each.position}{ratio}",
            f"set {each.option}.{each.argument}=0.0"
            if each.argument
            else f"set {each.option}.type='ParamSchedulerHook', or use the constructor that {each.hook} expects",
            parameters=names,
            option=f"{each.option}.{each.argument}" if each.argument else each.option,
            about=str(each.position),
            edits=[set_option(f"{each.option}.{each.argument}", 0.0)] if each.argument else (),
        )
