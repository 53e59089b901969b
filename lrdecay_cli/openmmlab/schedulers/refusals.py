"""Test before a training if mmengine's Runner can build and step the schedulers of a config.

First, all schedulers are built together. If this fails, each scheduler is built separately.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config
from mmengine.optim.scheduler.param_scheduler import ReduceOnPlateauParamScheduler, _ParamScheduler

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import RunLength, TrainingPlan
from lrdecay_cli.domain.training import RefusedScheduler
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.schedulers.building import build_schedulers, built_alone
from lrdecay_cli.openmmlab.schedulers.running import Stepper
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig, SchedulerConfig, plan_of, scheduler_configs
from lrdecay_cli.text.printing import message_of

_ITERATIONS = 1000
"""Iterations per epoch if the config does not set them. The errors of schedulers do not depend on this number."""


def refused_schedulers(config: Config, group_map: GroupMap) -> tuple[RefusedScheduler, ...]:
    """Return the schedulers that mmengine rejects when they are built or stepped; empty if there are none.

    The result is also empty if the length of the training is unknown, because then the train loop itself is invalid.
    """
    if not config.get("param_scheduler"):
        return ()
    where = group_map.config.path
    with training_scope(config):
        try:
            scheduler_configs(config, where)
        except LrdecayError as error:
            return (RefusedScheduler("param_scheduler", error.problem, error.fix),)
        try:
            plan = plan_of(config, where)
        except LrdecayError:
            return ()
        return tuple(_refused(PlannedConfig(config, plan, {}), group_map, _length(plan)))


def _length(plan: TrainingPlan) -> RunLength:
    epoch = plan.batches_per_epoch or _ITERATIONS
    if plan.by_epoch:
        return RunLength("iteration", plan.length * epoch, epoch, plan.length, "")
    return RunLength("iteration", plan.length, None, None, "")


def _refused(planned: PlannedConfig, group_map: GroupMap, length: RunLength) -> Iterator[RefusedScheduler]:
    try:
        _, built = build_schedulers(planned, group_map, length)
    except LrdecayError as error:
        alone = list(_each_alone(planned, group_map, length))
        yield from alone or [RefusedScheduler("param_scheduler", error.problem, error.fix)]
        return
    for each in built:
        if problem := _step_refused(each.scheduler, length):
            yield RefusedScheduler(each.path, problem, "")


def _each_alone(planned: PlannedConfig, group_map: GroupMap, length: RunLength) -> Iterator[RefusedScheduler]:
    for given in scheduler_configs(planned.config, planned.plan.where):
        if refused := _alone(given, planned, group_map, length):
            yield refused


def _alone(
    given: SchedulerConfig, planned: PlannedConfig, group_map: GroupMap, length: RunLength
) -> RefusedScheduler | None:
    try:
        scheduler = built_alone(given, planned, group_map, length)
    except LrdecayError as error:
        # The error names the type if the type causes it, not its settings.
        return RefusedScheduler(error.key or given.path, error.problem, error.fix)
    except Exception as error:
        return RefusedScheduler(given.path, _describe(error), "")
    problem = "" if scheduler is None else _step_refused(scheduler, length)
    return RefusedScheduler(given.path, problem, "") if problem else None


def _step_refused(scheduler: _ParamScheduler, length: RunLength) -> str:
    """Return the error that a scheduler raises in its first steps or its last step; empty if there is no error."""
    if isinstance(scheduler, ReduceOnPlateauParamScheduler):
        return ""
    stepper = Stepper(scheduler)
    steps = (length.epochs or 1) if scheduler.by_epoch else length.steps
    last = int(min(steps, scheduler.end)) - 1
    try:
        for _ in range(min(3, steps - 1)):
            scheduler.step()
        if stepper.understood and last - scheduler._global_step > 1:
            stepper.skip(last - 1 - scheduler._global_step)
            scheduler.step()
    except Exception as error:
        return _describe(error)
    return ""


def _describe(error: Exception) -> str:
    text = " ".join(message_of(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
