"""Summarize the values that schedulers set over a run, and choose the steps for charts and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from lrdecay_cli import __version__
from lrdecay_cli.analysis.scheduling.curves import curves, meetings, moments
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.schedule import (
    SCHEDULE_SCHEMA_VERSION,
    LogEntry,
    Run,
    RunLength,
    Schedule,
    Series,
    TrainingPlan,
)

FEW = 1000
"""If values change at more steps than this number, only some of the steps are shown."""
_EVENLY, _IN_A_PART = 400, 64
# A gradually changing value jumps if it changes by more than this share in one step.
_JUMP = 0.2
_MOST = 5_000_000


def sampled(series: Series, marks: Iterable[int], every: int | None = None) -> tuple[tuple[int, ...], bool]:
    """Return the steps to show, and True if they include every step that changes a value.

    If a value changes after a constant phase, the step before the change is shown too, so that a chart shows a jump.
    If values change at many steps, the shown steps are evenly spaced over the run and between two successive
    ``marks``. Every mark is shown with the steps before and after it.

    Args:
        series: the values at every step.
        marks: important steps: first and last steps of schedulers, and peaks.
        every: show only every N-th step and the last step.

    Raises:
        LrdecayError: ``every`` gives more steps than fit into memory.
    """
    last = series.length - 1
    if every is not None:
        count = last // every + 1
        if count * len(series.tracks) > _MOST:
            raise LrdecayError(f"{count:,} samples are too many", where="--every", fix="give a larger N")
        return tuple(dict.fromkeys([*range(0, last + 1, every), last])), every == 1
    rests = [index for index in range(1, len(series)) if series.steps[index] - series.steps[index - 1] > 1]
    if len(series) <= FEW:
        chosen = {last, *series.steps, *(series.steps[index] - 1 for index in rests)}
        return tuple(sorted(chosen)), True
    chosen = {0, last}
    if len(rests) <= FEW:
        chosen.update(step for index in rests for step in (series.steps[index] - 1, series.steps[index]))
    bounds = sorted({0, last, *(min(max(mark, 0), last) for mark in marks)})
    chosen.update(step for bound in bounds for step in (bound - 1, bound, bound + 1) if 0 <= step <= last)
    chosen.update(_evenly(0, last, _EVENLY))
    for begin, end in pairwise(bounds):
        chosen.update(_evenly(begin, end, _IN_A_PART))
    chosen.update(_jumps(series))
    return tuple(sorted(chosen)), False


def _evenly(begin: int, end: int, count: int) -> Iterator[int]:
    return (begin + (end - begin) * index // count for index in range(count + 1))


def _jumps(series: Series) -> Iterator[int]:
    """Yield each step at which the lr of the first group jumps, and the step before it.

    Yields nothing if this lr jumps very often.
    """
    values = series.column(next(series.of("lr")))
    up, down = 1 + _JUMP, 1 - _JUMP
    jumps = [
        series.steps[index]
        for index, (before, after) in enumerate(pairwise(values), 1)
        if not down * before <= after <= up * before
    ]
    if len(jumps) <= FEW:
        yield from (step for jump in jumps for step in (jump - 1, jump))


def schedule_of(
    run: Run, plan: TrainingPlan, length: RunLength, group_map: GroupMap, *, every: int | None = None
) -> Schedule:
    """Return the summary of a run's schedule.

    Args:
        run: the values that the schedulers set at every step.
        plan: the settings of the run in the config.
        length: the length of the run.
        group_map: the group map of the config.
        every: show only every N-th step; see :func:`sampled`.

    Raises:
        LrdecayError: ``every`` gives more steps than fit into memory.
    """
    series = run.series
    warm_up_end = warm_up_end_of(run, length)
    marks = [warm_up_end or 0]
    for scheduler in run.schedulers:
        if scheduler.first_step is not None and scheduler.last_step is not None:
            marks += [scheduler.first_step, scheduler.last_step + 1]
    all_moments = [moments(series, track, warm_up_end) for track in range(len(series.tracks))]
    marks += [all_moments[track].peak_step for track in series.of("lr")]
    samples, complete = sampled(series, marks, every)
    found, tracks = curves(series, group_map, samples, all_moments)
    log = []
    for key, track in run.log_keys:
        groups = series.tracks[track].groups
        group = groups[0] if groups else None
        curve = next((index for index, entry in enumerate(found) if group in entry.groups), None)
        log.append(LogEntry(key, group, curve, all_moments[track]))
    return Schedule(
        schema_version=SCHEDULE_SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        stack=run.stack,
        config=group_map.config,
        optimizer=group_map.optimizer.type,
        loop=plan.loop,
        length=length,
        warm_up_end=warm_up_end,
        schedulers=run.schedulers,
        log=tuple(log),
        meetings=meetings(series, [each["lr"] for each in tracks], samples),
        complete=complete,
        samples=samples,
        curves=found,
        batch=group_map.batch,
        rehearsal=run.rehearsal,
    )


def warm_up_end_of(run: Run, length: RunLength) -> int | None:
    """Return the first step after warm-up; None if there is no warm-up or if warm-up lasts to the end."""
    ends = [
        scheduler.last_step + 1 for scheduler in run.schedulers if scheduler.warm_up and scheduler.last_step is not None
    ]
    end = max(ends, default=None)
    return end if end is not None and end < length.steps else None
