"""Rule LRD306: unusable-lr."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule, span, verb


@rule(
    "LRD306",
    "unusable-lr",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict("
        "_delete_=True, custom_keys=dict(backbone=dict(lr_mult=-0.1))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict("
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
    # One fault for all groups that climb or destroy, one where nothing trains.
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
