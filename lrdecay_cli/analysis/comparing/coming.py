"""Report future lrs in ``diff`` if at least one of the two compared trainings resumes from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrdecay_cli.domain.report import Column, Level, Note, Table
from lrdecay_cli.domain.resuming import Coming, ComingValue, RestoredScheduler
from lrdecay_cli.text.counting import count, listed

_FIX = (
    "to use the config's schedule, set load_from and resume=False: training starts at iteration 0 with a new optimizer",
)
_VERBS = {"begin": "begins", "end": "ends"}


def coming_tables(coming: Coming | None) -> Iterator[Table]:
    """Yield a table of the future values that differ, for example lrs. Groups with equal differences share one row.

    Yields nothing if no future values differ.
    """
    if coming is None or not coming.values:
        return
    parameters = {value.parameter for value in coming.values}
    columns = (
        Column("groups", "groups", "name", vital=True),
        *([Column("parameter", "of")] if parameters != {"lr"} else []),
        Column("iteration", "from iteration", "integer"),
        Column("before", "before", "rate", vital=True),
        Column("after", "after", "rate", vital=True),
        Column("last_before", "end before", "rate", vital=True),
        Column("last_after", "end after", "rate", vital=True),
        Column("tensors", "tensors", "integer"),
    )
    rows = tuple(
        (
            " ".join(value.where),
            *([value.parameter] if parameters != {"lr"} else []),
            value.iteration,
            value.before,
            value.after,
            value.last_before,
            value.last_after,
            value.tensors,
        )
        for value in coming.values
    )
    what = "lrs" if parameters == {"lr"} else "values"
    yield Table(f"future {what}, from {when(coming.first, coming)} on", columns, rows)


def coming_rows(coming: Coming | None) -> Iterator[tuple[Any, ...]]:
    """Yield two CSV rows for each value that differs: for the first iteration that differs, and for the last one."""
    for value in coming.values if coming else ():
        of = (" ".join(value.where), f"future {value.parameter} at iteration {value.iteration}")
        yield (*of, value.before, value.after, value.tensors)
        of = (" ".join(value.where), f"future {value.parameter} at iteration {coming.last if coming else 0}")
        yield (*of, value.last_before, value.last_after, value.tensors)


def coming_summary(coming: Coming | None) -> str:
    """Return the part of the summary about future lrs, for example ``; future lrs are the same``.

    Return an empty text if no future lrs were compared.
    """
    if coming is None or coming.unjudged or coming.finished:
        return ""
    if not coming.values:
        return "; future lrs are the same"
    return f"; future {listed(dict.fromkeys(f'{value.parameter}s' for value in coming.values))} differ"


def coming_notes(coming: Coming | None) -> Iterator[Note]:
    """Yield notes on the scheduler settings that mmengine restores from a checkpoint, and on their effects."""
    if coming is None:
        return
    if coming.unjudged:
        fix = (coming.fix,) if coming.fix else ()
        yield Note(f"future lrs are not compared: {coming.unjudged}", "warning", fix)
        return
    if coming.finished:
        yield Note(
            f"the checkpoint was saved at iteration {coming.first:,}, when the training had ended, so there are no"
            " future lrs"
        )
        return
    level: Level = "warning" if coming.values else "info"
    for scheduler in coming.restored:
        yield Note(_restored(scheduler, coming), level)
    for saved in dict.fromkeys(coming.saved):
        # A side that starts anew has none, like a checkpoint without schedulers; the values show if that matters.
        if saved is not None and saved != coming.schedulers:
            yield Note(
                f"the checkpoint has {count(saved, 'scheduler')} and the config has {coming.schedulers}: mmengine"
                " restores schedulers by position and starts the remaining schedulers anew",
                level,
            )
    if coming.saved == (None, None) and coming.schedulers:
        yield Note(
            f"the checkpoint has no schedulers: the config's schedulers start anew at {when(coming.first, coming)}",
            level,
        )
    lrs = [value for value in coming.values if value.parameter == "lr"]
    for side, other in ((0, 1), (1, 0)):
        if lrs and (note := _constant_lr_note(lrs, side, other, coming)):
            yield note
    if coming.values and None in coming.saved:
        yield Note("a resume ignores the config's current lrs and schedule", "warning", _FIX)


def when(iteration: int, coming: Coming) -> str:
    """Return an iteration as text, for example ``iteration 7,330 (epoch 1)``.

    The text contains the epoch only if an epoch begins at this iteration.
    """
    per_epoch = coming.iterations_per_epoch
    epoch = f" (epoch {iteration // per_epoch:,})" if per_epoch and iteration % per_epoch == 0 else ""
    return f"iteration {iteration:,}{epoch}"


def _restored(scheduler: RestoredScheduler, coming: Coming) -> str:
    of = f" of {scheduler.optimizer}" if scheduler.optimizer else ""
    name = f"{scheduler.type}{of} at {scheduler.path}"
    if scheduler.foreign:
        return (
            f"{name} loads the saved state of another scheduler class, with {listed(scheduler.foreign)}: mmengine"
            " restores schedulers by position"
        )
    # For a config and a checkpoint: the restored setting, and the config's.
    config_first = coming.saved[0] is None
    differences = []
    for setting in sorted(scheduler.settings, key=lambda setting: setting.name not in _VERBS):
        old, new = setting.before, setting.after
        if not config_first and coming.saved[1] is None:
            old, new = new, old
        verb = _VERBS.get(setting.name)
        if verb:
            old, new = (_in_epochs(value, scheduler, coming) for value in (old, new))
        whose = "the config's" if None in coming.saved else "the other's"
        differences.append(f"{verb} at {new}, {whose} at {old}" if verb else f"{setting.name} is {new}, {whose} {old}")
    return f"the checkpoint's schedule is restored too: {name} {'; '.join(differences)}"


def _in_epochs(value: Any, scheduler: RestoredScheduler, coming: Coming) -> Any:
    per_epoch = coming.iterations_per_epoch
    if not isinstance(value, int):
        return value
    if scheduler.by_epoch or not per_epoch or value % per_epoch:
        return f"{'epoch' if scheduler.by_epoch else 'iteration'} {value:,}"
    return f"epoch {value // per_epoch:,}"


def _constant_lr_note(lrs: Sequence[ComingValue], side: int, other: int, coming: Coming) -> Note | None:
    """Return a note if the lrs of one map stop changing at an iteration at which the lrs of the other map still change.

    Otherwise return None.
    """
    rests = [(value.rests_before, value.rests_after) for value in lrs]
    ends = [(value.last_before, value.last_after)[side] for value in lrs]
    still = max(rest[side] for rest in rests)
    if still >= max(rest[other] for rest in rests) or still >= coming.last:
        return None
    low, high = f"{min(ends):.4g}", f"{max(ends):.4g}"
    span = low if low == high else f"{low} to {high}"
    held = sum(len(value.groups) for value in lrs)
    of = "every lr" if held == coming.groups else f"the lr of {count(held, 'group')}"
    return Note(f"{('before', 'after')[side]}: {of} stays {span} from {when(still, coming)} on", "warning")
