"""Compare logged lrs with the lrs that a config's schedulers or a dry run give."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lrdecay_cli.analysis.logged_curves import PREFIX, log_keys
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Run, RunLength
from lrdecay_cli.domain.training_run import TOLERANCE, LoggedCurve
from lrdecay_cli.files.work_dir import LogLine

# Limit of values of a curve in a document.
_MOST = 1000


class PlannedLrs(NamedTuple):
    """The lrs that a training with the planned schedule would log."""

    groups: Mapping[str, str | None]
    """For each key of an lr in the log, the group whose lr is logged under this key; None for ``base_lr``."""
    at: Callable[[str, int], float | None]
    """Function that returns the planned lr for a log key and an iteration, or None if no lr is planned."""
    length: int
    """Number of iterations of the run."""


def schedule_lrs(run: Run, length: RunLength, group_map: GroupMap, *, beyond: bool = False) -> PlannedLrs:
    """Return the lrs that the schedulers of a config set.

    With ``beyond``, the last lr also applies to iterations after the end of the run.
    """
    series = run.series
    of_group = {name: track for track in series.of("lr") for name in series.tracks[track].groups}
    tracks = dict(run.log_keys)
    groups = {key: next(iter(series.tracks[track].groups), None) for key, track in tracks.items()}
    for key, index in log_keys(group_map.groups).items():
        name = group_map.groups[index].name
        if name in of_group:
            tracks[key], groups[key] = of_group[name], name

    def at(key: str, iteration: int) -> float | None:
        if key not in tracks or (iteration >= length.steps and not beyond):
            return None
        return series.at(min(iteration, length.steps - 1), tracks[key])

    return PlannedLrs(groups, at, length.steps)


Trace = Sequence[tuple[int, Sequence[float | None]]]
"""Pairs of an iteration and the lrs of all groups, in ascending order. The lrs apply until the next pair."""


def dry_run_lrs(logged: Trace, used: Trace, planned: PlannedLrs, group_map: GroupMap, length: int) -> PlannedLrs:
    """Return the lrs of a dry run by log key. ``base_lr`` is omitted, because it belongs to no group.

    Args:
        logged: the lrs that mmengine's RuntimeInfoHook reads, before other hooks of the iteration run.
        used: the lrs that the optimizer and ParamGroupAuditHook read, after these hooks ran.
        planned: gives the group of each log key.
        group_map: the map of the dry run.
        length: number of iterations of the run.
    """
    index = {group.name: position for position, group in enumerate(group_map.groups)}
    groups = {key: group for key, group in planned.groups.items() if group in index}
    steps = {id(trace): [iteration for iteration, _ in trace] for trace in (logged, used)}

    def at(key: str, iteration: int) -> float | None:
        trace = used if key.startswith(PREFIX) else logged
        before = bisect_right(steps[id(trace)], iteration) - 1
        if before < 0 or iteration >= length:
            return None
        return trace[before][1][index[groups[key] or ""]]

    return PlannedLrs(groups, at, length)


def agrees(lines: Sequence[LogLine], planned: PlannedLrs) -> bool:
    """True if every logged lr equals the planned lr. Logged lrs without a planned lr are ignored."""
    return all(_same(lr, planned.at(key, line.iteration)) for line in lines for key, lr in _known(line, planned))


def logged_curves(lines: Sequence[LogLine], planned: PlannedLrs) -> tuple[LoggedCurve, ...]:
    """Return the logged and the planned values of every lr that is both logged and planned."""
    found: dict[str, list[tuple[int, float | None, float | None]]] = {}
    for line in lines:
        for key, lr in _known(line, planned):
            found.setdefault(key, []).append((line.iteration, lr, planned.at(key, line.iteration)))
    return tuple(_curve(key, values, planned.groups[key]) for key, values in found.items())


def constant_ratio(curves: Sequence[LoggedCurve]) -> float | None:
    """Return the ratio of logged to planned lr if it is the same for all groups and iterations, else None."""
    of_groups = [curve for curve in curves if curve.group is not None]
    ratios = [curve.ratio for curve in of_groups]
    if not ratios or ratios[0] is None or not all(curve.constant_ratio for curve in of_groups):
        return None
    return ratios[0] if all(_same(ratios[0], ratio) for ratio in ratios) else None


def differing_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of the values that differ between two configs. Types with the same name count as equal."""
    left, other = dict(_leaves(before)), dict(_leaves(after))
    return tuple(
        path for path in dict.fromkeys([*left, *other]) if left.get(path, _Nothing) != other.get(path, _Nothing)
    )


class _Nothing:
    """Placeholder for a value that a config does not have."""


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        named = isinstance(value, str) and path.endswith((".type", ".constructor"))
        yield path, value.rpartition(".")[2] if named else value


def _known(line: LogLine, planned: PlannedLrs) -> Iterator[tuple[str, float | None]]:
    return ((key, lr) for key, lr in line.lrs.items() if key in planned.groups)


def _same(logged: float | None, planned: float | None) -> bool:
    if logged is None or planned is None:
        return False
    return abs(logged - planned) <= TOLERANCE * max(abs(logged), abs(planned))


def _curve(key: str, values: Sequence[tuple[int, float | None, float | None]], group: str | None) -> LoggedCurve:
    parting = next((index for index, (_, lr, plan) in enumerate(values) if not _same(lr, plan)), None)
    ratios = [lr / plan if lr is not None and plan else None for _, lr, plan in values]
    defined = [ratio for ratio, (_, lr, plan) in zip(ratios, values, strict=True) if (lr, plan) != (0, 0)]
    at = values[parting or 0]
    marks = {0, len(values) - 1, *((parting - 1, parting) if parting else ())}
    count = len(values)
    kept = range(count) if count <= _MOST else sorted({*marks, *(count * i // _MOST for i in range(_MOST))})
    return LoggedCurve(
        key=key,
        group=group,
        entries=count,
        iterations=tuple(values[index][0] for index in kept),
        logged=tuple(values[index][1] for index in kept),
        planned=tuple(values[index][2] for index in kept),
        parts_at=None if parting is None else at[0],
        logged_there=None if parting is None else at[1],
        planned_there=None if parting is None else at[2],
        ratio=None if parting is None else ratios[parting],
        constant_ratio=all(_same(ratio, defined[0]) for ratio in defined),
    )
