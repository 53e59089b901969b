"""A rule about schedulers that multiply the lr or momentum by ``gamma``."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.api import (
    BY_GAMMA,
    Example,
    Fault,
    Fix,
    RuleContext,
    Scheduler,
    number_or_none,
    plain_number,
    rate,
    rule,
    schedulers_of,
    set_option,
)

_LARGEST = 300
"""Powers of ``gamma`` are computed only up to 1e300, because a higher power could overflow a float."""


@rule(
    "LRD611",
    "gamma-out-of-range",
    severity="warning",
    also=("error",),
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=10)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def gamma_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """A scheduler's ``gamma`` makes the lr or momentum grow, or makes it 0 or negative.

    ``MultiStepLR``, ``StepLR`` and ``ExponentialLR`` multiply the lr by ``gamma`` at each milestone or step. mmengine
    accepts any number. With a ``gamma`` of 10 instead of 0.1, the training diverges at the first milestone, possibly
    after days.

    A ``gamma`` of 0 sets the lr to 0 at the first step. A negative ``gamma`` makes the lr negative. Schedulers whose
    class name ends in ``Momentum`` change the momentum, and with a momentum of 1 or more the training diverges. LRD610
    reports a ``gamma`` of 1, which changes nothing.
    """
    for scheduler in context.schedulers:
        yield from _fault(scheduler, "lr", None)
    for scheduler in schedulers_of(context.group_map, "momentum"):
        # The highest initial value of a group: momentum, or the first of betas.
        begins = []
        for group in scheduler.groups:
            betas = group.options.get("betas")
            first = betas[0] if isinstance(betas, (list, tuple)) and betas else None
            begins.append(number_or_none(group.options.get("momentum", first)))
        highest = max((value for value in begins if value is not None), default=None)
        yield from _fault(scheduler, "momentum", highest)


def _fault(scheduler: Scheduler, scheduled: str, value: float | None) -> Iterator[Fault]:
    gamma, count = number_or_none(scheduler.settings.get("gamma")), scheduler.times_stepped()
    if scheduler.family not in BY_GAMMA or gamma is None or 0 < gamma <= 1 or count == 0 or not scheduler.acts:
        return
    begins = f"{scheduler.name} multiplies the {scheduled} by gamma={gamma:g} at each step"
    severity: Severity | None = None
    if gamma <= 0:
        becomes = "0 from the first step on" if gamma == 0 else "negative after the first step"
        message = f"{begins}: the {scheduled} is {becomes}"
        severity = None if gamma == 0 else "error"
        new_gamma = rate(abs(gamma)) if gamma and gamma > -1 else "0.1"
        fix = f"set {scheduler.path}.gamma={new_gamma}"
    else:
        # A power of hundreds of steps may overflow a float.
        steps = min(count or 1, int(_LARGEST / math.log10(gamma)))
        grown = gamma**steps
        message = f"{begins}, up to {'' if steps == count else 'more than '}{rate(grown)} times its value"
        if value is not None and value * grown >= 1:
            message += f" of {rate(value)}"
            severity = "error"
        new_gamma = rate(1 / gamma)
        fix = f"set {scheduler.path}.gamma={new_gamma}, if the {scheduled} should fall"
    option = f"{scheduler.path}.gamma"
    # Only the user knows the right value.
    proposed = Fix(edits=(set_option(option, plain_number(float(new_gamma))),), automatic=False)
    yield Fault(message, fix, option=option, severity=severity, edits=[proposed])
