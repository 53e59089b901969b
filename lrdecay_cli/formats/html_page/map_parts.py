"""Return the data for a group map's HTML page: for its templates, and for its JavaScript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrdecay_cli.domain.change import Difference
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.provenance import NUMBERS, Provenance
from lrdecay_cli.domain.report import AnyResult, Column, Table
from lrdecay_cli.formats.palette import OVER, ramp, range_of
from lrdecay_cli.formats.values import NOTHING, cell_text, full, is_number, printable

_COLUMNS = (
    Column("group", "group", "name"),
    Column("layer_id", "layer", "integer"),
    Column("lr_scale", "lr scale", "scale"),
    Column("lr", "lr", "rate"),
    Column("weight_decay", "weight decay", "rate"),
    Column("tensors", "tensors", "integer"),
    Column("parameters", "parameters", "integer"),
    Column("share", "share", "share"),
)
_OPTIONS = Column("options", "other options")

# The state of a name as an index into this tuple; a further name of a shared tensor has its first name's state.
STATES = ("grouped", "frozen", "missing", "duplicate")

# For a constructor without layer ids.
_NO_STEP = -1
# Name, shape, size, state, index of the group or -1, first name of a duplicate, indexes of four steps, and the state
# with its cause if that adds something.
_Row = tuple[str, str, int, int, int, str, tuple[int, ...], str]


def map_of(result: AnyResult) -> GroupMap:
    """Return the group map that a page shows.

    For ``inspect``, it is the result itself. For other commands, it is the only map of the result, or the second of two
    compared maps.
    """
    return result.document if isinstance(result.document, GroupMap) else result.maps[-1]


def _common(group_map: GroupMap) -> dict[str, Any]:
    """Return the options that have the same value in all groups."""
    first, *others = [group.options for group in group_map.groups] or [{}]
    absent = object()
    return {key: value for key, value in first.items() if all(other.get(key, absent) == value for other in others)}


def tiles(result: AnyResult) -> dict[str, Any]:
    """Return the key numbers at the top of the page: label, value, and a remark for an unusual value."""
    group_map = map_of(result)
    totals = group_map.model.totals
    held = sum(tensor.state == "frozen_in_group" for tensor in group_map.tensors())
    by_train = sum(tensor.frozen_by_train for tensor in group_map.tensors())
    frozen = [f"{held:,} in groups"] * bool(held) + [f"{by_train:,} by train()"] * bool(by_train)
    scales = [group.lr_scale for group in group_map.groups if is_number(group.lr_scale)]
    faster = any(scale > 1 for scale in scales if scale is not None)
    return {
        "tiles": (
            ("groups", f"{len(group_map.groups):,}", ""),
            ("tensors in groups", f"{totals.grouped_tensors:,} of {totals.tensors:,}", ""),
            ("lr", _range([group.lr for group in group_map.groups], "rate"), ""),
            ("lr scale", _range(scales, "scale"), "above 1" if faster else ""),
            ("weight decay", _range([group.weight_decay for group in group_map.groups], "rate"), ""),
            ("frozen", f"{totals.frozen_tensors + held:,}", ", ".join(frozen)),
            ("missing", f"{totals.missing_tensors:,}", "trainable, in no group" if totals.missing_tensors else ""),
        )
    }


def picture(result: AnyResult) -> dict[str, Any]:
    """Return ``{"order": …}``, the order of the bars in the picture, in words.

    The bars are in the order of the model. If this order is unknown, they are in the order of the optimizer.
    """
    known = bool(map_of(result).modules)
    return {"order": f"in the order {'in which the model registers them' if known else 'of the optimizer'}"}


def groups(result: AnyResult) -> dict[str, Any]:
    """Return the table of all groups, and the options that all groups share."""
    group_map = map_of(result)
    common = _common(group_map)
    total = group_map.model.totals.parameters or 1
    rows = []
    for group in group_map.groups:
        numel = sum(parameter.numel for parameter in group.parameters)
        own = {key: value for key, value in group.options.items() if key not in common}
        numbers = (group.name, group.layer_id, group.lr_scale, group.lr, group.weight_decay)
        rows.append((*numbers, len(group.parameters), numel, numel / total, ", ".join(_options(own)) or None))
    differ = any(row[-1] is not None for row in rows)
    columns = (*_COLUMNS, _OPTIONS) if differ else _COLUMNS
    return {
        "table": Table("", columns, tuple(row[: len(columns)] for row in rows)),
        "common": _options(common),
    }


def parameters(result: AnyResult) -> dict[str, Any]:
    """Return the filters for the list of parameters."""
    group_map = map_of(result)
    totals = group_map.model.totals
    held = sum(tensor.state == "frozen_in_group" for tensor in group_map.tensors())
    over = sum(len(group.parameters) for group in group_map.groups if is_number(group.lr_scale) and group.lr_scale > 1)
    shown = (
        ("over", "lr scale above 1", over),
        ("frozen", "frozen", totals.frozen_tensors + held),
        ("missing", "missing: trainable, in no group", totals.missing_tensors),
        ("duplicate", "further names of shared tensors", len(group_map.duplicates)),
    )
    return {
        "names": totals.tensors + len(group_map.duplicates) + sum(len(each.later) for each in group_map.tensors()),
        "kinds": [kind for kind in shown if kind[2]],
        "group_names": [group.name for group in group_map.groups],
    }


def data(result: AnyResult) -> dict[str, Any]:
    """Return the group map as data for the JavaScript of the page.

    Each property of the parameters is one list, in the model's order of parameters. A formula that occurs several times
    is stored once, and the list ``why`` contains its index.
    """
    group_map = map_of(result)
    common = _common(group_map)
    lowest = range_of(group.lr_scale for group in group_map.groups).lowest
    steps: dict[tuple[Any, ...], int] = {}
    rows = list(_rows(group_map, steps))
    before = None
    if isinstance(result.document, Difference):
        # And the index of each name's group on that side, -1 for none.
        groups = result.maps[0].groups
        held: dict[tuple[str, str], int] = {}
        for number, group in enumerate(groups):
            for parameter in group.parameters:
                held[group.optimizer, parameter.name] = held["", parameter.name] = number
        # With optimizers that take turns, use the group of this row.
        turns = group_map.optimizer.turns
        optimizers = [group_map.groups[row[4]].optimizer if turns and row[4] >= 0 else "" for row in rows]
        before = {
            "groups": [_group(group, lowest, {}) for group in groups],
            "group": [held.get((name, row[0]), -1) for name, row in zip(optimizers, rows, strict=True)],
        }
    return {
        "before": before,
        "states": STATES,
        "groups": [_group(group, lowest, common) for group in group_map.groups],
        "common": _options(common),
        "steps": list(steps),
        "types": [(printable(path), printable(module.type)) for path, module in group_map.modules.items()],
        "names": [printable(row[0]) for row in rows],
        "shapes": [row[1] for row in rows],
        "sizes": [row[2] for row in rows],
        "state": [row[3] for row in rows],
        "group": [row[4] for row in rows],
        "first": [row[5] for row in rows],
        "why": [row[6] for row in rows],
        "status": {index: row[7] for index, row in enumerate(rows) if row[7]},
    }


def _rows(group_map: GroupMap, steps: dict[tuple[Any, ...], int]) -> Iterator[_Row]:
    """Yield a row for each parameter name in the model's order. Tensors that the model does not register come last."""
    numbers = {id(group): number for number, group in enumerate(group_map.groups)}
    for tensor in sorted(group_map.memberships(), key=lambda tensor: tensor.position):
        number = numbers.get(id(tensor.group), -1)
        own = (tensor.name, "×".join(map(str, tensor.shape)) or "scalar", tensor.numel)
        state, status = STATES.index(tensor.label), tensor.status if tensor.by_train else ""
        yield *own, state, number, printable(tensor.of), _numbers(tensor.provenance, steps), status
        for _ in range(tensor.times - 1):
            yield *own, STATES.index("duplicate"), -1, printable(tensor.name), (), ""


def _numbers(provenance: Provenance | None, steps: dict[tuple[Any, ...], int]) -> tuple[int, ...]:
    if provenance is None:
        return ()
    numbers = []
    for step in (getattr(provenance, name) for name in NUMBERS):
        if step is None:
            numbers.append(_NO_STEP)
            continue
        inputs = ", ".join(f"{printable(name)} = {value!r}" for name, value in step.inputs.items())
        texts = (printable(step.rule), printable(step.formula), step.result, full(step.result), inputs)
        numbers.append(steps.setdefault(texts, len(steps)))
    return tuple(numbers)


def _group(group: ParameterGroup, lowest: float, common: Mapping[str, Any]) -> dict[str, Any]:
    color = ramp(group.lr_scale, lowest)
    return {
        "name": printable(group.name),
        "color": color,
        "over": color == OVER,
        "options": _options({key: value for key, value in group.options.items() if key not in common}),
        **{name: getattr(group, name) for name in NUMBERS},
        "texts": {
            "layer_id": full(group.layer_id),
            "lr_scale": cell_text(group.lr_scale, "scale"),
            "lr": cell_text(group.lr, "rate"),
            "weight_decay": cell_text(group.weight_decay, "rate"),
        },
        "full": {key: full(getattr(group, key)) for key in NUMBERS},
    }


def _options(options: Mapping[str, Any]) -> list[str]:
    return [printable(f"{key}={value}") for key, value in options.items()]


def _range(values: list[Any], kind: Any) -> str:
    numbers = [value for value in values if is_number(value)]
    if not numbers:
        return NOTHING
    ends = [cell_text(end, kind) for end in (min(numbers), max(numbers))]
    return ends[0] if ends[0] == ends[1] else " \u2013 ".join(ends)
