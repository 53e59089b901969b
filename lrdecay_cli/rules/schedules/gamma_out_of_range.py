"""Rule LRD611: gamma-out-of-range."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, number, rate, rule, schedulers_of

_LARGEST = 300
"""Power of ten."""
FAMILIES = ("MultiStep", "Step", "Exponential")


@rule(
    "LRD611",
    "gamma-out-of-range",
    severity="warning",
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=10)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def gamma_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """A scheduler's ``gamma`` makes the lr or the momentum grow, or leaves nothing of it.

    ``MultiStepLR``, ``StepLR`` and ``ExponentialLR`` multiply by ``gamma`` at each step, and mmengine takes any number:
    with 10 in place of 0.1 the training diverges at the first milestone, after days of going well.

    A ``gamma`` of 0 ends the learning at the first step, and one below 0 turns its direction round. The classes that
    end in ``Momentum`` step the momentum, and from 1 on that diverges. A ``gamma`` of 1 is LRD610's.
    """
    # One fault for each scheduler that steps at all.
    for scheduler in context.schedulers:
        yield from _fault(scheduler, "lr", None)
    for scheduler in schedulers_of(context.group_map, "momentum"):
        yield from _fault(scheduler, "momentum", _momentum(scheduler))


def _fault(scheduler: Scheduler, what: str, value: float | None) -> Iterator[Fault]:
    gamma, count = number(scheduler.settings.get("gamma")), scheduler.times_stepped()
    if scheduler.family not in FAMILIES or gamma is None or 0 < gamma <= 1 or count == 0 or not scheduler.acts:
        return
    begins = f"{scheduler.name} multiplies the {what} by gamma={gamma:g} at each step"
    severity: Severity | None = None
    if gamma <= 0:
        message = f"{begins}: " + ("nothing is left from the first one on" if gamma == 0 else "it goes below 0")
        severity = None if gamma == 0 else "error"
        remedy = f"{scheduler.path}.gamma={rate(abs(gamma)) if gamma and gamma > -1 else '0.1'}"
    else:
        # A power of hundreds of steps may be beyond any float.
        steps = min(count or 1, int(_LARGEST / math.log10(gamma)))
        grown = gamma**steps
        message = f"{begins}, up to {'' if steps == count else 'more than '}{rate(grown)} times what it is"
        if value is not None and value * grown >= 1:
            message += f", which begins at {rate(value)}"
            severity = "error"
        remedy = f"{scheduler.path}.gamma={rate(1 / gamma)}, if it is to fall"
    yield Fault(message, remedy, option=f"{scheduler.path}.gamma", severity=severity)


def _momentum(scheduler: Scheduler) -> float | None:
    """The highest that a group begins with: ``momentum``, or the first of ``betas``."""
    found = []
    for group in scheduler.groups:
        betas = group.options.get("betas")
        first = betas[0] if isinstance(betas, (list, tuple)) and betas else None
        value = number(group.options.get("momentum", first))
        found += [] if value is None else [value]
    return max(found, default=None)
