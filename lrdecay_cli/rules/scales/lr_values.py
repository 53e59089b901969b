"""Learning rates that cannot train."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, rule, span, verb


@rule(
    "LRD306",
    "unusable-lr",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict("
        "_delete_=True, custom_keys=dict(backbone=dict(lr_mult=-0.1))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict("
        "_delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.1))))"
    ),
    yields_to=("LRD302",),
)
def unusable_lr(context: RuleContext) -> Iterator[Fault]:
    """A learning rate is negative, infinite or no number, or it is 0 everywhere.

    A negative rate climbs the loss instead of descending it; NaN and infinity destroy every weight in the first step;
    with 0 everywhere nothing is trained.

    PyTorch checks the optimizer's own lr, but not that of a group, so nothing stops it.
    """
    groups = [group for group in context.group_map.groups if group.lr is not None]
    wrong = [group for group in groups if group.lr is not None and (not math.isfinite(group.lr) or group.lr < 0)]
    if wrong:
        numbers = [group.lr for group in wrong if group.lr is not None and math.isfinite(group.lr)]
        odd = [str(group.lr) for group in wrong if group.lr is not None and not math.isfinite(group.lr)]
        told = ", ".join([*dict.fromkeys(odd), *([span(numbers)] if numbers else [])])
        yield Fault(
            f"{count(len(wrong), 'group')} {verb(len(wrong), 'has', 'have')} lr {told}",
            "make every lr a positive number",
            parameters=[parameter.name for group in wrong for parameter in group.parameters],
        )
    trainable = [p for group in groups for p in group.parameters if p.requires_grad]
    if trainable and not any(context.starting_lr(group) for group in groups):
        yield Fault(
            f"lr is 0 in {verb(len(groups), 'the only group', f'all {len(groups)} groups')}: nothing trains",
            "give the optimizer an lr; a warm-up starts from a part of it",
            parameters=[p.name for p in trainable],
            option="optim_wrapper.optimizer.lr",
        )


_LEAST_LR = 1e-10
_LEAST_SCALE = 1e-6


@rule(
    "LRD307",
    "lr-underflow",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.1))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))"),
    yields_to=("LRD203", "LRD206"),
)
def lr_underflow(context: RuleContext) -> Iterator[Fault]:
    """A learning rate is so small that its steps are lost in rounding.

    Next to a weight of 0.02, single precision rounds off changes below about 1e-9. A step of Adam is about as large as
    the lr, so at less than that nothing arrives; half precision rounds off changes a thousand times larger.

    It happens with a decay over many layers, or several factors on top of each other. What must not train is frozen;
    else raise the decay rate.
    """
    lrs = {group.name: context.starting_lr(group) or 0.0 for group in context.group_map.groups}
    small = [
        group
        for group in context.group_map.groups
        if lrs[group.name] > 0
        and any(parameter.requires_grad for parameter in group.parameters)
        and (lrs[group.name] < _LEAST_LR or (group.lr_scale is not None and 0 < group.lr_scale < _LEAST_SCALE))
    ]
    if not small:
        return
    scales = [group.lr_scale for group in small if group.lr_scale is not None]
    scaled = f" (lr scale {span(scales)})" if scales else ""
    yield Fault(
        f"{count(len(small), 'group')} {verb(len(small), 'has', 'have')} lr"
        f" {span(lrs[group.name] for group in small)}{scaled}: too little to change a weight",
        f"raise {context.decay_option}={context.decay_rate:g} towards 1, or freeze these layers"
        if context.decay_option and context.decay_rate is not None
        else "raise the lr, or freeze what must not train",
        parameters=[p.name for group in small for p in group.parameters if p.requires_grad],
        option=f"{PARAMWISE}.{context.decay_option}" if context.decay_option else "",
    )
