"""Summarize the changes between two maps by layer or by module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lrdecay_cli.analysis.comparing.changes import one_side
from lrdecay_cli.analysis.lr_factors import LrPair, backbone_root, in_model_order, mean_lrs, modules_of, ratio
from lrdecay_cli.domain.change import ASPECTS, Change, ChangedPart, Grouping
from lrdecay_cli.domain.errors import not_one_of
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.domain.report import Column, Table

_RANGE = ("lowest_factor", "highest_factor")
GROUPINGS: tuple[Grouping, ...] = ("parameter", "layer", "module")


def check_grouping(by: str) -> Grouping:
    """Return ``by`` if it is the name of a grouping, else raise LrdecayError."""
    for known in GROUPINGS:
        if by == known:
            return known
    raise not_one_of(f"unknown grouping {by!r}", by, GROUPINGS, where="--by")


def changed_parts(
    by: Grouping,
    changes: Sequence[Change],
    before: GroupMap,
    after: GroupMap,
    renamed: Mapping[str, str],
    pairs: Mapping[str, LrPair],
) -> tuple[ChangedPart, ...]:
    """Return the layers or modules that differ, in the model's order.

    If ``by`` is ``parameter``, the result is empty.

    Args:
        by: what to return: ``layer`` or ``module``.
        changes: the changes between the two maps.
        before: the first map.
        after: the second map.
        renamed: dict from old to new names of renamed parameters.
        pairs: the two lrs of each tensor, by its name in the first map.
    """
    if by == "parameter":
        return ()
    olds, news = ({tensor.name: tensor for tensor in side.tensors()} for side in (before, after))
    arrived = {name for name in news if name not in olds} - {*renamed.values()}
    everything: list[tuple[str, Tensor | None, Tensor | None]]
    everything = [(name, olds[name], news.get(renamed.get(name, name))) for name in olds]
    everything += [(name, None, news[name]) for name in arrived]
    if by == "module":
        names = [name for name, _, _ in everything]
        modules = modules_of(names, backbone_root(names))
    place = {name: _layer(old, new) if by == "layer" else modules[name] for name, old, new in everything}
    tensors = {name: new or old for name, old, new in everything}
    found = Counter[str]()
    elements = Counter[str]()
    lrs: dict[str, list[LrPair]] = {}
    order: dict[str, int] = {}
    for tensor in (*in_model_order(olds.values()), *in_model_order(news[name] for name in arrived)):
        part = place[tensor.name]
        order.setdefault(part, len(order))
        found[part] += 1
        elements[part] += (tensors[tensor.name] or tensor).numel
        if tensor.name in pairs:
            lrs.setdefault(part, []).append(pairs[tensor.name])
    differing: dict[str, dict[str, list[Change]]] = {}
    for change in changes:
        differing.setdefault(place[change.parameter], {}).setdefault(change.parameter, []).append(change)
    # Layers in the order of their ids: the model registers the norms of stages after all stages.
    parts = sorted(differing, key=_by_id if by == "layer" else order.__getitem__)
    return tuple(_part(part, found[part], elements[part], differing[part], lrs.get(part, ())) for part in parts)


def parts_table(by: Grouping, parts: Sequence[ChangedPart], *, whole: bool = False) -> Table:
    """Return a table with one row for each changed layer or module.

    If ``whole`` is false, empty columns are omitted. If the lowest and the highest factor are equal in every row, the
    columns of these two factors are omitted too.
    """
    columns: list[tuple[Column, Callable[[ChangedPart], Any]]] = [
        (Column(by, by, "name", vital=True), lambda part: part.name),
        (Column("changed", "changed", "integer", vital=True), lambda part: part.changed),
        (Column("tensors", "of tensors", "integer", vital=True), lambda part: part.tensors),
        (Column("parameters", "parameters", "integer"), lambda part: part.parameters),
        (Column("only_before", "only before", "integer", vital=True), lambda part: part.only_before or None),
        (Column("only_after", "only after", "integer", vital=True), lambda part: part.only_after or None),
        (Column("lr_before", "mean lr before", "rate", vital=True), lambda part: part.lr_before),
        (Column("lr_after", "mean lr after", "rate", vital=True), lambda part: part.lr_after),
        (Column("factor", "factor", "factor", vital=True), lambda part: part.factor),
        (Column("lowest_factor", "lowest", "factor"), lambda part: part.lowest_factor),
        (Column("highest_factor", "highest", "factor"), lambda part: part.highest_factor),
        (Column("aspects", "changes"), lambda part: aspects_text(part.aspects)),
    ]
    uniform = all(part.lowest_factor == part.highest_factor for part in parts)
    used = [
        (column, value)
        for column, value in columns
        if whole or (any(value(part) is not None for part in parts) and not (uniform and column.key in _RANGE))
    ]
    rows = tuple(tuple(value(part) for _, value in used) for part in parts)
    return Table("", tuple(column for column, _ in used), rows)


def aspects_text(aspects: Mapping[str, int]) -> str:
    """Return the number of changes of each aspect as text, such as ``lr 3, weight decay 1``.

    If ``group`` and ``layer id`` have the same number of changes, ``group`` is omitted, because a new layer id gives a
    new group. ``lr scale`` is omitted if it has the same number of changes as ``lr``.
    """
    implied = {
        aspect for aspect, by in (("group", "layer_id"), ("lr_scale", "lr")) if aspects.get(aspect) == aspects.get(by)
    }
    return ", ".join(f"{aspect.replace('_', ' ')} {n}" for aspect, n in aspects.items() if aspect not in implied)


def _part(
    name: str, tensors: int, parameters: int, changed: Mapping[str, Sequence[Change]], pairs: Sequence[LrPair]
) -> ChangedPart:
    sides = Counter(side for several in changed.values() for change in several if (side := one_side(change)))
    counts = Counter(change.aspect for several in changed.values() for change in several)
    lr_before, lr_after = mean_lrs(pairs)
    factors = [pair.factor for pair in pairs if pair.factor is not None]
    return ChangedPart(
        name=name,
        tensors=tensors,
        parameters=parameters,
        changed=len(changed),
        only_before=sides["before"],
        only_after=sides["after"],
        aspects={aspect: counts[aspect] for aspect in ASPECTS if aspect in counts},
        lr_before=lr_before,
        lr_after=lr_after,
        factor=ratio(lr_before, lr_after),
        lowest_factor=min(factors, default=None),
        highest_factor=max(factors, default=None),
    )


def _layer(old: Tensor | None, new: Tensor | None) -> str:
    texts = [_id(tensor) for tensor in (old, new) if tensor is not None]
    return " → ".join(dict.fromkeys(texts))


def _id(tensor: Tensor) -> str:
    if tensor.group is None:
        return tensor.label
    return "no id" if tensor.group.layer_id is None else str(tensor.group.layer_id)


def _by_id(layer: str) -> tuple[bool, list[float]]:
    ids = [float(text) if text.lstrip("-").isdecimal() else float("inf") for text in layer.split(" → ")]
    return ids[0] == float("inf"), ids
