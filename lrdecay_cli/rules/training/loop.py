"""Rules about the training loop: it changes lrs, freezes parameters, or does not step the schedulers."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import (
    Example,
    Fault,
    Fix,
    RuleContext,
    count,
    listed,
    rate,
    rule,
    set_option,
)

_HOOK = """\
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module(force=True)
class OwnHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        {body}
"""
_USED = "custom_hooks = [dict(type='OwnHook')]"
_WARM_UP = "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2)]"


@rule(
    "LRD811",
    "lr-set-by-hook",
    severity="info",
    scope="training",
    bad=Example(_USED, plugin=_HOOK.format(body="for group in runner.optim_wrapper.param_groups: group['lr'] = 1e-3")),
    good=Example(_WARM_UP),
)
def lr_set_by_hook(context: RuleContext) -> Iterator[Fault]:
    """A hook sets the lr and overrides the parameter schedulers.

    ``inspect`` and ``schedule`` show the lrs of the constructor and the schedulers. In the training, the hook replaces
    these lrs.

    mmyolo's YOLOv5ParamSchedulerHook and mmdet's PPYOLOE hook set the lr on purpose. A hook that sets every group to
    one lr removes layer decay.
    """
    groups = context.dry_run.groups if context.dry_run else ()
    by_hook: dict[str, list[str]] = {}
    for group in groups:
        for cause in group.causes:
            if cause.stage == "hook":
                by_hook.setdefault(cause.name, []).extend(group.parameters)
    for hook, parameters in by_hook.items():
        yield Fault(
            f"{hook} sets the lr of {count(len(parameters), 'tensor')}",
            "run lrdecay dry-run to see the lrs of this training, or remove the hook",
            parameters=parameters,
            about=hook,
        )


@rule(
    "LRD812",
    "lr-scaled-by-batch",
    severity="info",
    scope="training",
    bad=Example("auto_scale_lr = dict(enable=True, base_batch_size=64)"),
    good=Example("auto_scale_lr = dict(enable=False, base_batch_size=64)"),
)
def lr_scaled_by_batch(context: RuleContext) -> Iterator[Fault]:
    """auto_scale_lr multiplies every lr by the total batch size divided by the base batch size.

    The training lrs differ from the lrs in the config, and the logged base_lr shows the config's value.

    With ``auto_scale_lr``, mmengine's Runner multiplies the lr of every group by (batch size per GPU × number of GPUs)
    / ``base_batch_size``. The Runner does this after it builds the optimizer and before it builds the schedulers. The
    factor does not include gradient accumulation.
    """
    run = context.dry_run
    if run is not None and run.lr_factor is not None and run.lr_factor != 1:
        yield Fault(
            f"auto_scale_lr multiplies every lr by {rate(run.lr_factor)}: batch size {run.batch_size} per GPU, on"
            f" {count(run.gpus, 'GPU')}",
            "set auto_scale_lr.enable=False if the config's lrs are tuned for this batch size",
            option="auto_scale_lr.enable",
            edits=[Fix(edits=(set_option("auto_scale_lr.enable", False),), automatic=False)],
        )


@rule(
    "LRD813",
    "frozen-during-training",
    severity="warning",
    scope="training",
    bad=Example(
        _USED,
        plugin=_HOOK.format(body="[p.requires_grad_(False) for p in runner.model.backbone.parameters()]"),
    ),
    good=Example(""),
)
def frozen_during_training(context: RuleContext) -> Iterator[Fault]:
    """The training loop freezes or unfreezes parameters that are in parameter groups.

    The group map shows the parameters as trainable, but the training loop freezes them for some time. While they are
    frozen, their lr and weight decay have no effect.

    A hook may freeze parameters for some epochs, and a model's own ``train()`` may freeze them after a number of
    epochs. The optimizer is built earlier, so the frozen tensors stay in their groups without a gradient.

    Many backbones freeze the stages in ``frozen_stages`` when ``train()`` is called before the first iteration. The
    group map shows these parameters as frozen, and LRD103 reports them.
    """
    grouped = {name for group in context.dry_run.groups for name in group.parameters} if context.dry_run else set()
    train_mode = context.group_map.training.train_mode
    planned = {*train_mode.freezes, *train_mode.thaws} if train_mode else set()
    for change in context.dry_run.states if context.dry_run else ():
        as_planned = planned if change.cause.stage == "train()" and change.cause.iteration == 0 else set()
        names = [name for name in change.parameters if name in grouped and name not in as_planned]
        if names:
            action = "unfreezes" if change.trainable else "freezes"
            yield Fault(
                f"{change.cause.name} {action} {count(len(names), 'tensor')} at iteration {change.cause.iteration:,}",
                "remove frozen_stages or the hook, if the training should not freeze or unfreeze tensors",
                parameters=names,
                # Part of the fingerprint in baselines: another word would make the finding a new one.
                about=f"{change.cause.name} {'thaws' if change.trainable else action}",
            )


@rule(
    "LRD814",
    "schedulers-never-stepped",
    severity="error",
    scope="training",
    bad=Example(f"{_WARM_UP}\ndefault_hooks = dict(param_scheduler=None)"),
    good=Example(_WARM_UP),
)
def schedulers_never_stepped(context: RuleContext) -> Iterator[Fault]:
    """The config has parameter schedulers, but no hook steps them.

    The lr stays at its first value. If the schedule begins with a warm-up, this is the lowest lr of the warm-up.

    mmengine's ParamSchedulerHook steps the schedulers. ``default_hooks=dict(param_scheduler=None)`` removes this hook.
    A different hook under the name ``param_scheduler`` also replaces ParamSchedulerHook.
    """
    run = context.dry_run
    if run is not None and context.schedulers and not run.steps_schedulers:
        schedulers = listed(dict.fromkeys(scheduler.name for scheduler in context.schedulers))
        yield Fault(
            f"no hook calls step() of {schedulers}: every lr stays at its value in the first iteration",
            "set default_hooks.param_scheduler=dict(type='ParamSchedulerHook')",
            option="default_hooks.param_scheduler",
            edits=[set_option("default_hooks.param_scheduler", {"type": "ParamSchedulerHook"})],
        )


@rule(
    "LRD816",
    "hook-fails",
    severity="error",
    scope="training",
    bad=Example("custom_hooks = [dict(type='EMAHook', momentum=1.5)]"),
    good=Example("custom_hooks = [dict(type='EMAHook', momentum=0.0002)]"),
)
def hook_fails(context: RuleContext) -> Iterator[Fault]:
    """A hook raises before the first iteration because of its settings.

    The training stops with the same exception.

    The dry run has no data, so a hook may fail only there. This rule reports an exception only if it is an
    AssertionError, TypeError or ValueError that code of OpenMMLab raises while mmengine builds the hook, or in
    ``before_run`` or ``before_train``, and if this code uses no dataset.
    """
    for left in context.dry_run.left_out if context.dry_run else ():
        if left.option:
            yield Fault(
                f"{left.name}: {left.reason}",
                f"correct the settings in {left.option}",
                option=left.option,
                about=left.name,
            )
