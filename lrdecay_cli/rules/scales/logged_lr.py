"""Rule LRD309: log-shows-one-lr."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rate, rule

_DEFAULT = "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=dict(_delete_=True, "


@rule(
    "LRD309",
    "log-shows-one-lr",
    severity="info",
    bad=Example(f"{_DEFAULT}custom_keys=dict(backbone=dict(lr_mult=0.1))))"),
    good=Example(f"{_DEFAULT}custom_keys=dict(head=dict(lr_mult=2.0))))"),
    yields_to=("LRD209", "LRD302", "LRD306"),
)
def log_shows_one_lr(context: RuleContext) -> Iterator[Fault]:
    """The lr in the log is that of the first group, and others train at another.

    What mmengine's log calls ``lr`` is that of the first group alone. With a slow backbone in front it reads 2e-5 while
    the head trains with 2e-4, and people tune the wrong number.

    ``base_lr`` beside it, which newer versions print, is the optimizer's own. ``lrdecay inspect`` shows every group's.
    """
    # One fault where the first group's lr is not the base lr, and others' is.
    base, groups = context.group_map.base_lr, context.group_map.groups
    first = context.starting_lr(groups[0]) if groups else None
    if base is None or first is None or math.isclose(first, base, rel_tol=1e-9):
        return
    lrs = [lr for group in groups if (lr := context.starting_lr(group)) is not None]
    others = [lr for lr in lrs if not math.isclose(lr, first)]
    if not others:
        return
    yield Fault(
        f"the log prints lr {rate(first)}, that of group {groups[0].name}; base lr is {rate(base)}, and groups have up"
        f" to {rate(max(others))}",
        "read base_lr in the log, or see every group with lrdecay inspect",
        parameters=[parameter.name for parameter in groups[0].parameters],
    )
