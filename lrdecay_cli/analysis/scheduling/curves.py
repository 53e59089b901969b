"""Combine groups with equal scheduled values into named curves, and find the steps at which curves meet, part or cross.

A curve contains the lr and the other scheduled options of one or more groups at every step of the run. A track is the
value of one scheduled option (lr, momentum, …) at every step, for one or more groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import msgspec

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.schedule import Curve, Meeting, MeetingKind, Moments, Series
from lrdecay_cli.text.name_patterns import Universe

# Matches the name that a map gives an unnamed group.
_PATTERNS = 2


class Member(msgspec.Struct, frozen=True):
    """Groups whose lr and other scheduled options are equal at every step. Each member becomes a curve with a name."""

    optimizer: str
    groups: tuple[str, ...]
    tracks: Mapping[str, int]
    """For each scheduled option, the index of the column of :class:`Series` that contains its values."""


def members(series: Series) -> list[Member]:
    """Return a :class:`Member` for each set of groups whose lr and other scheduled options are equal at every step.

    The members are in the order of their first groups.
    """
    holders: dict[tuple[str, tuple[str, ...]], dict[str, int]] = {}
    for index, track in enumerate(series.tracks):
        if track.groups:
            holders.setdefault((track.optimizer, track.groups), {})[track.parameter] = index
    alike: dict[tuple[object, ...], list[tuple[tuple[str, ...], dict[str, int]]]] = {}
    for (optimizer, groups), tracks in holders.items():
        key = (optimizer, *((name, series.column(track).tobytes()) for name, track in tracks.items()))
        alike.setdefault(key, []).append((groups, tracks))
    return [
        Member(str(key[0]), tuple(group for groups, _ in same for group in groups), same[0][1])
        for key, same in alike.items()
    ]


def curves(
    series: Series, group_map: GroupMap, samples: Sequence[int], all_moments: Sequence[Moments]
) -> tuple[tuple[Curve, ...], tuple[Mapping[str, int], ...]]:
    """Return the curves, and for each curve a dict from scheduled options, such as ``lr``, to columns of ``series``.

    Within an optimizer, the curves are sorted by their highest lr, in ascending order.

    Args:
        series: the values at every step. A column contains one scheduled option of one or more groups.
        group_map: the group map of the config.
        samples: the steps to keep in the curves.
        all_moments: the results of :func:`moments` for all columns of ``series``.
    """
    by_name = {group.name: group for group in group_map.groups}
    found = members(series)
    position = {name: index for index, name in enumerate(by_name)}
    optimizers = list(dict.fromkeys(member.optimizer for member in found))

    def order(member: Member) -> tuple[object, ...]:
        layers = _layers([by_name[name] for name in member.groups])
        return (
            optimizers.index(member.optimizer),
            all_moments[member.tracks["lr"]].peak,
            layers,
            position[member.groups[0]],
        )

    found.sort(key=order)
    universe = Universe(group_map.names())
    held = [[by_name[name] for name in member.groups] for member in found]
    names = [[parameter.name for group in groups for parameter in group.parameters] for groups in held]
    where = [tuple(pattern for pattern, _ in universe.fold(own)) for own in names]
    heads = [sum(in_head(name) for name in own) for own in names]
    head = heads.index(max(heads)) if any(heads) else None
    labels = []
    seen: Counter[str] = Counter()
    for each in zip(found, held, where, strict=True):
        label = _label(*each, alone=len(found) == 1)
        held_here = [parameter for group in each[1] for parameter in group.parameters]
        if held_here and not any(parameter.requires_grad for parameter in held_here):
            label += " (frozen)"
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return (
        tuple(
            Curve(
                label=labels[index],
                optimizer=member.optimizer,
                groups=tuple(sorted(member.groups, key=position.__getitem__)),
                layer_ids=_layers(groups),
                configured=tuple(sorted({group.lr for group in groups if group.lr is not None})),
                tensors=len(names[index]),
                parameters=sum(parameter.numel for group in groups for parameter in group.parameters),
                where=where[index],
                head=index == head,
                moments={name: all_moments[track] for name, track in member.tracks.items()},
                values={
                    name: tuple(series.at(step, track) for step in samples) for name, track in member.tracks.items()
                },
            )
            for index, (member, groups) in enumerate(zip(found, held, strict=True))
        ),
        tuple(member.tracks for member in found),
    )


def moments(series: Series, track: int, warm_up_end: int | None) -> Moments:
    """Return the important values of the column ``track`` of ``series``.

    These are the first value, the value after warm-up, the highest, the lowest and the last value.
    """
    values = series.column(track)
    peak = max(values)
    return Moments(
        start=values[0],
        after_warm_up=None if warm_up_end is None else series.at(warm_up_end, track),
        peak=peak,
        peak_step=series.steps[values.index(peak)],
        lowest=min(values),
        end=values[-1],
    )


def in_head(name: str) -> bool:
    """True if the parameter's name contains a module named as a head: ``bbox_head``, ``roi_head``, ``decode_head``."""
    first = name.removeprefix("module.").partition(".")[0]
    return first == "head" or first.endswith(("_head", "_heads"))


def _layers(groups: Sequence[ParameterGroup]) -> tuple[int, ...]:
    return tuple(sorted({group.layer_id for group in groups if group.layer_id is not None}))


def _label(member: Member, groups: Sequence[ParameterGroup], where: Sequence[str], *, alone: bool) -> str:
    optimizer = f"{member.optimizer}: " if member.optimizer else ""
    if alone:
        return "every group" if len(groups) > 1 else groups[0].name if groups[0].named else "the one group"
    layers = _layers(groups)
    if layers and all(group.layer_id is not None for group in groups):
        return f"{optimizer}{_range(layers)}"
    if len(groups) == 1 and groups[0].named:
        return groups[0].name
    shown = ", ".join(where[:_PATTERNS])
    return f"{optimizer}{shown}, {len(where) - _PATTERNS} more" if len(where) > _PATTERNS else f"{optimizer}{shown}"


def _range(layers: Sequence[int]) -> str:
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if layers[-1] - layers[0] == len(layers) - 1:
        return f"layers {layers[0]}–{layers[-1]}"
    return f"layers {', '.join(map(str, layers))}"


TOLERANCE = 1e-6
"""Lrs with at most this relative difference count as equal: such a difference has no effect on training."""


def meetings(series: Series, tracks: Sequence[int], samples: Sequence[int]) -> tuple[Meeting, ...]:
    """Return every step at which the lrs of curves meet, part or cross.

    Args:
        series: the values at every step.
        tracks: for each curve, the column of ``series`` that contains its lrs.
        samples: steps to compare, ascending. A change that is undone before the next sample is not detected.
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
        for curves in _connected_sets(pairs)
    )


def _order(values: Sequence[float]) -> tuple[object, ...]:
    """Return a tuple that describes the order of the curves by lr, and which lrs are equal.

    If two steps have different tuples, curves meet, part or cross between these steps.
    """
    order = sorted(range(len(values)), key=lambda curve: (values[curve], curve))
    return tuple(
        (curve, _compare(values[curve], values[before]) == 0)
        for before, curve in zip([order[0], *order], order, strict=False)
    )


def _compare(left: float, other: float) -> int:
    if abs(left - other) <= TOLERANCE * max(abs(left), abs(other)):
        return 0
    return 1 if left > other else -1


def _relation(series: Series, step: int, first: int, second: int) -> int:
    return _compare(series.at(step, first), series.at(step, second))


def _when(series: Series, first: int, second: int, before: int, after: int) -> int:
    """Return the step at which the order of two tracks (<, = or >) changes.

    The order at ``before`` differs from the order at ``after``. The function assumes that the order changes only once
    between these two steps.
    """
    target = _relation(series, after, first, second)
    while after - before > 1:
        middle = (before + after) // 2
        if _relation(series, middle, first, second) == target:
            after = middle
        else:
            before = middle
    return after


def _connected_sets(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Join pairs of curves that share a curve: ``(0, 1), (1, 2), (4, 5)`` gives ``(0, 1, 2)`` and ``(4, 5)``."""
    sets: list[set[int]] = []
    for pair in pairs:
        touched = [left for left in sets if left & {*pair}]
        sets = [left for left in sets if left not in touched] + [set(pair).union(*touched)]
    yield from sorted(tuple(sorted(left)) for left in sets)
