"""Optimizers that make something else of a group's lr and weight decay than the group says."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rate, rule, verb

_OPTIMIZER = "optim_wrapper.optimizer"
_FIXED = Example("")
_OWN = "optim_wrapper = dict(optimizer=dict(type='OwnSGD'))"
_OWN_SGD = """\
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
    scope="training",
    bad=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='SparseAdam', lr=1e-4))"),
    good=_FIXED,
)
def optimizer_step_fails(context: RuleContext) -> Iterator[Fault]:
    """The optimizer raises in its first step.

    The optimizer is built, so everything up to the first iteration looks right; the training then ends after data and
    weights have been loaded.

    Some optimizers refuse dense gradients (SparseAdam), groups of different lr (Prodigy, DAdaptAdam), a step without a
    closure (LBFGS) or without their own ``train()`` (schedule-free ones). The dry run takes real steps with them.
    """
    error = context.dry_run.step_error if context.dry_run else None
    if error:
        yield Fault(
            f"{_optimizers(context)} raises in the first step: {error}",
            "use an optimizer that takes these groups, for example AdamW",
            option=f"{_OPTIMIZER}.type",
        )


@rule(
    "LRD802",
    "optimizer-distorts-lr",
    severity="warning",
    scope="training",
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
    good=_FIXED,
)
def optimizer_distorts_lr(context: RuleContext) -> Iterator[Fault]:
    """The optimizer moves a group by another factor than the group's lr says.

    The lr scales of layer decay are then not what trains: a layer that should train at a tenth of the head's rate
    trains at a third of it, or at the same.

    It is measured with equal weights and gradients in every group: the change of an element in the first step, over
    that of the group with the highest lr. LAMB and LARS scale a step by the norm of the weights where there is weight
    decay, MADGRAD goes by the cube root of lr squared, DAdaptAdaGrad and others use the first group's lr for all.
    """
    groups = context.dry_run.groups if context.dry_run else ()
    off = [group for group in groups if group.effect and group.effect.deviates]
    if not off:
        return
    name, step, expected = max(
        ((group.name, group.effect.step or 0.0, group.effect.expected or 0.0) for group in off if group.effect),
        key=lambda found: abs(found[1] - found[2]),
    )
    yield Fault(
        f"{_optimizers(context)} moves {count(len(off), 'group')} by another factor than"
        f" {verb(len(off), 'its lr says', 'their lrs say')}: {name} by {rate(step)} of the"
        f" fastest in place of {rate(expected)}",
        "use an optimizer whose step is proportional to the lr, for example AdamW, or choose the lr scales by what it"
        " makes of them",
        parameters=[name for group in off for name in group.parameters],
        option=f"{_OPTIMIZER}.type",
    )


@rule(
    "LRD803",
    "weight-decay-ignored",
    severity="warning",
    scope="training",
    bad=Example(_OWN, plugin=_OWN_SGD.format(change="group['weight_decay'] = 0.0")),
    good=_FIXED,
)
def weight_decay_ignored(context: RuleContext) -> Iterator[Fault]:
    """A group has a weight decay, and the optimizer does not use it.

    Nothing regularises the weights, although the group map shows a weight decay.

    Layer-decay constructors write ``weight_decay`` into every group, and an optimizer without weight decay takes the
    key and never reads it. It is measured: a weight without a gradient does not move in a step.
    """
    groups = context.dry_run.groups if context.dry_run else ()
    ignored = [group for group in groups if group.effect and group.effect.pull == "ignored"]
    if ignored:
        yield Fault(
            f"{_optimizers(context)} ignores the weight decay of {count(len(ignored), 'group')}",
            "use an optimizer with weight decay, for example AdamW, or take it out of the config",
            parameters=[name for group in ignored for name in group.parameters],
            option=f"{_OPTIMIZER}.type",
        )


@rule(
    "LRD804",
    "moves-at-lr-zero",
    severity="error",
    scope="training",
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
    """Parameters with an lr of 0 move.

    An lr of 0 is meant to keep them as they are, and some optimizers do not: pretrained layers that look frozen drift.

    Rprop starts from the lr and then goes by a step size of its own; others decay weights, or train them, whatever
    the lr is. Set ``requires_grad=False`` (``frozen_stages``) in place of an lr of 0.
    """
    moved = context.dry_run.moved_at_zero if context.dry_run else ()
    if moved:
        yield Fault(
            f"{_optimizers(context)} moves {count(len(moved), 'tensor')} whose lr is 0",
            "freeze them: requires_grad=False, or the backbone's frozen_stages",
            parameters=moved,
            option=f"{_OPTIMIZER}.type",
        )


def _optimizers(context: RuleContext) -> str:
    assert context.dry_run is not None
    return ", ".join(dict.fromkeys(context.dry_run.optimizers.values()))
