"""Rules about optimizers that use weight decay, weight norms or schedules in an unusual way."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rate, rule, span, trained_names
from lrdecay_cli.rules.training.optimizers import FIXED, OPTIMIZER, OWN, OWN_SGD

_SEVERE = 1e-3
"""A weight decay of this size outweighs the gradient if the optimizer does not multiply weight decay by a small lr."""


@rule(
    "LRD805",
    "weight-decay-distorted",
    severity="warning",
    bad=Example(OWN, plugin=OWN_SGD.format(change="group['weight_decay'] = self.param_groups[0]['weight_decay']")),
    good=FIXED,
)
def weight_decay_distorted(context: RuleContext) -> Iterator[Fault]:
    """Weight decay does not shrink the weights of a group in proportion to the group's lr × weight_decay.

    A group gets weight decay although it is exempt, or layer decay reduces the weight decay twice. The numbers in the
    group map do not describe the real weight decay.

    DAdaptSGD uses the first group's weight decay for all groups. With timm's ``corrected_weight_decay`` and heavyball's
    AdamC, a step shrinks weights by weight decay × (lr² ÷ highest lr), instead of weight decay × lr. Here, lr is the
    group's current lr. The highest lr is the same for all groups: the ``lr`` with which the optimizer was built, or
    AdamC's ``max_lr`` if it is set.

    With ``decoupled_weight_decay`` or ``decouple_lr``, Lion and optimi's optimizers multiply weight decay by (current
    lr ÷ initial lr). At the initial lr, a weight decay of 0.05 therefore removes 5 % of a weight per step. lrdecay
    measures these effects for each class, version and option.
    """
    for optimizer in context.optimizers:
        effects, groups = optimizer.effects, optimizer.groups
        lrs, decays = [lr for lr in optimizer.lrs if lr], optimizer.decays
        affected = [group for group in groups if group.weight_decay]
        if effects.decay == "first group's" and len(decays) > 1:
            first = groups[0].weight_decay or 0.0
            affected = [group for group in groups if (group.weight_decay or 0.0) != first]
            problem = (
                f"uses the first group's weight decay, {rate(first)}, for {count(len(affected), 'group')} with another"
                " weight decay"
            )
            fix = "use AdamW, which uses each group's weight decay"
        elif effects.decay == "lr² ÷ highest lr × weight decay" and len(lrs) > 1 and affected:
            lowest = min(lrs) / max(lrs)
            example = f"the group with the lowest lr gets {rate(lowest)} × its weight decay"
            problem = f"multiplies weight decay by (lr² ÷ highest lr): {example}"
            fix = "set corrected_weight_decay=False, or use AdamW"
        elif effects.decay == "lr ÷ first lr × weight decay" and decays[-1] >= _SEVERE:
            problem = f"does not multiply weight decay by lr: each step subtracts {decays[-1]:.3g} × the weight"
            smaller = rate(decays[-1] * max(lrs, default=1.0))
            fix = f"set weight_decay={smaller}, or remove the option that decouples weight decay from the lr"
        else:
            continue
        yield Fault(
            f"{optimizer.label} {problem}",
            fix,
            parameters=trained_names(*affected),
            option=f"{OPTIMIZER}.type",
        )


@rule(
    "LRD806",
    "step-by-weight-norm",
    severity="info",
    bad=Example("optim_wrapper = dict(optimizer=dict(type='Lamb'))"),
    good=FIXED,
)
def step_by_weight_norm(context: RuleContext) -> Iterator[Fault]:
    """The optimizer scales steps by the weight norm only in groups with weight decay.

    Groups with the same lr take steps of different sizes. For weights, the step is proportional to lr × (L2 norm of the
    weight tensor). For norm layers and biases without weight decay, the step does not depend on the norm of the
    parameter.

    LAMB and LARS scale steps by the weight norm on purpose (the trust ratio), and recipes tuned for them rely on this
    scaling. In these optimizers, a weight decay of 0 switches off the trust ratio, so it also changes the step size of
    the parameters. The finding matters if you wanted only to remove the weight decay.
    """
    for optimizer in context.optimizers:
        if optimizer.effects.norm != "with weight decay" or optimizer.decays[0] or not optimizer.decays[-1]:
            continue
        exempt = [group for group in optimizer.groups if not group.weight_decay]
        names = trained_names(*exempt)
        yield Fault(
            f"{optimizer.label} scales steps by the norm of the weights, but not for {count(len(names), 'tensor')}"
            " without weight decay",
            "change nothing if the recipe is tuned for this optimizer; otherwise use AdamW",
            parameters=names,
            option=f"{OPTIMIZER}.type",
        )


@rule(
    "LRD807",
    "schedule-not-followed",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(optimizer=dict(type='FirstLrSGD'))\n"
        "param_scheduler = [dict(type='CosineAnnealingLR', T_max=12)]",
        plugin=(
            "import torch\n"
            "from mmengine.registry import OPTIMIZERS\n\n"
            "@OPTIMIZERS.register_module(force=True)\n"
            "class FirstLrSGD(torch.optim.SGD):\n"
            "    def step(self, closure=None):\n"
            "        for group in self.param_groups:\n"
            "            group['lr'] = group.setdefault('first_lr', group['lr'])\n"
            "        super().step(closure)\n"
        ),
    ),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12)]"),
)
def schedule_not_followed(context: RuleContext) -> Iterator[Fault]:
    """The optimizer does not follow the lr that the schedulers set.

    The real schedule differs from the configured schedule: a warm-up or a decrease of the lr acts late, too weakly, or
    not at all.

    Schedule-free optimizers average over steps and need no schedule. MADGRAD multiplies each gradient by the lr of its
    step and adds the product to a sum, which later lrs do not change. Rprop has its own step sizes.

    To measure the effect of a schedule, lrdecay takes eleven steps, halves every lr, and takes two more steps. It
    divides the size of the last step by the size of the same step with unchanged lrs. A ratio of 0.5 means that the
    schedule acts at once. LRD807 does not report an optimizer that reaches 0.5 within a hundred steps, such as LARS,
    whose momentum contains the lr of earlier steps.
    """
    if not context.schedulers:
        return
    for optimizer in context.optimizers:
        halved, rewrites = optimizer.effects.halved, optimizer.effects.rewrites_lr
        if rewrites:
            problem = "the optimizer assigns group['lr'] in every step and overrides the schedulers"
        elif halved is not None and abs(halved - 0.5) > 0.1 and optimizer.effects.lr != "refused":
            problem = f"after every lr is halved, a step is {rate(halved)} × the full step, instead of 0.5 ×"
        else:
            continue
        yield Fault(
            f"{optimizer.label} does not follow the lr schedule (lr {span(optimizer.lrs or [0.0])}): {problem}",
            "remove param_scheduler if the optimizer needs no scheduler, or use AdamW",
            option="param_scheduler",
            about=optimizer.effects.name,
        )
