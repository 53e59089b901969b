"""Run the parameter schedulers of a config on stub optimizers with the groups of the real optimizers.

The schedulers are stepped as by mmengine's ParamSchedulerHook. Every value comes from the scheduler's own ``step``.
Steps that certainly change no value are skipped: before ``begin``, from ``end`` on, and between milestones. Source:
``mmengine/optim/scheduler/param_scheduler.py``.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from traceback import walk_tb
from typing import Any

import numpy
from mmengine.optim.scheduler.momentum_scheduler import MomentumSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import (
    INF,
    ConstantParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    ReduceOnPlateauParamScheduler,
    StepParamScheduler,
    _ParamScheduler,
)

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Run, RunLength, RunScheduler, Series, Track
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_values import plain, stack_versions, type_name
from lrdecay_cli.openmmlab.schedulers.building import BuiltScheduler, build_schedulers
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig, validates

# Settings with their own fields in a scheduler's record.
_OWN_FIELDS = {"type", "by_epoch", "begin", "end", "convert_to_iter_based", "param_name", "verbose", "_scope_"}
# Arguments of the constructors that are not settings.
_STATE = {"self", "optimizer", "last_step", "verbose", "param_name", "args", "kwargs"}
# Options of a group, the recorded option, and the number of kinds of groups with it.
_Cell = tuple[dict[str, Any], str, int]


def run_schedule(planned: PlannedConfig, group_map: GroupMap, length: RunLength, *, verbose: bool = False) -> Run:
    """Build the schedulers of a config as mmengine's Runner does, and step them through the whole training.

    Groups with the same lr and options are stepped as one group: mmengine's schedulers give them the same values.

    ``verbose`` shows warnings and log lines of torch and OpenMMLab on stderr.

    Raises:
        LrdecayError: a scheduler does not build or step, or it returns a value that is not a number.
    """
    with quiet_stack(verbose), training_scope(planned.config):
        optimizers, schedulers = build_schedulers(planned, group_map, length)
        parameters = dict.fromkeys(["lr", *(built.scheduler.param_name for built in schedulers)])
        # The recorded options and their places in the optimizers.
        tracks: list[Track] = []
        cells: list[_Cell] = []
        for name, optimizer in optimizers.items():
            for kinds, options in optimizer.scheduled_options():
                for parameter in (parameter for parameter in parameters if parameter in options):
                    tracks += [Track(name, parameter, groups) for groups in kinds]
                    cells.append((options, parameter, len(kinds)))
        series = Series(tuple(tracks), length.steps)
        try:
            _follow(series, cells, [built.scheduler for built in schedulers], length)
        except Exception as error:
            called, step = "a scheduler", series.steps[-1] if series.steps else 0
            for frame, _ in walk_tb(error.__traceback__):
                steps = (built for built in schedulers if built.scheduler is frame.f_locals.get("self"))
                called = next((f"{built.settings['type']} at {built.path}" for built in steps), called)
            problem = f"{called} fails after {length.unit} {step}: {type(error).__name__}: {error}"
            raise LrdecayError(problem, where=planned.plan.where) from error
        return Run(
            schedulers=tuple(scheduler_record(built, length, planned.config) for built in schedulers),
            series=series,
            stack=stack_versions(type(built.scheduler) for built in schedulers),
            log_keys=tuple(log_keys({name: each.wrapper for name, each in optimizers.items()}, tracks)),
        )


def _follow(series: Series, cells: Sequence[_Cell], schedulers: Sequence[_ParamScheduler], length: RunLength) -> None:
    by_epoch = [Stepper(scheduler) for scheduler in schedulers if scheduler.by_epoch]
    by_iteration = [Stepper(scheduler) for scheduler in schedulers if not scheduler.by_epoch]
    add_step, add_values, add_bytes = series.steps.append, series.rows.extend, series.rows.frombytes

    def record(step: int) -> None:
        add_step(step)
        for options, parameter, kinds in cells:
            value = options[parameter]
            if isinstance(value, numpy.ndarray):
                add_bytes(value.tobytes())
            else:
                add_values((value,) * kinds)

    _drive(by_iteration, by_epoch, length.steps, _epoch_length(length), record)


def scheduler_record(built: BuiltScheduler, length: RunLength, config: Mapping[str, Any]) -> RunScheduler:
    """Return the entry for a scheduler in a schedule report. ``length`` is the length of the training."""
    scheduler = built.scheduler
    size = _epoch_length(length) if scheduler.by_epoch else 1
    first, behind = scheduler.begin * size, min(scheduler.end * size, length.steps)
    acts = first < length.steps
    return RunScheduler(
        path=built.path,
        optimizer=built.optimizer,
        type=type_name(built.settings["type"]),
        parameter=scheduler.param_name,
        by_epoch=bool(scheduler.by_epoch),
        converted=bool(built.settings.get("convert_to_iter_based", False)),
        begin=int(scheduler.begin),
        end=None if scheduler.end >= INF else int(scheduler.end),
        first_step=int(first) if acts else None,
        last_step=int(behind) - 1 if acts else None,
        warm_up=acts and scheduler.begin == 0 and scheduler.param_name == "lr" and ends_higher(scheduler),
        monitor=str(scheduler.monitor) if isinstance(scheduler, ReduceOnPlateauParamScheduler) else None,
        options={key: plain(value) for key, value in built.settings.items() if key not in _OWN_FIELDS},
        first_drop=first_drop(scheduler, config, by_epoch=length.epochs is not None),
    )


def first_drop(scheduler: _ParamScheduler, config: Mapping[str, Any], *, by_epoch: bool) -> int | None:
    """Return the first epoch in which a value is lower because of a ReduceOnPlateau scheduler.

    For loops without epochs, return the first such iteration. The first measurement of the metric counts as an
    improvement. The result assumes that no later measurement is an improvement. The result is None for other types of
    schedulers. It is also None if there is no validation, or if the loop has ``dynamic_intervals``.

    Sources: mmengine 0.10.7, ``ReduceOnPlateauParamScheduler.step`` and ``EpochBasedTrainLoop.run``. The scheduler acts
    after the validation of epoch ``n``, counted from 1, if ``begin <= n < end``. In an
    ``IterBasedTrainLoop``, the whole training is one epoch, so ``n`` is 0 until the end of the training. The scheduler
    then acts only if ``begin`` is 0.
    """
    loop, default = config.get("train_cfg") or {}, 1 if by_epoch else 1000
    interval, begin = loop.get("val_interval", default), loop.get("val_begin", 1)
    known = all(isinstance(each, int) and each > 0 for each in (interval, begin)) and not loop.get("dynamic_intervals")
    if not isinstance(scheduler, ReduceOnPlateauParamScheduler) or not known or not validates(config):
        return None
    if not math.isfinite(scheduler.patience) or (scheduler.begin > 0 and not by_epoch):
        return None
    improves = bool(scheduler._is_better(0.0, scheduler.rule_worse))
    more = max(math.floor(scheduler.patience) + improves, 0)
    first = -(-max(begin, scheduler.begin) // interval)
    drop = int((first + more) * interval)
    return drop if drop < scheduler.end or not by_epoch else None


def settings_of_scheduler(scheduler: _ParamScheduler) -> dict[str, Any]:
    """Return, as plain values, the arguments of a scheduler's constructor that the scheduler stores as attributes."""
    constructors = (vars(kind).get("__init__") for kind in type(scheduler).__mro__ if kind is not object)
    names = [name for each in constructors if each is not None for name in inspect.signature(each).parameters]
    kept = vars(scheduler)
    return {
        name: sorted(kept[name].elements()) if isinstance(kept[name], Counter) else plain(kept[name])
        for name in dict.fromkeys(names)
        if name in kept and name not in _STATE
    }


def ends_higher(scheduler: _ParamScheduler) -> bool:
    """True if a scheduler, considered alone, ends with a higher value than it starts with."""
    if isinstance(scheduler, LinearParamScheduler):
        return bool(scheduler.end_factor > scheduler.start_factor)
    if isinstance(scheduler, ConstantParamScheduler):
        return bool(scheduler.factor < 1)
    # mmdet's QuadraticWarmupLR, and classes of projects with a similar name.
    return "warmup" in type(scheduler).__name__.lower()


def _epoch_length(length: RunLength) -> int:
    """Return the number of steps per epoch. For an iteration-based loop, the whole training is one epoch."""
    if length.unit == "epoch":
        return 1
    return (length.iterations_per_epoch if length.epochs else None) or length.steps


def log_keys(wrappers: Mapping[str, Any], tracks: Sequence[Track]) -> Iterator[tuple[str, int]]:
    """Yield a pair for each lr that mmengine logs: the key in the log, such as ``base_lr``, and an index of ``tracks``.

    ``tracks`` lists the recorded options of groups. The track at the index has the values of the logged lr.

    Source: ``RuntimeInfoHook.before_train_iter``, which logs the first value of each key of ``get_lr``.
    """
    for name, wrapper in wrappers.items():
        of = [i for i, track in enumerate(tracks) if track.optimizer == name and track.parameter == "lr"]
        first = next(i for i in of if tracks[i].groups)
        base = next((i for i in of if not tracks[i].groups), first)
        for key in wrapper.get_lr():
            yield (f"{name}.{key}" if name else key), base if key == "base_lr" else first


NEVER = 1 << 62
_UNDERSTOOD = (_ParamScheduler.step, MomentumSchedulerMixin.step)


class Stepper:
    """A scheduler that also reports how many of its next steps can be skipped.

    A step can be skipped if it changes no option of a group (lr, momentum, …).
    """

    def __init__(self, scheduler: _ParamScheduler) -> None:
        self.scheduler = scheduler
        self.step: Callable[[], None] = scheduler.step
        self._waits = isinstance(scheduler, ReduceOnPlateauParamScheduler)
        self.understood = type(scheduler).step in _UNDERSTOOD
        """True if the scheduler uses mmengine's own ``step``."""
        self._idle_within = _IDLE.get(type(scheduler)._get_value) if self.understood else None

    def idle(self) -> int:
        """Return how many of the next steps certainly change no value."""
        if self._waits:
            # Without a metric, ReduceOnPlateau only counts steps.
            return NEVER
        if not self.understood:
            return 0
        scheduler = self.scheduler
        following = scheduler._global_step + 1
        if following >= scheduler.end:
            return NEVER
        if following < scheduler.begin:
            return int(scheduler.begin - following)
        return 0 if self._idle_within is None else int(self._idle_within(scheduler, scheduler.last_step + 1))

    def busy(self) -> int:
        """Return how many steps in a row may change a value, starting with the next step.

        Call this only if ``idle()`` is 0.
        """
        if not self.understood:
            return NEVER
        return 1 if self._idle_within is not None else self.scheduler.end - self.scheduler._global_step - 1

    def skip(self, steps: int) -> None:
        """Advance the scheduler's counters by ``steps`` steps. None of these steps may change a value."""
        if not steps:
            return
        scheduler = self.scheduler
        following = scheduler._global_step + 1
        scheduler._global_step += steps
        if not self._waits:
            first, behind = max(following, scheduler.begin), min(following + steps, scheduler.end)
            scheduler.last_step += max(0, behind - first)


def _drive(
    by_iteration: Sequence[Stepper],
    by_epoch: Sequence[Stepper],
    iterations: int,
    epoch_length: int,
    record: Callable[[int], None],
) -> None:
    """Step schedulers through a training, and record each iteration in which a value may have changed.

    Schedulers that count iterations step after each iteration. Schedulers that count epochs step after the last
    iteration of an epoch. Source: ``mmengine/hooks/param_scheduler_hook.py``. Iterations count from 0; iteration 0 is
    always recorded.
    """
    record(0)
    now, last = 0, iterations - 1
    while now < last:
        # The iteration after which a scheduler by epoch steps next.
        boundary = (
            now // epoch_length + 1 + min((stepper.idle() for stepper in by_epoch), default=NEVER)
        ) * epoch_length - 1
        active = [stepper for stepper in by_iteration if not stepper.idle()]
        resting = [stepper for stepper in by_iteration if stepper.idle()]
        ahead = min(
            [
                last - now,
                boundary + 1 - now,
                *(stepper.idle() for stepper in resting),
                *(stepper.busy() for stepper in active),
            ]
        )
        at_boundary = now + ahead == boundary + 1
        if active:
            steps = [stepper.step for stepper in active]
            for iteration in range(now + 1, now + ahead + 1):
                for step in steps:
                    step()
                if iteration <= boundary:
                    record(iteration)
        for stepper in resting:
            stepper.skip(ahead)
        epochs = (now + ahead) // epoch_length - now // epoch_length
        now += ahead
        for stepper in by_epoch:
            stepper.skip(epochs - at_boundary)
            if at_boundary:
                stepper.step()
        if at_boundary:
            record(now)


def _until(steps: Iterable[int], following: int) -> int:
    return min((step - following for step in steps if step >= following), default=NEVER)


_IDLE: dict[Any, Callable[[Any, int], int]] = {
    MultiStepParamScheduler._get_value: lambda scheduler, following: _until(scheduler.milestones, following),
    StepParamScheduler._get_value: lambda scheduler, following: -following % scheduler.step_size,
    ConstantParamScheduler._get_value: lambda scheduler, following: _until((0, scheduler.total_iters), following),
}
"""Functions that return the number of steps until a scheduler next changes its value.

The table contains schedulers that change a value only in certain steps. Arguments are the scheduler and the number of
its next step.
"""
