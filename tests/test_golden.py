"""Test that ``--update-golden`` replaces the rows of a key and removes keys that no longer exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import Golden, Table

TEXT = "key,value\na,1\ngone,1\nb,1\nb,2\n"


@pytest.mark.parametrize(
    ("key", "rows", "text"),
    [
        pytest.param("b", [("b", "9")], "key,value\na,1\nb,9\n", id="fewer rows of a key"),
        pytest.param("new", [("new", "x, y")], 'key,value\na,1\nnew,"x, y"\nb,1\nb,2\n', id="a key between others"),
        pytest.param("a", [], "key,value\nb,1\nb,2\n", id="no row any more"),
    ],
)
def test_rows_are_written_in_place(key: str, rows: list[tuple[str, ...]], text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TEXT)
    table = Table(path, ("key", "value"), lambda: ["a", "new", "b"])
    Golden(update=True).check_rows(table, key, rows)
    assert path.read_text() == text
    Golden(update=False).check_rows(table, key, rows)
    with pytest.raises(AssertionError):
        Golden(update=False).check_rows(table, key, [("other", "1")])


def test_a_text_is_compared_or_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before")
    with pytest.raises(AssertionError):
        Golden(update=False).check_text(path, "after")
    Golden(update=True).check_text(path, "after")
    assert path.read_text() == "after"
