"""Tables of changes, for people and for machines."""

from __future__ import annotations

from typing import Any

import pytest

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.comparing.tables import shown_change
from lrdecay_cli.domain.group_map import GroupMap
from tests.group_maps import group_map


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0.0001, 5e-05, "0.0001 → 5e-05"),
        (0.1, 0.1 + 1e-9, "0.1 → 0.100000001"),
        (1, 1.00000001, "1 → 1.00000001"),
        (None, 0.05, "– → 0.05"),
        (True, False, "yes → no"),
        ((96, 3, 4, 4), (), "96×3×4×4 → scalar"),
        ({"betas": (0.9, 0.999)}, {}, "betas=(0.9, 0.999) → –"),
        ("layer_0_decay", "layer_1_decay", "layer_0_decay → layer_1_decay"),
    ],
)
def test_both_sides_are_distinguished(before: Any, after: Any, expected: str) -> None:
    assert shown_change(before, after) == expected


def map_with(group: str = "decay", name: str = "w", **spec: Any) -> GroupMap:
    return group_map({group: {"parameters": {name: (4, 4)}, **spec}})


NO_GRAD = map_with(no_grad=("w",))
OUTSIDE = group_map(frozen={"w": (4, 4)})
# Two maps, the columns between the name and the number of tensors, and the values of these columns.
COLUMNS: dict[str, tuple[GroupMap, GroupMap, dict[str, Any]]] = {
    "a group named for its layer id": (
        *(map_with("layer_3_decay", layer_id=3), map_with("layer_4_decay", layer_id=4)),
        {"layer_id": "3 → 4"},
    ),
    "and for its weight decay": (
        map_with("layer_3_decay", layer_id=3),
        map_with("layer_4_no_decay", layer_id=4, weight_decay=0.0),
        {"layer_id": "3 → 4", "weight_decay": "0.05 → 0"},
    ),
    "a name that tells more": (
        *(map_with("layer_3_decay", layer_id=3), map_with("layer_4_no_decay", layer_id=4)),
        {"group": "layer_3_decay → layer_4_no_decay", "layer_id": "3 → 4"},
    ),
    "a name alone": (
        *(map_with("layer_3_decay", layer_id=3), map_with("layer_4_decay", layer_id=3)),
        {"group": "layer_3_decay → layer_4_decay"},
    ),
    "a name of another kind": (
        *(map_with("layer_3_decay", layer_id=3), map_with("slow", layer_id=4)),
        {"group": "layer_3_decay → slow", "layer_id": "3 → 4"},
    ),
    "numbers in full where they look alike": (
        *(map_with(lr=0.1), map_with(lr=0.1 + 1e-9)),
        {"lr": "0.1 → 0.100000001", "factor": pytest.approx(1 + 1e-8)},
    ),
    "an lr scale that no base lr tells": (
        map_with(lr_scale=0.5),
        map_with(lr_scale=None),
        {"lr_scale": "0.5 → not recorded"},
    ),
    "a layer id that one side lacks": (map_with(layer_id=3), map_with(layer_id=None), {"layer_id": "3 → –"}),
    "frozen in its group": (map_with(), NO_GRAD, {"frozen": "no → yes"}),
    "frozen out of its group": (map_with(), OUTSIDE, {"state": "grouped → frozen"}),
    "trained, but in no group": (
        *(OUTSIDE, group_map(missing={"w": (4, 4)})),
        {"state": "frozen → missing"},
    ),
    "added": (group_map(), map_with(), {"state": "added, grouped"}),
    "removed": (OUTSIDE, group_map(), {"state": "removed, was frozen"}),
    "renamed": (map_with(name="old.w"), map_with(name="new.w"), {"state": "renamed to new.w"}),
    "nothing": (map_with(), map_with(), {}),
}


@pytest.mark.parametrize(("before", "after", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_columns_without_implied_changes(before: GroupMap, after: GroupMap, expected: dict[str, Any]) -> None:
    (table,) = comparison(before, after).report.tables
    keys = [column.key for column in table.columns]
    assert keys == ["parameters", *expected, "tensors"]
    names = [parameter.name for _, parameter in before.grouped()] or ["w"]
    assert table.rows == (((names[0], *expected.values(), 1),) if expected else ())


def test_a_row_for_equal_changes() -> None:
    """Columns are in the natural order of names; a cell is empty if only another row has this change."""
    blocks = {"blocks.10.weight": (4, 4), "blocks.9.weight": (4, 4), "blocks.2.bias": (4,)}
    before = group_map({"group": {"parameters": {**blocks, "head.weight": (2, 2), "head.bias": (2,)}}})
    after = group_map(
        {
            "slow": {"parameters": blocks, "lr": 0.05, "lr_scale": 0.5},
            "group": {"parameters": {"head.bias": (2,)}, "weight_decay": 0.0},
            "fast": {"parameters": {"head.weight": (2, 2)}, "lr": 0.2, "lr_scale": 2.0},
        }
    )
    (table,) = comparison(before, after).report.tables
    assert [(column.key, column.title, column.vital) for column in table.columns] == [
        ("parameters", "parameters", True),
        ("group", "group", False),
        ("lr_scale", "lr scale", True),
        ("lr", "lr", True),
        ("factor", "factor", True),
        ("weight_decay", "weight decay", True),
        ("tensors", "tensors", False),
    ]
    assert table.rows == (
        ("blocks.*", "group → slow", "1 → 0.5", "0.1 → 0.05", 0.5, "", 3),
        ("head.bias", "", "", "", "", "0.05 → 0", 1),
        ("head.weight", "group → fast", "1 → 2", "0.1 → 0.2", 2.0, "", 1),
    )


def test_machines_get_a_row_for_each_aspect_and_plain_values() -> None:
    before = group_map({"group": {"parameters": {"w": (4, 4), "v": ()}}})
    after = group_map({"group": {"parameters": {"w": (8, 4), "v": ()}, "lr": 0.2, "options": {"betas": (0.9, 0.95)}}})
    rows = comparison(before, after).report.rows
    assert rows is not None
    assert [column.key for column in rows.columns] == ["parameters", "aspect", "before", "after", "tensors", "factor"]
    assert rows.rows == (
        ("w", "shape", "4×4", "8×4", 1, None),
        ("*", "lr", 0.1, 0.2, 2, 2.0),
        ("*", "options", {}, {"betas": (0.9, 0.95)}, 2, None),
    )
    renamed = comparison(map_with(name="old.w"), map_with(name="new.w")).report.rows
    assert renamed is not None
    assert renamed.rows == (("old.w", "renamed", "old.w", "new.w", 1, None),)
