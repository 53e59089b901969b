"""Rule LRD610: scheduler-never-acts."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, rule


@rule(
    "LRD610",
    "scheduler-never-acts",
    severity="info",
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=1.0)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def scheduler_never_acts(context: RuleContext) -> Iterator[Fault]:
    """A scheduler is set so that it changes nothing.

    The lr stays as it is although the config has a scheduler for it.

    It has a ``gamma`` of 1, both factors of 1, a ``power`` of 0, or no milestones.
    """
    # One fault for each scheduler; ConstantLR with a factor of 1 holds the place of an lr that is to stay.
    for scheduler in context.schedulers:
        setting = _idle(scheduler)
        if setting:
            yield Fault(
                f"{scheduler.name} with {setting}={scheduler.settings.get(setting)!r} changes nothing",
                f"remove {scheduler.path}, or give {setting} the value that you mean",
                option=f"{scheduler.path}.{setting}",
            )


def _idle(scheduler: Scheduler) -> str:
    if scheduler.family == "MultiStep" and scheduler.settings.get("milestones") in ([], ()):
        return "milestones"
    if scheduler.family in ("MultiStep", "Step", "Exponential") and scheduler.settings.get("gamma") == 1:
        return "gamma"
    if scheduler.family == "Linear" and scheduler.value("start_factor", 1 / 3) == 1 == scheduler.value(
        "end_factor", 1.0
    ):
        return "start_factor"
    if scheduler.family == "Poly" and scheduler.settings.get("power") == 0:
        return "power"
    return ""
