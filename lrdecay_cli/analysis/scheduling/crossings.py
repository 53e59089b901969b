"""Where the learning rates of groups become the same, part, or change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from lrdecay_cli.domain.schedule import Meeting, MeetingKind, Series

TOLERANCE = 1e-6
"""Learning rates that differ by less than this share of the larger one are the same: no training tells them apart."""


def meetings(series: Series, tracks: Sequence[int], samples: Sequence[int]) -> tuple[Meeting, ...]:
    """Every meeting between two samples, at the very step of it.

    Args:
        series: the values at every step.
        tracks: the lr of each curve, in the curves' order.
        samples: steps, ascending; what happens and is undone between two of them is not seen.
    """
    found: dict[tuple[int, MeetingKind], list[tuple[int, int]]] = {}
    previous: tuple[object, int] | None = None
    for step in samples:
        order = _order([series.at(step, track) for track in tracks])
        if previous is not None and previous[0] != order:
            for pair in combinations(range(len(tracks)), 2):
                first, second = (tracks[curve] for curve in pair)
                before, after = (_relation(series, moment, first, second) for moment in (previous[1], step))
                if before != after:
                    when = _when(series, first, second, previous[1], step)
                    kind: MeetingKind = "meet" if after == 0 else "part" if before == 0 else "cross"
                    found.setdefault((when, kind), []).append(pair)
        previous = (order, step)
    return tuple(
        Meeting(kind, step, series.at(step, tracks[curves[0]]), curves)
        for (step, kind), pairs in sorted(found.items())
        for curves in _together(pairs)
    )


def _order(values: Sequence[float]) -> tuple[object, ...]:
    """What changes if any two curves meet, part or cross."""
    order = sorted(range(len(values)), key=lambda curve: (values[curve], curve))
    return tuple(
        (curve, _compare(values[curve], values[before]) == 0)
        for before, curve in zip([order[0], *order], order, strict=False)
    )


def _compare(one: float, other: float) -> int:
    if abs(one - other) <= TOLERANCE * max(abs(one), abs(other)):
        return 0
    return 1 if one > other else -1


def _relation(series: Series, step: int, first: int, second: int) -> int:
    return _compare(series.at(step, first), series.at(step, second))


def _when(series: Series, first: int, second: int, before: int, after: int) -> int:
    """The first step after ``before`` with the relation that there is in ``after``, if it changes once in between."""
    target = _relation(series, after, first, second)
    while after - before > 1:
        middle = (before + after) // 2
        if _relation(series, middle, first, second) == target:
            after = middle
        else:
            before = middle
    return after


def _together(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """The curves of pairs that hang together, ascending."""
    sets: list[set[int]] = []
    for pair in pairs:
        touched = [one for one in sets if one & {*pair}]
        sets = [one for one in sets if one not in touched] + [set(pair).union(*touched)]
    yield from sorted(tuple(sorted(one)) for one in sets)
