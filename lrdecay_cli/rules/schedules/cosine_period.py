"""A rule about the period of a cosine scheduler."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, plain_number, rule, set_option


@rule(
    "LRD609",
    "cosine-rises-again",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, begin=0, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
def cosine_rises_again(context: RuleContext) -> Iterator[Fault]:
    """A cosine scheduler runs longer than its ``T_max``, so the lr rises again.

    After ``T_max`` steps, the cosine rises back towards the full lr, although the last epochs should have the lowest
    lr.

    ``T_max`` counts from ``begin`` and defaults to ``end - begin``. ``T_max`` is often too short because ``end`` was
    changed and ``T_max`` was not.
    """
    for scheduler in context.all_schedulers:
        half = scheduler.value("T_max", 0)
        if scheduler.family != "CosineAnnealing" or half <= 0 or scheduler.last is None:
            continue
        steps = scheduler.last - scheduler.begin
        back = (1 - math.cos(math.pi * (steps - half) / half)) / 2
        # An ``end`` one step above ``T_max`` is common and harmless.
        if steps > half + 1 and back > 0.01:
            top = 1.0 if steps >= 2 * half else back
            yield Fault(
                f"T_max={half:g} is shorter than the {steps:g} {scheduler.unit} of {scheduler.name}: the "
                f"{scheduler.quantity} decreases, then rises again by {top:.0%} of this decrease",
                f"set {scheduler.path}.T_max={steps:g}",
                option=f"{scheduler.path}.T_max",
                edits=[set_option(f"{scheduler.path}.T_max", plain_number(steps))],
            )
