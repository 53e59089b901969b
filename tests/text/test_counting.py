"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lrdecay_cli.text.counting import count, either, integers, listed, plural, verb


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "tensor", "0 tensors"),
        (1, "tensor", "1 tensor"),
        (2, "bias", "2 biases"),
        (1, "bias", "1 bias"),
        (1234567, "further name", "1,234,567 further names"),
    ],
)
def test_a_noun_follows_its_number(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text
    assert plural(number, noun) == text.partition(" ")[2]
    assert verb(number, "is", "are") == ("is" if number == 1 else "are")


@pytest.mark.parametrize(
    ("items", "text"),
    [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c"), ((1, 2, 3), "1, 2 and 3")],
)
def test_a_list_reads_as_a_sentence_does(items: tuple[object, ...], text: str) -> None:
    assert listed(items) == text
    assert either(items) == text.replace("and", "or")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([5], "5"),
        ([5, 6], "5, 6"),
        ([1, 6, 7, 8, 10], "1, 6 to 8, 10"),
        (range(3, 3), ""),
        (range(3, 4), "3"),
        (range(3, 5), "3, 4"),
        (range(3, 9, 2), "3, 5, 7"),
        (range(1, 10**30), f"1 to {10**30 - 1}"),
    ],
)
def test_consecutive_integers_become_a_range(values: Sequence[int], text: str) -> None:
    assert integers(values) == text
