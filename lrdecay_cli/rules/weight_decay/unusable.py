"""A rule about weight decays that no training can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, listed, rate, rule, trainable_names, verb

_KEYS = "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict(_delete_=True, custom_keys=dict({})))"


@rule(
    "LRD409",
    "unusable-weight-decay",
    severity="error",
    bad=Example(_KEYS.format("backbone=dict(decay_mult=-1.0)")),
    good=Example(_KEYS.format("backbone=dict(decay_mult=0.0)")),
)
def unusable_weight_decay(context: RuleContext) -> Iterator[Fault]:
    """A weight decay is negative, infinite or NaN.

    A negative weight decay makes the weights grow in every step. A weight decay of NaN or infinity destroys the weights
    in the first step.

    PyTorch checks the default weight decay of an optimizer, but not the weight decay that a constructor sets for a
    group.
    """
    groups = [
        group
        for group in context.group_map.groups
        if group.weight_decay is not None and not 0 <= group.weight_decay < math.inf
    ]
    names = trainable_names(groups)
    if not names:
        return
    values = listed(dict.fromkeys(rate(group.weight_decay) for group in groups if group.weight_decay is not None))
    yield Fault(
        f"{count(len(groups), 'group')} {verb(len(groups), 'has', 'have')} weight decay {values}",
        "set a weight decay of 0 or more for these parameters",
        parameters=names,
    )
