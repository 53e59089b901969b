"""lrdecay's JSON equals the indented output of the standard library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.writing import to_json, write_text

# With lone surrogates, which file names may contain.
TEXTS = st.text(st.characters(exclude_categories=[]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


# Lists of numbers are on one line; the standard library writes one line per number.
@given(
    st.recursive(
        TEXTS | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner | NUMBERS, max_size=5),
    )
)
def test_any_document(document: Any) -> None:
    assert to_json(document) == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@given(st.lists(NUMBERS, min_size=1))
def test_numbers_are_on_one_line(numbers: list[float]) -> None:
    assert to_json(numbers) == json.dumps(numbers) + "\n"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_contain_is_named(number: float) -> None:
    with pytest.raises(LrdecayError, match=rf"^\$\.groups\[1\]\.lr: is {number}, which JSON cannot contain"):
        to_json({"groups": [{"lr": 1.0}, {"lr": number}]})


def test_an_interrupt_at_any_line_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    """Raise as Ctrl-C does between any two lines, also of called functions."""
    target = tmp_path / "map.json"

    def interrupted(moment: int) -> bool:
        left = iter(range(moment))
        raised = False

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal raised
            if event == "line" and not raised and next(left, None) is None:
                raised = True
                raise KeyboardInterrupt
            return trace

        target.write_text("old")
        sys.settrace(trace)
        try:
            write_text(target, "new")
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        return raised

    moments: Iterator[int] = iter(range(10_000))
    # In a separate thread, in case another tool traces this one.
    with ThreadPoolExecutor(1) as thread:
        while thread.submit(interrupted, moment := next(moments)).result():
            assert target.read_text() in ("old", "new")
            assert [*tmp_path.iterdir()] == [target]
    assert moment > 10
    assert target.read_text() == "new"
