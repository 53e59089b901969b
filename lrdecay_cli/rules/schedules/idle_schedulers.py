"""A rule about schedulers that change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lrdecay_cli.rules.api import BY_GAMMA, Example, Fault, RuleContext, Scheduler, delete_option, listed, rule, verb


@rule(
    "LRD610",
    "scheduler-never-acts",
    severity="info",
    also=("warning",),
    bad=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=1.0)]"),
    good=Example("param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1)]"),
)
def scheduler_never_acts(context: RuleContext) -> Iterator[Fault]:
    """A scheduler changes nothing, because of its settings.

    The lr stays constant although the config has a scheduler for it.

    A scheduler changes nothing if ``gamma`` is 1, if ``start_factor`` and ``end_factor`` are both 1, if ``power`` is 0,
    or if ``milestones`` is empty. ``ReduceOnPlateauLR`` changes the lr only after a validation. With several
    optimizers, ``param_scheduler`` can be a dict with an entry for each optimizer name. mmengine ignores entries with
    other names.
    """
    training = context.group_map.training
    # One fault for each scheduler; ConstantLR with a factor of 1 is a deliberate placeholder.
    for scheduler in context.all_schedulers:
        setting = _idle(scheduler)
        if setting:
            yield Fault(
                f"{scheduler.name} with {setting}={scheduler.settings.get(setting)!r} changes nothing",
                f"remove {scheduler.path}, or set {setting} to the intended value",
                option=f"{scheduler.path}.{setting}",
                edits=[delete_option(scheduler.path)],
            )
        elif scheduler.family == "ReduceOnPlateau" and "val_cfg" not in (training.loops or {"val_cfg"}):
            yield Fault(
                f"{scheduler.name} never acts: it waits for validations, and the config has no val_cfg",
                f"set val_cfg, val_dataloader and val_evaluator, or remove {scheduler.path}",
                option=scheduler.path,
                severity="warning",
            )
    yield from _of_no_optimizer(context)


def _of_no_optimizer(context: RuleContext) -> Iterator[Fault]:
    """Yield a fault for each entry of ``param_scheduler`` that mmengine ignores, because no optimizer has its name."""
    optimizers = [name for name in context.group_map.optimizer.types if name]
    given = context.group_map.training.param_scheduler
    if not optimizers or len(given) != 1 or not isinstance(given[0], Mapping) or "type" in given[0]:
        return
    # mmengine refuses a missing name, which LRD604 reports.
    if any(name not in given[0] for name in optimizers):
        return
    for name in given[0]:
        if name not in optimizers:
            yield Fault(
                f"no optimizer is named {name!r}, so param_scheduler.{name} is ignored; the"
                f" {verb(len(optimizers), 'name is', 'names are')} {listed(optimizers)}",
                f"remove param_scheduler.{name}",
                option=f"param_scheduler.{name}",
                severity="warning",
                edits=[delete_option(("param_scheduler", str(name)))],
            )


def _idle(scheduler: Scheduler) -> str:
    """Return the name of the setting that makes the scheduler change nothing; empty if there is none."""
    family, settings = scheduler.family, scheduler.settings
    if family == "MultiStep" and settings.get("milestones") in ([], ()):
        return "milestones"
    if family in BY_GAMMA and settings.get("gamma") == 1:
        return "gamma"
    if family == "Linear" and scheduler.value("start_factor", 1 / 3) == scheduler.value("end_factor", 1.0) == 1:
        return "start_factor"
    return "power" if family == "Poly" and settings.get("power") == 0 else ""
