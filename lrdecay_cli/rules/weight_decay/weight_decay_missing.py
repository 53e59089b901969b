"""Rule LRD408: weight-decay-missing."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

OPTION = "optim_wrapper.optimizer.weight_decay"


@rule(
    "LRD408",
    "weight-decay-missing",
    severity="error",
    bad=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-4))"),
    good=Example("optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.0))"),
)
def weight_decay_missing(context: RuleContext) -> Iterator[Fault]:
    """A constructor hands out the optimizer's weight decay, and the config gives the optimizer none.

    Groups are left with a weight decay of ``None``, and the optimizer dies of it in its first step.

    MMDetection's decay constructor copies ``optimizer.weight_decay`` into each group; where that is not set there is
    nothing to copy. An optimizer's own default (AdamW has 0.01) does not step in.
    """
    # One fault for all groups without a number.
    group_map = context.group_map
    optimizer = group_map.training.optim_wrapper.get("optimizer")
    given = optimizer.get("weight_decay") if isinstance(optimizer, dict) else None
    # An optimizer that knows no weight decay has it in no group.
    empty = [group for group in group_map.groups if group.weight_decay is None]
    if given is not None or not empty or len(empty) == len(group_map.groups):
        return
    yield Fault(
        f"{len(empty)} of {len(group_map.groups)} groups have weight decay None, for the optimizer is given none",
        f"{OPTION}=0.05, or 0 for no weight decay",
        parameters=[parameter.name for group in empty for parameter in group.parameters],
        option=OPTION,
    )
