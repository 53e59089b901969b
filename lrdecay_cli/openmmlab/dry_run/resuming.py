"""Compare the future lrs of two trainings. The dry runs resume from checkpoints as mmengine does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.resuming import Coming, ComingValue, RestoredScheduler, RestoredSetting
from lrdecay_cli.domain.schedule import RunLength, Series
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.openmmlab.checkpoints.saved_groups import load_checkpoint
from lrdecay_cli.openmmlab.config_values import type_name
from lrdecay_cli.openmmlab.dry_run.driving import each_scheduler
from lrdecay_cli.openmmlab.dry_run.following import rehearse
from lrdecay_cli.openmmlab.dry_run.runner import DryRunner, saved_place
from lrdecay_cli.openmmlab.schedulers.building import placed
from lrdecay_cli.openmmlab.schedulers.lr_hooks import lr_hooks
from lrdecay_cli.openmmlab.schedulers.running import run_schedule, settings_of_scheduler
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig, scheduler_configs
from lrdecay_cli.text.name_patterns import Universe

# Smaller relative differences do not matter to a training.
_NOISE = 1e-9


class Saved(NamedTuple):
    """The position in the training at which a checkpoint was saved, and the length of an epoch."""

    path: str
    epoch: int
    iteration: int
    iterations_per_epoch: int | None
    schedulers: int | None
    keys: Mapping[str, Sequence[tuple[str, ...]]]
    """For each optimizer, the attribute names of each saved scheduler. A single optimizer has an empty name."""


def read_saved(path: str) -> Saved:
    """Return the position in the training at which a checkpoint was saved.

    Raises:
        LrdecayError: the checkpoint does not record epoch and iteration.
    """
    loaded, _ = load_checkpoint(path)
    epoch, iteration = saved_place(loaded, path)
    hub = loaded.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, Mapping) else None
    lengths = [info.get(key) for key in ("max_iters", "max_epochs")] if isinstance(info, Mapping) else []
    iters, epochs = (whole if type(whole) is int and whole > 0 else 0 for whole in lengths or (0, 0))
    # mmengine's RuntimeInfoHook writes both numbers. Without them, assume a checkpoint from the end of an epoch.
    per_epoch = iters // epochs if iters and epochs and not iters % epochs else 0
    if not per_epoch and epoch and not iteration % epoch:
        per_epoch = iteration // epoch
    states = loaded.get("param_schedulers")
    several = states if isinstance(states, Mapping) else {"": states}
    keys = {
        str(name): [tuple(map(str, state)) for state in own if isinstance(state, Mapping)]
        for name, own in several.items()
        if isinstance(own, list)
    }
    schedulers = sum(map(len, keys.values())) if states is not None else None
    return Saved(path, epoch, iteration, per_epoch or None, schedulers, keys)


class _Side(NamedTuple):
    series: Series
    ahead: int
    """The saved iteration minus the iteration at which the config's training resumes.

    For example, a checkpoint is saved after 3 epochs of 100 iterations, and the config has epochs of 50 iterations. The
    saved iteration is 300, the training resumes at iteration 150, and the difference is 150.
    """
    end: int
    settings: list[dict[str, Any]]


def coming_values(
    planned: PlannedConfig,
    length: RunLength,
    sides: Sequence[Saved | None],
    group_map: GroupMap,
    *,
    batch_size: int,
    launch: Launch,
    rtol: float = 0.0,
    verbose: bool = False,
) -> Coming:
    """Compare future lrs and other scheduled values of two trainings, from where both trainings have resumed.

    Args:
        planned: the config.
        length: length of the training in iterations.
        sides: the checkpoint from which each training resumes; None for a new training.
        group_map: group map of the config.
        batch_size: samples per GPU.
        launch: number of GPUs and options of the training.
        rtol: relative tolerance of values.
        verbose: show warnings and log lines of torch and OpenMMLab on stderr.

    Raises:
        LrdecayError: a training does not start or cannot resume.
    """
    per_epoch = length.iterations_per_epoch if length.epochs else None
    places = [_place(saved, per_epoch) for saved in sides]
    first = max(places)
    saved_counts = (sides[0].schedulers if sides[0] else None, sides[1].schedulers if sides[1] else None)
    if first >= length.steps:
        count = len(scheduler_configs(planned.config, planned.plan.where))
        groups = len(group_map.groups)
        return Coming(length.steps, length.steps - 1, per_epoch, count, groups, saved_counts, (), (), finished=True)
    options = {"batch_size": batch_size, "launch": launch, "verbose": verbose}
    runners: list[DryRunner | None] = []
    found: list[_Side] = []
    for saved, place in zip(sides, places, strict=True):
        if saved is None and not lr_hooks(planned.config):
            runners.append(None)
            found.append(_Side(run_schedule(planned, group_map, length, verbose=verbose).series, 0, length.steps, []))
            continue
        training, recorder = rehearse(planned, length, resume=saved.path if saved else None, **options)
        runners.append(training.runner)
        series = recorder.series([group.name for group in training.record.groups], length.steps)
        if not all(map(math.isfinite, series.rows)):
            raise LrdecayError("after resuming, an lr is not a finite number", where=(saved.path if saved else ""))
        ahead = saved.iteration - place if saved else 0
        end = int(training.runner.train_loop._iter)
        found.append(_Side(series, ahead, end, _settings(training.runner.param_schedulers)))
    runner = next(runner for runner in runners if runner is not None)
    built = runner.built_schedulers
    before, after = (side.settings if saved else built for side, saved in zip(found, sides, strict=True))
    count = min(side.end - side.ahead for side in found) - first
    return Coming(
        first=first,
        last=first + count - 1,
        iterations_per_epoch=per_epoch,
        schedulers=len(built),
        groups=len(group_map.groups),
        saved=saved_counts,
        restored=tuple(_restored(planned, runner, before, after, sides)),
        values=tuple(_values(found[0], found[1], first, count, group_map, rtol)),
    )


def _place(saved: Saved | None, per_epoch: int | None) -> int:
    """Return the iteration at which a training resumes. ``per_epoch`` is the epoch length in the config.

    A checkpoint contains an epoch and an iteration. If the training that saved the checkpoint had another epoch length,
    the saved iteration may not lie in the saved epoch. In this case, the result is the first iteration of the saved
    epoch. Otherwise the result is the saved iteration.
    """
    if saved is None:
        return 0
    fits = per_epoch is None or saved.epoch * per_epoch <= saved.iteration < (saved.epoch + 1) * per_epoch
    return saved.iteration if fits else saved.epoch * (per_epoch or 0)


def _settings(schedulers: Any) -> list[dict[str, Any]]:
    return [settings_of_scheduler(scheduler) for scheduler in each_scheduler(schedulers)]


def _restored(
    planned: PlannedConfig,
    runner: DryRunner,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    sides: Sequence[Saved | None],
) -> Iterator[RestoredScheduler]:
    several = runner.param_schedulers
    built = several if isinstance(several, Mapping) else {"": several or []}
    keys = next(saved.keys for saved in reversed(sides) if saved)
    left = {name: iter(own) for name, own in keys.items()}
    for index, each in enumerate(placed(built, scheduler_configs(planned.config, planned.plan.where))):
        old, new = before[index], after[index]
        changed = tuple(
            RestoredSetting(name, old.get(name), new.get(name))
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
        )
        kept = next(left.get(each.optimizer, iter(())), ())
        foreign = tuple(name for name in kept if name not in runner.scheduler_attributes[index])
        if changed or foreign:
            kind, by_epoch = type_name(each.settings["type"]), bool(each.scheduler.by_epoch)
            yield RestoredScheduler(each.path, each.optimizer, kind, by_epoch, changed, foreign)


def _values(
    before: _Side, after: _Side, first: int, count: int, group_map: GroupMap, rtol: float
) -> Iterator[ComingValue]:
    sides = (before, after)
    steps = [numpy.asarray(side.series.steps) - side.ahead for side in sides]
    at = numpy.unique(numpy.concatenate([*steps, [first]]))
    at = at[(at >= first) & (at < first + count)]
    tables = [numpy.asarray(side.series.rows).reshape(len(side.series), -1) for side in sides]
    rows = [numpy.searchsorted(own, at, "right") - 1 for own in steps]
    of = [_tracks(side.series) for side in sides]
    alike: dict[tuple[str, int, int], list[str]] = {}
    for (parameter, group), track in of[0].items():
        if (parameter, group) in of[1]:
            alike.setdefault((parameter, track, of[1][parameter, group]), []).append(group)
    universe = Universe(group_map.names())
    by_name = {group.name: group for group in group_map.groups}
    for (parameter, *tracks), groups in alike.items():
        old, new = (table[own, track] for table, own, track in zip(tables, rows, tracks, strict=True))
        differs = abs(old - new) > max(rtol, _NOISE) * numpy.maximum(abs(old), abs(new))
        if not differs.any():
            continue
        where = int(differs.argmax())
        members = [by_name[group].parameters for group in groups if group in by_name]
        names = [member.name for own in members for member in own]
        yield ComingValue(
            parameter=parameter,
            groups=tuple(groups),
            where=tuple(pattern for pattern, _ in universe.fold(names)),
            tensors=len(names),
            iteration=int(at[where]),
            before=float(old[where]),
            after=float(new[where]),
            last_before=float(old[-1]),
            last_after=float(new[-1]),
            rests_before=_constant_from(at, old),
            rests_after=_constant_from(at, new),
        )


def _tracks(series: Series) -> dict[tuple[str, str], int]:
    return {(track.parameter, group): index for index, track in enumerate(series.tracks) for group in track.groups}


def _constant_from(at: Any, values: Any) -> int:
    """Return the first iteration from which a value stays constant. ``at`` contains the iterations of ``values``."""
    moving = numpy.flatnonzero(values != values[-1])
    return int(at[moving[-1] + 1] if len(moving) else at[0])
