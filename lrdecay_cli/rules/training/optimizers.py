"""Rules about optimizers that do not apply a group's lr and weight decay as configured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.domain.optimizer_effects import Refusal
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    MeasuredOptimizer,
    RuleContext,
    count,
    rate,
    rule,
    span,
    trained_names,
    verb,
)

OPTIMIZER = "optim_wrapper.optimizer"
FIXED = Example("")
_LATE = 10_000
"""If an optimizer distorts the lr only from this step on, the distortion may come too late to matter in a training."""
OWN = "optim_wrapper = dict(optimizer=dict(type='OwnSGD'))"
OWN_SGD = """\
import torch
from mmengine.registry import OPTIMIZERS

@OPTIMIZERS.register_module(force=True)
class OwnSGD(torch.optim.SGD):
    def step(self, closure=None):
        kept = [dict(group) for group in self.param_groups]
        for group in self.param_groups:
            {change}
        super().step(closure)
        for group, before in zip(self.param_groups, kept):
            group.update(lr=before['lr'], weight_decay=before['weight_decay'])
"""


@rule(
    "LRD801",
    "optimizer-step-fails",
    severity="error",
    also=("warning",),
    bad=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='SparseAdam', lr=1e-4))"),
    good=FIXED,
)
def optimizer_step_fails(context: RuleContext) -> Iterator[Fault]:
    """The optimizer raises at its first step.

    The optimizer is built without an error, so the run fails only after it has loaded data and weights.

    Some optimizers refuse dense gradients (SparseAdam), groups with different lrs (Prodigy, DAdaptAdam), or a step
    without a closure (LBFGS). Schedule-free optimizers refuse a step before their own ``train()`` is called; call it in
    a hook of your own.

    ``lrdecay check`` uses lrdecay's measurements of the optimizer class (``docs/optimizers.md``). In a dry run, the
    optimizer takes real steps instead.
    """
    if context.dry_run:
        if error := context.dry_run.step_error:
            yield Fault(
                f"{_optimizers(context)} raises at its first step: {error}",
                "use an optimizer that accepts these groups, for example AdamW",
                option=f"{OPTIMIZER}.type",
            )
        return
    for optimizer in context.optimizers:
        for refusal in optimizer.effects.refusals:
            # A program may call train() of the optimizer and pass a closure; mmengine does neither.
            if context.group_map.live and refusal.demand in ("a closure", "train()"):
                continue
            if refusal.when == "first step":
                yield from _refused(context, optimizer, refusal)


@rule(
    "LRD802",
    "optimizer-distorts-lr",
    severity="warning",
    also=("error", "info"),
    bad=Example(
        "optim_wrapper = dict(optimizer=dict(type='SquareRootSGD'))",
        plugin=(
            "import torch\n"
            "from mmengine.registry import OPTIMIZERS\n\n"
            "@OPTIMIZERS.register_module(force=True)\n"
            "class SquareRootSGD(torch.optim.SGD):\n"
            "    def step(self, closure=None):\n"
            "        lrs = [group['lr'] for group in self.param_groups]\n"
            "        for group in self.param_groups:\n"
            "            group['lr'] = group['lr'] ** 0.5\n"
            "        super().step(closure)\n"
            "        for group, lr in zip(self.param_groups, lrs):\n"
            "            group['lr'] = lr\n"
        ),
    ),
    good=FIXED,
)
def optimizer_distorts_lr(context: RuleContext) -> Iterator[Fault]:
    """The sizes of the optimizer's steps are not proportional to the lrs of the groups.

    Layer decay does not have the configured effect. For example, a layer that should train at a tenth of the head's lr
    trains as if at a third of the head's lr, or at the same lr.

    To measure an optimizer, lrdecay gives all groups the same weights and gradients. Then, for each group, it divides
    the change of a weight in one step by the change of a weight in the group with the highest lr.

    MADGRAD uses lr to the power of 2/3. Rprop and AdaBound ignore the lr after some steps. torch's Adafactor limits the
    lr to a maximum. DAdaptAdaGrad and others use the first group's lr for all groups.
    """
    if context.dry_run is None:
        for optimizer in context.optimizers:
            yield from _distorted(optimizer)
        return
    off = [group for group in context.dry_run.groups if group.effect and group.effect.deviates]
    if not off:
        return
    name, step, expected = max(
        ((group.name, group.effect.step or 0.0, group.effect.expected or 0.0) for group in off if group.effect),
        key=lambda found: abs(found[1] - found[2]),
    )
    yield Fault(
        f"{_optimizers(context)} does not scale the steps of {count(len(off), 'group')} in proportion to"
        f" {verb(len(off), 'its lr', 'their lrs')}: the step of {name} is {rate(step)} times the step of the group"
        f" with the highest lr; by its lr, it should be {rate(expected)} times that step",
        "use an optimizer whose step is proportional to the lr, for example AdamW, or change the lr scales"
        " until the measured steps have the sizes that you want",
        parameters=[name for group in off for name in group.parameters],
        option=f"{OPTIMIZER}.type",
    )


@rule(
    "LRD803",
    "weight-decay-ignored",
    severity="warning",
    bad=Example(OWN, plugin=OWN_SGD.format(change="group['weight_decay'] = 0.0")),
    good=FIXED,
)
def weight_decay_ignored(context: RuleContext) -> Iterator[Fault]:
    """A group has a weight decay, but the optimizer ignores it.

    The weights are not regularised, although the group map shows a weight decay.

    Layer-decay constructors write ``weight_decay`` into every group. An optimizer without weight decay accepts this key
    and never reads it.

    An lr that is a half-precision tensor also disables weight decay. AdamW multiplies weights by
    ``1 - lr * weight_decay``, which bfloat16 rounds to 1 if ``lr * weight_decay`` is below about 0.002.

    To measure weight decay, lrdecay takes a step with a gradient of zero. LRD803 reports a group with weight decay if
    this step does not change its weights.
    """
    kept = {group.precision("lr") or "" for group in context.group_map.groups}
    halves = kept & {"float16", "bfloat16"}
    if halves:
        fix = f"set lr to a float: it is a {min(halves)} tensor, in which 1 - lr * weight_decay is 1"
    else:
        fix = "use an optimizer with weight decay, for example AdamW, or remove weight_decay from the config"
    found: list[tuple[str, int, list[str]]] = []
    if context.dry_run:
        ignored = [group for group in context.dry_run.groups if group.effect and group.effect.decay == "ignored"]
        found.append((_optimizers(context), len(ignored), [name for group in ignored for name in group.parameters]))
    else:
        for optimizer in context.optimizers:
            if optimizer.effects.decay == "ignored":
                decayed = [group for group in optimizer.groups if group.weight_decay]
                found.append((optimizer.label, len(decayed), trained_names(*decayed)))
    for label, groups, parameters in found:
        if groups:
            yield Fault(
                f"{label} ignores the weight decay of {count(groups, 'group')}",
                fix,
                parameters=parameters,
                option=f"{OPTIMIZER}.type",
            )


@rule(
    "LRD804",
    "moves-at-lr-zero",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='$DEFAULT', optimizer=dict(_delete_=True, type='Rprop', lr=1e-2),\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.0))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='$DEFAULT',\n"
        "    paramwise_cfg=dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.0))))"
    ),
)
def moves_at_lr_zero(context: RuleContext) -> Iterator[Fault]:
    """The optimizer updates parameters whose lr is 0.

    An lr of 0 should keep parameters unchanged. Some optimizers update them anyway, so pretrained layers change
    although they look frozen.

    An lr of 0 does not freeze a parameter in every optimizer: Rprop uses the lr only for its first step size, and some
    others apply weight decay or update weights even at an lr of 0. Set ``requires_grad=False`` (or ``frozen_stages``)
    instead.
    """
    found: list[tuple[str, Sequence[str]]] = []
    if context.dry_run:
        found.append((_optimizers(context), context.dry_run.moved_at_zero))
    else:
        for optimizer in context.optimizers:
            at_zero = [group for group in optimizer.groups if context.starting_lr(group) == 0]
            found.append((optimizer.label, trained_names(*filter(optimizer.moves_at_zero, at_zero))))
    for label, moved in found:
        if moved:
            yield Fault(
                f"{label} updates {count(len(moved), 'tensor')} whose lr is 0",
                "freeze these tensors with requires_grad=False, or with the backbone's frozen_stages",
                parameters=moved,
                option=f"{OPTIMIZER}.type",
            )


def _optimizers(context: RuleContext) -> str:
    assert context.dry_run is not None
    return ", ".join(context.dry_run.optimizer_labels)


def _refused(context: RuleContext, optimizer: MeasuredOptimizer, refusal: Refusal) -> Iterator[Fault]:
    """Yield a fault if the optimizer raises at its first step with this map's groups.

    mmengine passes no closure to ``step()`` and does not call ``optimizer.train()``.
    """
    names = trained_names(*optimizer.groups)
    fix = "use an optimizer that accepts these groups, for example AdamW"
    severity: Severity | None = None
    # Some optimizers skip a group at lr 0.
    lrs = [lr for lr in optimizer.lrs if lr or optimizer.effects.at_zero == "refused"]
    match refusal.demand:
        case "one lr" if len(lrs) > 1:
            reason = f"all groups must have the same lr, but the lrs are {span(lrs)}"
            fix = "use AdamW, or set the same lr in every group (no layer decay, no lr_mult)"
        case "one group" if len(optimizer.groups) > 1:
            reason = f"the optimizer accepts one group, but there are {len(optimizer.groups)}"
        case "2-D tensors":
            shapes = context.tensors
            names = [name for name in names if name in shapes and len(shapes[name].shape) != 2]
            if not names:
                return
            reason = (
                f"the optimizer accepts only 2-D tensors, but {count(len(names), 'tensor')}"
                f" {verb(len(names), 'is', 'are')} not 2-D"
            )
            fix = "use AdamW, or an optimizer that itself uses AdamW for tensors that are not 2-D"
        case "sparse gradients":
            # Only an embedding can have a sparse gradient.
            names = [name for name in names if context.tensors[name].module_type != "Embedding"]
            if not names:
                return
            reason = "the optimizer accepts only sparse gradients"
            fix = "use Adam, which accepts dense gradients"
        case "a closure":
            reason = "step() needs a closure, but mmengine passes none"
        case "train()":
            reason = "optimizer.train() must be called before the first step, but mmengine does not call it"
            fix = (
                "in a hook, call optimizer.train() before training and after validation, and optimizer.eval() before"
                " validation; or use AdamW"
            )
            # A hook of the project may call it.
            severity = "warning"
        case "unknown":
            reason = refusal.error
        case _:
            return
    yield Fault(
        f"{optimizer.label} raises at its first step: {reason}",
        fix,
        parameters=names,
        option=f"{OPTIMIZER}.type",
        severity=severity,
        about=refusal.demand,
    )


def _follows(ratio: float) -> bool:
    return math.isclose(ratio, 0.1, rel_tol=0.01)


def _distorted(optimizer: MeasuredOptimizer) -> Iterator[Fault]:
    """Yield a fault if the optimizer's steps are not proportional to the lrs of the groups."""
    effects, lrs = optimizer.effects, [lr for lr in optimizer.lrs if lr]
    if len(lrs) < 2 or effects.lr not in ("distorted", "first group's", "ignored"):
        return
    severity: Severity = "error"
    if effects.lr == "distorted":
        step, ratio = max(effects.ratios, key=lambda measured: abs(math.log(max(measured[1], 1e-9) / 0.1)))
        # A distortion only after that many steps depends on the lr: torch's Adafactor caps it at 1/√step.
        severity = "info" if all(_follows(each) for at, each in effects.ratios if at < _LATE) else "warning"
        problem = f"multiplies the step by {rate(ratio)}, not 0.1, if the lr is multiplied by 0.1 (at step {step:,})"
    elif effects.lr == "ignored":
        problem = f"ignores the lr of its {count(len(optimizer.groups), 'group')}"
    else:
        first = rate(optimizer.groups[0].lr or 0.0)
        problem = f"updates all {len(optimizer.groups)} groups with the first group's lr, {first}"
    yield Fault(
        f"{optimizer.label} {problem}: the configured lrs of {span(lrs)} do not apply",
        "use an optimizer whose step is proportional to the lr, for example AdamW",
        parameters=trained_names(*optimizer.groups),
        option=f"{OPTIMIZER}.type",
        severity=severity,
    )
