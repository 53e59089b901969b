"""Names in natural order."""

from __future__ import annotations

import pytest

from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.text.printing import natural
from tests.group_maps import group_map


@pytest.mark.parametrize(
    "names",
    [
        ["group_2", "group_10", "group_10#2"],
        ["a.2.b", "a.10.b", "a.10.c"],
        ["1", "2.x", "10"],
        ["", "a", "a1", "a1b", "a2"],
        ["backbone.stages.2.9", "backbone.stages.2.10", "neck"],
    ],
)
def test_numbers_by_value(names: list[str]) -> None:
    assert sorted(set(names), key=natural) == names


def test_a_tree_is_in_model_order_for_any_order_of_groups() -> None:
    rates = {"fast": dict(lr=0.1, parameters={"b.10.bias": (1,), "b.2.bias": (1,)}),
             "slow": dict(lr=0.2, parameters={"b.10.weight": (1,), "b.2.weight": (1,)}),
             "other": dict(lr=0.3, parameters={"b.1.weight": (1,)})}  # fmt: skip
    rows = inspection(group_map(rates), by="module").report.tables[0].rows
    assert [row[0].label for row in rows] == ["(model)", "b", "1", "2-10", "weight", "bias"]
