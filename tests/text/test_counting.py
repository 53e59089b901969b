"""Numbers and lists in sentences."""

from __future__ import annotations

import pytest

from lrdecay_cli.text.counting import count, either, listed, plural, verb


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
