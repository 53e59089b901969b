"""Rule LRD609: cosine-rises-again."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule


@rule(
    "LRD609",
    "cosine-rises-again",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, begin=0, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', T_max=12, begin=0, end=12)]"),
)
def cosine_rises_again(context: RuleContext) -> Iterator[Fault]:
    """A cosine's ``T_max`` is shorter than its range, so the lr goes up again.

    Behind ``T_max`` the cosine climbs back to the full lr, in the epochs that should be the quietest.

    ``T_max`` counts from ``begin`` and is ``end - begin`` where it is left out. It is often kept when ``end`` changes.
    """
    # One fault for each scheduler.
    for scheduler in context.schedulers:
        half = scheduler.value("T_max", 0)
        if scheduler.family != "CosineAnnealing" or half <= 0 or scheduler.last is None:
            continue
        steps = scheduler.last - scheduler.begin
        back = (1 - math.cos(math.pi * (steps - half) / half)) / 2
        # One step more is how end is often counted.
        if steps > half + 1 and back > 0.01:
            top = 1.0 if steps >= 2 * half else back
            yield Fault(
                f"T_max={half:g} is shorter than the {steps:g} {scheduler.unit} of {scheduler.name}: the lr rises "
                f"again to {top:.0%}",
                f"{scheduler.path}.T_max={steps:g}",
                option=f"{scheduler.path}.T_max",
            )
