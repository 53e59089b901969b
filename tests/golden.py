"""Golden files: a test compares what it finds with one, and ``pytest --update-golden`` writes what it finds into it.

Look at the difference before you commit it: a golden file holds what was looked at and found right.
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
    """A CSV file whose first column is a key; a key may have several rows, or none.

    Attributes:
        path: of the file.
        columns: its head.
        list_keys: every key that there may be, in the order of the file.
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
        """Put ``found`` in place of the rows of a key. Rows of keys that there are no more go."""
        with self.path.open("r+", encoding="utf-8", newline="") as file:
            # Tests run beside each other with -n 2.
            fcntl.flock(file, fcntl.LOCK_EX)
            by_key: dict[str, list[Row]] = {known: [] for known in self.keys}
            for row in self.rows():
                by_key.get(row[0], []).append(row)
            by_key[key] = list(found)
            file.truncate()
            self._put(file, chain.from_iterable(by_key.values()))

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write the whole table, in place of one that is there."""
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("w", encoding="utf-8", newline="") as file:
            self._put(file, rows)

    def _put(self, file: TextIO, rows: Iterable[Row]) -> None:
        csv.writer(file, lineterminator="\n").writerows([self.columns, *rows])


@dataclass(frozen=True)
class Golden:
    """Compares with golden files, or writes them."""

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
