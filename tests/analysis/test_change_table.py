"""Values of both sides, as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from lrdecay_cli.analysis.change_table import shown_change


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
def test_both_sides_are_told_apart(before: Any, after: Any, expected: str) -> None:
    assert shown_change(before, after) == expected
