"""Derive the schedule of a training from a dry run.

This is necessary if hooks other than ParamSchedulerHook set lrs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lrdecay_cli.domain.dry_run import Cause, DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import Rehearsal, Run, RunLength, RunScheduler, Series, Setter
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Launch
from lrdecay_cli.openmmlab.config_values import stack_versions
from lrdecay_cli.openmmlab.dry_run.recording import Recorder
from lrdecay_cli.openmmlab.dry_run.running import DryTraining, dry_run
from lrdecay_cli.openmmlab.schedulers.building import placed
from lrdecay_cli.openmmlab.schedulers.lr_hooks import lr_hooks
from lrdecay_cli.openmmlab.schedulers.running import log_keys, scheduler_record
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig, scheduler_configs

# Iterations per epoch to try if the number is unknown: values differ if a hook counts iterations.
_TRIED = (7, 11)


def follow_training(
    planned: PlannedConfig, length: RunLength, *, batch_size: int, launch: Launch = PLAIN_LAUNCH, verbose: bool = False
) -> Run:
    """Return every scheduled value over a training, including values that hooks set.

    Args:
        planned: the config.
        length: length of the training. If it is counted in epochs, two epoch lengths are tried.
        batch_size: samples per GPU.
        launch: number of GPUs, and whether ``auto_scale_lr`` is switched on.
        verbose: show warnings and log lines of torch and OpenMMLab on stderr.

    Raises:
        LrdecayError: the training does not start, or the lrs depend on an unknown number of iterations per epoch.
    """
    if length.unit == "iteration":
        return run_of(
            *rehearse(planned, length, batch_size=batch_size, launch=launch, verbose=verbose), planned, length
        )
    runs = []
    for tried in _TRIED:
        known = msgspec.structs.replace(
            length, unit="iteration", steps=length.steps * tried, iterations_per_epoch=tried
        )
        training, recorder = rehearse(planned, known, batch_size=batch_size, launch=launch, verbose=verbose)
        runs.append(_by_epoch(run_of(training, recorder, planned, known), tried, length))
    first, second = runs
    if first is None or second is None or first.series.rows != second.series.rows:
        hooks = ", ".join(lr_hooks(planned.config))
        raise LrdecayError(
            f"{hooks}: the lr depends on the number of iterations per epoch, which is unknown",
            where=planned.plan.where,
            fix="give --iters-per-epoch N, or --dataset-size N (number of training samples)",
        )
    return first


def rehearse(planned: PlannedConfig, length: RunLength, **options: Any) -> tuple[DryTraining, Recorder]:
    """Return a dry run without optimizer steps, and the recorder of its values.

    Options and errors are those of :func:`~lrdecay_cli.openmmlab.dry_run.running.dry_run`.
    """
    recorder = Recorder()
    return dry_run(planned, length, steps=0, recorder=recorder, **options), recorder


def run_of(training: DryTraining, recorder: Recorder, planned: PlannedConfig, length: RunLength) -> Run:
    """Convert a dry run and its recorded values to a :class:`Run`."""
    runner, found = training.runner, training.record
    series = recorder.series([group.name for group in found.groups], length.steps)
    several = runner.param_schedulers
    built = several if isinstance(several, Mapping) else {"": several or []}
    schedulers = placed(built, scheduler_configs(planned.config, planned.plan.where))
    wrapper = runner.optim_wrapper
    wrappers = dict(wrapper.items()) if hasattr(wrapper, "items") else {"": wrapper}
    epochs, iterations = runner.train_loop._epoch, runner.train_loop._iter
    records = []
    for each in schedulers:
        record = scheduler_record(each, length, planned.config)
        stepped = getattr(each.scheduler, "_global_step", None)
        expected = epochs if record.by_epoch else iterations
        if stepped == 0:
            record = msgspec.structs.replace(record, first_step=None, last_step=None, warm_up=False)
        records.append(msgspec.structs.replace(record, stepped=stepped, expected=expected))
    return Run(
        schedulers=tuple(records),
        series=series,
        stack=stack_versions(type(each.scheduler) for each in schedulers),
        log_keys=tuple(log_keys(wrappers, series.tracks)),
        rehearsal=Rehearsal(found.hooks, tuple(_setters(found)), found.states, found.left_out, found.in_validation, ()),
    )


def _setters(found: DryRun) -> Iterator[Setter]:
    first: dict[str, Cause] = {}
    groups: dict[str, list[str]] = {}
    for group in found.groups:
        for cause in group.causes:
            if cause.stage == "hook":
                first.setdefault(cause.name, cause)
                groups.setdefault(cause.name, []).append(group.name)
    for name, cause in first.items():
        yield Setter(cause, tuple(groups[name]))


def _by_epoch(run: Run, tried: int, length: RunLength) -> Run | None:
    """Convert a run in iterations to a run in epochs; None if a value changes within an epoch.

    ``tried`` is the number of iterations per epoch.
    """
    series, found = run.series, Series(run.series.tracks, length.steps)
    if any(step % tried for step in series.steps):
        return None
    for index, step in enumerate(series.steps):
        found.steps.append(step // tried)
        found.rows.extend(series.row(index))

    def seen(cause: Cause) -> Cause:
        return msgspec.structs.replace(cause, iteration=cause.iteration // tried)

    def in_epochs(scheduler: RunScheduler) -> RunScheduler:
        first, last = scheduler.first_step, scheduler.last_step
        return msgspec.structs.replace(
            scheduler,
            first_step=None if first is None else first // tried,
            last_step=None if last is None else last // tried,
        )

    rehearsal = run.rehearsal
    if rehearsal is not None:
        rehearsal = msgspec.structs.replace(
            rehearsal,
            setters=tuple(msgspec.structs.replace(each, cause=seen(each.cause)) for each in rehearsal.setters),
            states=tuple(msgspec.structs.replace(each, cause=seen(each.cause)) for each in rehearsal.states),
            tried=_TRIED,
        )
    return msgspec.structs.replace(
        run, series=found, schedulers=tuple(map(in_epochs, run.schedulers)), rehearsal=rehearsal
    )
