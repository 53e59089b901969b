"""Conditions on numbers, as written in a settings file."""

from __future__ import annotations

import math

import pytest

from lrdecay_cli.analysis.conditions import condition_text, parse_condition
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.settings import Condition


@pytest.mark.parametrize(
    ("condition", "inside", "outside"),
    [
        ("<= 1", [1.0, 0.5, -3.0, 1 + 1e-12], [1.001, math.inf]),
        ("<1", [0.999], [1.0, 1 - 1e-12, 2.0]),
        (">= 1e-5", [1e-5, 1.0], [9e-6]),
        ("> 0", [1e-9], [0.0, -1.0]),
        ("== 7e-5", [1e-4 * 0.7], [7.1e-5]),
        ("0.05", [0.05], [0.06]),
        ("!= 0", [0.1, math.nan], [0.0]),
        ("0.1 .. 1", [0.1, 0.5, 1.0], [0.09, 1.1, math.nan]),
        ("> 0, <= 1", [0.5, 1.0], [0.0, 1.5]),
        ("!= 0.5, 0 .. 1", [0.1, 1.0], [0.5, 1.5]),
        ("= 2", [2.0], [-2.0]),
        (0.05, [0.05], [0.0]),
        (0, [0.0], [0.05, math.nan]),
        ("-1..+.5e1", [-1.0, 5.0], [-1.1, 5.1]),
    ],
)
def test_holds(condition: Condition, inside: list[float], outside: list[float]) -> None:
    comparisons = parse_condition(condition, "here")
    for value in inside:
        assert all(comparison.holds(value) for comparison in comparisons), value
    for value in outside:
        assert not all(comparison.holds(value) for comparison in comparisons), value
    assert condition_text(condition)


@pytest.mark.parametrize("condition", ["", "=< 1", "small", "<= one", "1..", "< 1 > 0", "<= 1,", "1 .. 2 .. 3"])
def test_invalid_conditions(condition: str) -> None:
    with pytest.raises(LrdecayError, match=r"here: invalid condition .*; give a condition such as"):
        parse_condition(condition, "here")


@pytest.mark.parametrize("number", [10**400, -(10**5000)], ids=["400 digits", "5000 digits"])
def test_a_number_too_large_for_a_float_is_refused(number: int) -> None:
    with pytest.raises(LrdecayError, match=r"here: the number is too large; give a number that a float can represent"):
        parse_condition(number, "here")


@pytest.mark.parametrize("condition", ["1..0.1", "> 1, < 0.5", "> 1, < 1", "1, != 1", "1, 2"])
def test_a_condition_that_no_number_fulfils_is_refused(condition: str) -> None:
    with pytest.raises(LrdecayError, match=rf"here: no number fulfils '{condition}'; give the lower bound first, "):
        parse_condition(condition, "here")


@pytest.mark.parametrize("condition", [math.nan, math.inf, "<= 1e400"])
def test_a_bound_that_is_not_finite_is_refused(condition: Condition) -> None:
    with pytest.raises(LrdecayError, match=r"here: .* contains a number that is not finite; give a number that"):
        parse_condition(condition, "here")
