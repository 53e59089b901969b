"""From what schedulers did to what is said of it."""

from __future__ import annotations

from lrdecay_cli import __version__
from lrdecay_cli.analysis.scheduling.crossings import meetings
from lrdecay_cli.analysis.scheduling.curves import curves, moments
from lrdecay_cli.analysis.scheduling.sampling import sampled
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.schedule import SCHEDULE_SCHEMA_VERSION, LogEntry, Run, RunLength, Schedule, TrainingPlan


def schedule_of(
    run: Run, plan: TrainingPlan, length: RunLength, group_map: GroupMap, *, every: int | None = None
) -> Schedule:
    """Sum up a run.

    Args:
        run: what the schedulers did.
        plan: what the config says.
        length: how long the run is.
        group_map: whose groups they are.
        every: sample each so many-th step, see :func:`schedule_sampling.sampled`.

    Raises:
        LrdecayError: so many samples do not fit into memory.
    """
    series = run.series
    warm_up_end = warm_up_end_of(run, length)
    marks = [warm_up_end or 0]
    for scheduler in run.schedulers:
        if scheduler.first_step is not None and scheduler.last_step is not None:
            marks += [scheduler.first_step, scheduler.last_step + 1]
    told = [moments(series, track, warm_up_end) for track in range(len(series.tracks))]
    marks += [told[track].peak_step for track in series.of("lr")]
    samples, complete = sampled(series, marks, every)
    found, tracks = curves(series, group_map, samples, told)
    log = []
    for key, track in run.log_keys:
        groups = series.tracks[track].groups
        group = groups[0] if groups else None
        curve = next((index for index, one in enumerate(found) if group in one.groups), None)
        log.append(LogEntry(key, group, curve, told[track]))
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
    )


def warm_up_end_of(run: Run, length: RunLength) -> int | None:
    """The first step that no warm-up changes; None where there is none, or where it outlasts the run."""
    ends = [
        scheduler.last_step + 1 for scheduler in run.schedulers if scheduler.warm_up and scheduler.last_step is not None
    ]
    end = max(ends, default=None)
    return end if end is not None and end < length.steps else None
