"""``--cfg-options`` have the same meaning as in mmengine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.origins.command_line import parsed_option
from tests.origins.tagged import parsed

EXAMPLES = [
    *("1", "1e-4", "True", "false", "None", "none", "a", "'a'", "[1,2]", "(1, 2)", "1,2,3", "[(1,2,3),[a,b],c]"),
    *("", "[]", "()", "[1]", "(1)", "inf", "-nan", "1_000", "0x1", '"[1, 2]"', "[[]]", "a b", "[1],[2]", "(1,),(2,)"),
]


def same(text: str) -> None:
    theirs: Any
    try:
        theirs = parsed([f"a={text}"])["a"]
    except (AssertionError, RecursionError, ValueError):
        with pytest.raises(ValueError, match=r"brackets|nested"):
            parsed_option(text)
        return
    ours = parsed_option(text)
    assert (type(ours), repr(ours)) == (type(theirs), repr(theirs))


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_form_of_a_value(text: str) -> None:
    same(text)


@given(st.text("[](),'\" aT1.e-", max_size=12))
def test_any_text(text: str) -> None:
    same(text)
