"""Turn a text baseline into a group map, so that it can be compared with the checked map.

A text baseline contains patterns instead of tensors, so the tensors come from the checked map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.checking.baseline_text import Group, Row, TextBaseline, computed_lr, digest_of
from lrdecay_cli.domain.group_map import (
    Duplicate,
    GroupedParameter,
    GroupMap,
    Parameter,
    ParameterGroup,
    Tensor,
)
from lrdecay_cli.domain.training import Batch
from lrdecay_cli.rules.context.policy import OtherTensors
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.name_patterns import literal, matches


class AppliedBaseline(NamedTuple):
    """A text baseline as a group map, and the lines whose patterns now match other tensors than in the baseline."""

    group_map: GroupMap
    """A map with the tensors of the checked map, but with the groups, numbers and settings of the baseline."""
    others: tuple[OtherTensors, ...]


def apply_baseline(baseline: TextBaseline, now: GroupMap) -> AppliedBaseline:
    """Return a map with the tensors of ``now``, but with the groups, numbers and settings of ``baseline``.

    A tensor belongs to the first line whose pattern matches its name. The result also contains each line whose tensors
    have changed in number, name or shape.
    """
    before = _with_settings(now, baseline.settings)
    groups: dict[Group, ParameterGroup] = {}
    loose: dict[str, list[Any]] = {"frozen": [], "missing": [], "duplicate": []}
    others = []
    for row, tensors in _members(baseline.rows, now):
        if len(tensors) != row.tensors or digest_of(tensors) != row.digest:
            others.append(
                OtherTensors(row.line, _describe(row, len(tensors)), tuple(tensor.name for tensor in tensors))
            )
        if row.group.name is None:
            kind = Duplicate if row.state == "duplicate" else Parameter
            for tensor in tensors:
                more = {"of": tensor.of} if kind is Duplicate else {}
                loose[row.state] += [kind(tensor.name, tensor.shape, tensor.numel, **more)] * row.times
        else:
            group = _group(row, tensors, baseline.options[row.group.options], before)
            # A group with several patterns has several lines.
            held = groups[row.group].parameters if row.group in groups else ()
            groups[row.group] = msgspec.structs.replace(group, parameters=(*held, *group.parameters))
    return AppliedBaseline(
        msgspec.structs.replace(
            before,
            groups=tuple(groups.values()),
            frozen=tuple(loose["frozen"]),
            missing=tuple(loose["missing"]),
            duplicates=tuple(loose["duplicate"]),
        ),
        tuple(others),
    )


def _members(rows: Sequence[Row], now: GroupMap) -> Iterator[tuple[Row, list[Tensor]]]:
    every = {tensor.name: tensor for tensor in now.tensors()}
    by_pattern = {literal(name): name for name in every}
    # A tensor is in one group, or in one group per optimizer if these take turns.
    unclaimed: dict[str, dict[str, Tensor]] = {}
    for row in rows:
        turn = (row.group.name or "").partition(".")[0] if now.optimizer.turns else ""
        left = unclaimed[turn] if turn in unclaimed else unclaimed.setdefault(turn, {**every})
        # With one group per tensor most patterns are plain names: look these up directly.
        if row.pattern in by_pattern:
            names = [by_pattern[row.pattern]] if by_pattern[row.pattern] in left else []
        else:
            names = [name for name in left if matches(row.pattern, name)]
        yield row, [left.pop(name) for name in names]


def _describe(row: Row, found: int) -> str:
    if not found:
        return f"{count(row.tensors, 'tensor')} gone: {row.pattern}"
    if found != row.tensors:
        return f"{row.pattern} matches {count(found, 'tensor')} instead of {row.tensors}"
    return f"{row.pattern} matches {count(found, 'tensor')} with other names or shapes than in the baseline"


def _group(row: Row, tensors: Sequence[Tensor], options: Mapping[str, Any], before: GroupMap) -> ParameterGroup:
    line = row.group
    label = line.name or ""
    named = not (label == "group_*" or label.endswith(".group_*"))
    parameters = tuple(
        GroupedParameter(
            tensor.name,
            tensor.shape,
            tensor.numel,
            requires_grad=row.state != "frozen",
            provenance=None,
            foreign=tensor.foreign,
        )
        for tensor in tensors
        for _ in range(row.times)
    )
    suffix = " precision"
    precisions = {key.removesuffix(suffix): value for key, value in options.items() if key.endswith(suffix)}
    return ParameterGroup(
        name=label,
        layer_id=line.layer_id,
        lr_scale=_exact(line.lr_scale, "lr_scale", tensors),
        lr=_exact(computed_lr(before, line.lr_scale) if line.follows else line.lr, "lr", tensors),
        weight_decay=_exact(line.weight_decay, "weight_decay", tensors),
        options={key: value for key, value in options.items() if not key.endswith(suffix)},
        parameters=parameters,
        optimizer="" if named else label.removesuffix("group_*").removesuffix("."),
        named=named,
        precisions=precisions or msgspec.UNSET,
    )


def _exact(value: float | None, aspect: str, tensors: Sequence[Tensor]) -> float | None:
    """Return a tensor's exact number if it equals the baseline's ``value`` in 12 digits; otherwise ``value``."""
    if value is None:
        return None
    numbers = [getattr(tensor.group, aspect) for tensor in tensors if tensor.group is not None]
    return next(
        (number for number in numbers if number is not None and math.isclose(number, value, rel_tol=1e-11)), value
    )


def _with_settings(now: GroupMap, settings: Mapping[str, Any]) -> GroupMap:
    """Return the map ``now`` with the run settings of a baseline, such as the base lr and the optimizer's options."""
    replace = msgspec.structs.replace

    def options(of: str) -> dict[str, Any]:
        start = f"{of}.options."
        return {name.removeprefix(start): value for name, value in settings.items() if name.startswith(start)}

    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    if "batch.gpus" in settings:
        # The baseline's factor is in every lr computed from an lr scale.
        gpus, factor = settings["batch.gpus"], settings.get("batch.lr_factor")
        batch = Batch(gpus, gpus_given=bool(now.batch and now.batch.gpus_given), size=None, lr_factor=factor)
    return replace(
        now,
        model=replace(now.model, type=settings.get("model.type"), backbone=settings.get("model.backbone")),
        base_lr=settings.get("base_lr"),
        base_weight_decay=settings.get("base_weight_decay"),
        optimizer=replace(
            now.optimizer,
            type=settings.get("optimizer.type"),
            wrapper=settings.get("optimizer.wrapper"),
            options=options("optimizer"),
        ),
        constructor=replace(now.constructor, type=settings.get("constructor.type"), options=options("constructor")),
        batch=batch,
    )
