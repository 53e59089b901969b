"""Running a config's parameter schedulers on stub parameters that are grouped as the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from traceback import walk_tb
from typing import Any

import numpy
from mmengine.optim.scheduler.param_scheduler import (
    INF,
    ConstantParamScheduler,
    LinearParamScheduler,
    ReduceOnPlateauParamScheduler,
    _ParamScheduler,
)

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Run, RunLength, RunScheduler, Series, Track
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_values import plain, stack_versions, type_name
from lrdecay_cli.openmmlab.schedulers.building import BuiltScheduler, build_schedulers
from lrdecay_cli.openmmlab.schedulers.stepping import Stepper, drive
from lrdecay_cli.openmmlab.schedulers.stub_optimizers import StubOptimizer
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig

# Settings that have fields of their own in a scheduler's record.
_OWN_FIELDS = {"type", "by_epoch", "begin", "end", "convert_to_iter_based", "param_name", "verbose", "_scope_"}
# Options, the one of them that is followed, and how many kinds of groups it is of.
_Cell = tuple[dict[str, Any], str, int]


def run_schedule(planned: PlannedConfig, group_map: GroupMap, length: RunLength, *, verbose: bool = False) -> Run:
    """Build the config's schedulers as mmengine's Runner does, and step them through the whole run.

    Groups whose lr and other options are equal are run as one: no scheduler of mmengine tells groups apart otherwise.

    Args:
        planned: the config.
        group_map: its groups.
        length: how long the run is.
        verbose: let the stack's warnings and log lines through, on stderr.

    Raises:
        LrdecayError: a scheduler does not build or does not step, or gives something that is no number.
    """
    where = planned.plan.where
    with quiet_stack(verbose), training_scope(planned.config):
        optimizers, schedulers = build_schedulers(planned, group_map, length)
        parameters = ["lr", *dict.fromkeys(built.scheduler.param_name for built in schedulers)]
        tracks, cells = _tracks(optimizers, dict.fromkeys(parameters))
        series = Series(tracks, length.steps)
        try:
            _follow(series, cells, [built.scheduler for built in schedulers], length)
        except Exception as error:
            raise _failure(error, schedulers, length.unit, series, where) from error
        return Run(
            schedulers=tuple(_record(built, length) for built in schedulers),
            series=series,
            stack=stack_versions(type(built.scheduler) for built in schedulers),
            log_keys=tuple(_log_keys(optimizers, tracks)),
        )


def _failure(
    error: Exception, schedulers: Sequence[BuiltScheduler], unit: str, series: Series, where: str
) -> LrdecayError:
    """What a scheduler raised in one of its steps, which one it was, and when."""
    called = "a scheduler"
    for frame, _ in walk_tb(error.__traceback__):
        steps = (built for built in schedulers if built.scheduler is frame.f_locals.get("self"))
        called = next((f"{built.settings['type']} at {built.path}" for built in steps), called)
    step = series.steps[-1] if series.steps else 0
    return LrdecayError(f"{called} fails after {unit} {step}: {type(error).__name__}: {error}", where=where)


def _tracks(
    optimizers: Mapping[str, StubOptimizer], parameters: Mapping[str, None]
) -> tuple[tuple[Track, ...], list[_Cell]]:
    """What is followed, and where in the optimizers it is."""
    tracks, cells = [], []
    for name, optimizer in optimizers.items():
        for kinds, options in optimizer.holders():
            for parameter in parameters:
                if parameter in options:
                    tracks += [Track(name, parameter, groups) for groups in kinds]
                    cells.append((options, parameter, len(kinds)))
    return tuple(tracks), cells


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

    drive(by_iteration, by_epoch, length.steps, _epoch_length(length), record)


def _record(built: BuiltScheduler, length: RunLength) -> RunScheduler:
    """What is reported of a scheduler once it has been run."""
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
        warm_up=acts and scheduler.begin == 0 and scheduler.param_name == "lr" and raises(scheduler),
        monitor=str(scheduler.monitor) if isinstance(scheduler, ReduceOnPlateauParamScheduler) else None,
        options={key: plain(value) for key, value in built.settings.items() if key not in _OWN_FIELDS},
    )


def raises(scheduler: _ParamScheduler) -> bool:
    """Whether it ends higher than it began, whatever others do meanwhile."""
    if isinstance(scheduler, LinearParamScheduler):
        return bool(scheduler.end_factor > scheduler.start_factor)
    if isinstance(scheduler, ConstantParamScheduler):
        return bool(scheduler.factor < 1)
    # mmdet's QuadraticWarmupLR, and what projects name after it.
    return "warmup" in type(scheduler).__name__.lower()


def _epoch_length(length: RunLength) -> int:
    """How many steps of the run an epoch takes; an iteration-based loop calls its whole run one."""
    if length.unit == "epoch":
        return 1
    return (length.iterations_per_epoch if length.epochs else None) or length.steps


def _log_keys(optimizers: Mapping[str, StubOptimizer], tracks: Sequence[Track]) -> Iterator[tuple[str, int]]:
    """What ``RuntimeInfoHook.before_train_iter`` puts into the log: the first value under each key of ``get_lr``."""
    for name, optimizer in optimizers.items():
        of = [i for i, track in enumerate(tracks) if track.optimizer == name and track.parameter == "lr"]
        first = next(i for i in of if tracks[i].groups)
        base = next((i for i in of if not tracks[i].groups), first)
        for key in optimizer.wrapper.get_lr():
            yield (f"{name}.{key}" if name else key), base if key == "base_lr" else first
