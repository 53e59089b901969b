"""Golden files: a test compares its result with the file; ``pytest --update-golden`` updates the file.

Review the difference before you commit it: a golden file contains reviewed results.
"""

from __future__ import annotations

import csv
import fcntl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TextIO

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV file. Its first column is a key, and a key may have any number of rows.

    Attributes:
        path: path of the file.
        columns: names of the columns.
        list_keys: returns all valid keys, in the order of the file.
    """

    path: Path
    columns: Row
    list_keys: Callable[[], Iterable[str]]

    @cached_property
    def keys(self) -> Sequence[str]:
        return list(self.list_keys())

    def rows(self) -> list[Row]:
        with self.path.open(encoding="utf-8", newline="") as file:
            head, *rows = [tuple(row) for row in csv.reader(file)]
        assert head == self.columns
        return rows

    def of(self, key: str) -> list[Row]:
        return [row for row in self.rows() if row[0] == key]

    def write(self, key: str, found: Sequence[Row]) -> None:
        """Replace the rows of a key with ``found``, and remove rows of keys that no longer exist."""
        with self.path.open("r+", encoding="utf-8", newline="") as file:
            # With -n 2, two tests may write at the same time.
            fcntl.flock(file, fcntl.LOCK_EX)
            by_key: dict[str, list[Row]] = {known: [] for known in self.keys}
            for row in self.rows():
                by_key.get(row[0], []).append(row)
            by_key[key] = list(found)
            file.truncate()
            self._put(file, chain.from_iterable(by_key.values()))

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the whole table and replace an existing file."""
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("w", encoding="utf-8", newline="") as file:
            self._put(file, rows)

    def _put(self, file: TextIO, rows: Iterable[Row]) -> None:
        csv.writer(file, lineterminator="\n").writerows([self.columns, *rows])


@dataclass(frozen=True)
class Golden:
    """Compare results with golden files, or write them."""

    update: bool

    def check_rows(self, table: Table, key: str, found: Sequence[Row]) -> None:
        if self.update:
            table.write(key, found)
        else:
            assert list(found) == table.of(key)

    def check_text(self, path: Path, text: str) -> None:
        if self.update:
            path.write_text(text, encoding="utf-8")
        else:
            assert text == path.read_text(encoding="utf-8")
