"""Our JSON is the standard library's, indented."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.writing import to_json

# Half characters among them, as names of files have them.
TEXTS = st.text(st.characters(exclude_categories=[]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


# Lists of nothing but numbers stand on one line, in place of one for each.
@given(
    st.recursive(
        TEXTS | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner | NUMBERS, max_size=5),
    )
)
def test_any_document(document: Any) -> None:
    assert to_json(document) == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@given(st.lists(NUMBERS, min_size=1))
def test_numbers_stand_on_one_line(numbers: list[float]) -> None:
    assert to_json(numbers) == json.dumps(numbers) + "\n"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_named(number: float) -> None:
    with pytest.raises(LrdecayError, match=rf"^\$\.groups\[1\]\.lr: is {number}, which JSON cannot hold"):
        to_json({"groups": [{"lr": 1.0}, {"lr": number}]})
