"""Build the notes in the report of ``schedule``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.analysis.findings import finding_notes
from lrdecay_cli.analysis.scheduling.curves import TOLERANCE
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.schedule import Curve, Meeting, Rehearsal, RunLength, RunScheduler, Schedule, TrainingPlan
from lrdecay_cli.text.counting import count, listed

_MEETINGS, _NAMED = 5, 4


def notes(schedule: Schedule, plan: TrainingPlan, findings: Sequence[Finding] = ()) -> Iterator[Note]:
    """Yield all notes of the report, findings first."""
    yield from finding_notes(findings)
    yield from _setting(schedule)
    yield from _log(schedule)
    for scheduler in schedule.schedulers:
        yield from _unknown_changes(scheduler, schedule.length)
    yield from _meetings(schedule)
    yield from _batch(plan, schedule)
    if not schedule.complete:
        kept, unit = f"{len(schedule.samples):,} of {schedule.length.steps:,}", schedule.length.unit
        yield Note(
            f"chart, CSV and JSON contain only {kept} {unit}s (--every N sets which); start, peak and end of each lr"
            f" are computed from all {unit}s"
        )


def fastest(schedule: Schedule, optimizer: str | None = None) -> int:
    """Return the index of the lr curve of the model's head, or else of the curve with the highest peak lr.

    A curve is the lr of one or more groups over the training. If ``optimizer`` is given, curves of other optimizers
    are ignored.
    """
    of = [index for index, curve in enumerate(schedule.curves) if optimizer in (None, curve.optimizer)]
    head = [index for index in of if schedule.curves[index].head]
    return head[0] if head else max(of, key=lambda index: schedule.curves[index].moments["lr"].peak)


def name_of(curve: Curve) -> str:
    """Return the name of an lr curve for use in a sentence, for example ``the head (layer_7)``."""
    return f"the head ({curve.label})" if curve.head else curve.label


def _setting(schedule: Schedule) -> Iterator[Note]:
    """Yield notes on the sources of the lrs: hooks, schedulers, or the constructor alone."""
    rehearsal, unit = schedule.rehearsal, schedule.length.unit
    setters = rehearsal.setters if rehearsal else ()
    groups = sum(len(curve.groups) for curve in schedule.curves)
    for setter in setters:
        of = "every group" if len(setter.groups) == groups else f"{len(setter.groups)} of {count(groups, 'group')}"
        yield Note(f"{setter.cause.name} sets the lr of {of}, first at {unit} {setter.cause.iteration:,}")
    if not schedule.schedulers and not setters:
        yield Note("no param_scheduler: every lr stays constant")
    never = [scheduler.type for scheduler in schedule.schedulers if scheduler.stepped == 0 and scheduler.expected]
    if never:
        stay = "" if setters else f": every lr keeps its value of {unit} 0"
        fix = "set default_hooks.param_scheduler=dict(type='ParamSchedulerHook')"
        yield Note(f"no hook calls step() of {listed(dict.fromkeys(never))}{stay}", "warning", (fix,))
    for scheduler in schedule.schedulers:
        if scheduler.stepped and scheduler.expected and scheduler.stepped > scheduler.expected:
            times, step = f"{scheduler.stepped:,} times", "epoch" if scheduler.by_epoch else "iteration"
            yield Note(
                f"hooks step {scheduler.type} at {scheduler.path} {times} in {count(scheduler.expected, step)}, so"
                " this scheduler runs ahead of the training",
                "warning",
                ("remove the second ParamSchedulerHook",),
            )
    if rehearsal:
        yield from _dry_run_notes(rehearsal, unit)


def _dry_run_notes(rehearsal: Rehearsal, unit: str) -> Iterator[Note]:
    """Yield notes on a dry run: tensors that hooks freeze or unfreeze, and hooks that could not run or were not run."""
    for change in rehearsal.states:
        action = "unfreezes" if change.trainable else "freezes"
        tensors, when = count(len(change.parameters), "tensor"), f"{unit} {change.cause.iteration:,}"
        yield Note(f"{change.cause.name} {action} {tensors} at {when}; lrdecay dry-run lists these tensors")
    failed = tuple(f"{left.name}: {left.reason}" for left in rehearsal.left_out if left.failed)
    if failed:
        yield Note("these hooks could not run here, so lrs that they set are not shown", "warning", failed)
    if rehearsal.in_validation:
        acting = tuple(f"{each.name}: {each.reason}" for each in rehearsal.in_validation)
        yield Note(
            "validation is not run, so changes that these hooks make in validation are not shown", "warning", acting
        )
    if rehearsal.tried:
        yield Note(
            f"dry runs with {listed(map(str, rehearsal.tried))} iterations per epoch gave the same result;"
            " if a hook acts only at a later iteration, give --iters-per-epoch N"
        )


def _log(schedule: Schedule) -> Iterator[Note]:
    for entry in schedule.log:
        if entry.curve is None:
            continue
        shown, head = (
            schedule.curves[entry.curve],
            schedule.curves[fastest(schedule, schedule.curves[entry.curve].optimizer)],
        )
        theirs = head.moments["lr"]
        if head is not shown and theirs != entry.moments:
            yield Note(
                f"mmengine logs only the lr of the first group: {entry.key} is the lr of {entry.group} ({shown.label}),"
                f" at most {entry.moments.peak:.4g}; {name_of(head)} trains at up to {theirs.peak:.4g}"
            )


def _unknown_changes(scheduler: RunScheduler, length: RunLength) -> Iterator[Note]:
    """Yield a note if a scheduler depends on a validation metric. The schedule omits changes by such a scheduler."""
    if scheduler.monitor is not None:
        yield Note(
            f"the schedule does not show {scheduler.type} at {scheduler.path}: this scheduler multiplies each"
            f" {scheduler.parameter} by {scheduler.options.get('factor', 0.1)} when the validation metric"
            f" {scheduler.monitor!r} stops improving, {_first_drop(scheduler, length)}",
            "warning",
        )


def _first_drop(scheduler: RunScheduler, length: RunLength) -> str:
    if scheduler.first_drop is None:
        unit = "epoch" if scheduler.by_epoch else "iteration"
        return f"from {unit} {scheduler.begin} on"
    unit, last = ("epoch", length.epochs) if length.epochs is not None else ("iteration", length.steps)
    late = f" (the training ends at {unit} {last:,})" if scheduler.first_drop >= last else ""
    return f"at {unit} {scheduler.first_drop:,} or later{late}"


def _meetings(schedule: Schedule) -> Iterator[Note]:
    """Yield a note for each step from which some groups have the same lr, have different lrs, or swap their order.

    For example, ``from epoch 8 on, layer_1 and layer_2 have the same lr, 0.001``. If all groups have the same lr at the
    end, a single note replaces all notes of this form.
    """
    listed_meetings = list(schedule.meetings)
    if _end_as_one(schedule):
        meets = [meeting for meeting in listed_meetings if meeting.kind == "meet"]
        listed_meetings = [meeting for meeting in listed_meetings if meeting.kind != "meet"]
        first, last = meets[0].step, meets[-1].step
        since = f"; some groups have the same lr from {schedule.length.unit} {first:,} on" if first != last else ""
        lr = schedule.curves[0].moments["lr"].end
        yield Note(f"from {schedule.length.unit} {last:,} on, all groups have the same lr, {lr:.4g} at the end{since}")
    for meeting in listed_meetings[:_MEETINGS]:
        yield Note(_meeting(meeting, schedule))
    if len(listed_meetings) > _MEETINGS:
        yield Note(f"{len(listed_meetings) - _MEETINGS} more steps at which lrs of groups meet are in the JSON")


def _end_as_one(schedule: Schedule) -> bool:
    ends = [curve.moments["lr"].end for curve in schedule.curves]
    met = any(meeting.kind == "meet" for meeting in schedule.meetings)
    return met and len(ends) > 1 and max(ends) - min(ends) <= TOLERANCE * max(ends)


def _meeting(meeting: Meeting, schedule: Schedule) -> str:
    labels = [schedule.curves[curve].label for curve in meeting.curves]
    more = len(labels) - _NAMED
    who = listed([*labels[:_NAMED], f"{more} more"] if more > 1 else labels)
    when = f"{schedule.length.unit} {meeting.step:,}"
    if meeting.kind == "meet":
        return f"from {when} on, {who} have the same lr, {meeting.lr:.4g}"
    return f"{who} {'have different lrs' if meeting.kind == 'part' else 'swap their order'} from {when} on"


def _batch(plan: TrainingPlan, schedule: Schedule) -> Iterator[Note]:
    """Yield a note if the total batch size of the training is not the config's ``base_batch_size``.

    There is no note without ``--gpus``. There is also no note if ``auto_scale_lr`` scales the lr to the batch size.
    """
    batch, base = schedule.batch, plan.base_batch_size
    if not batch or not batch.gpus_given or batch.size is None or batch.lr_factor is not None or base is None:
        return
    if batch.gpus * batch.size != base:
        yield Note(
            f"the config's lr is for a batch of {base}; with --gpus {batch.gpus} the batch is"
            f" {batch.gpus * batch.size}, but auto_scale_lr is off: --auto-scale-lr scales the lr"
        )
