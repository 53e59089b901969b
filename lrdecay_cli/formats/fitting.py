"""Fit tables and text to the width of a terminal.

If a table is too wide, the texts in its cells are first broken into lines. If it is still too wide, columns are
dropped. A text is broken at a space if possible, otherwise after punctuation such as the dots of a name, otherwise
anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from rich.cells import cell_len, get_character_cell_size

from lrdecay_cli.domain.report import Table
from lrdecay_cli.formats.values import cell_text

BAR_WIDTH = 10
# Names are folded down to this width; if no further column can be dropped, to less.
_FOLDED, _FOLDED_HARD = 24, 10


class Fitting(msgspec.Struct, frozen=True):
    """A layout of a table: which columns are drawn, and how wide they are."""

    columns: tuple[int, ...]
    """Indexes of the columns to draw."""
    widths: tuple[int, ...]
    """Width of each drawn column, in characters."""
    gap: int = 3
    """Number of spaces between columns."""
    bars: int = 0
    """Number of bars in a row: one bar next to each lr scale. Each bar is ``BAR_WIDTH`` wide."""

    @property
    def width(self) -> int:
        """Width of a line in characters."""
        return sum(self.widths) + self.gap * (len(self.widths) - 1) + self.bars * (BAR_WIDTH + self.gap)


def fit(table: Table, width: int | None) -> Fitting:
    """Return the widest layout of ``table`` that fits into ``width`` characters. None means no limit.

    If a table is too wide, its bars are dropped first. Then the gaps become narrow and column titles are broken into
    lines, then names. Last, columns are dropped from the right; columns marked as vital stay longest.
    """
    texts = [
        [cell_text(row[index], column.kind) for row in table.rows] or [""] for index, column in enumerate(table.columns)
    ]
    cells = [max(map(len, column)) for column in texts]
    titled = tuple(max(cell, len(column.title)) for cell, column in zip(cells, table.columns, strict=True))
    every = tuple(range(len(table.columns)))
    barred = Fitting(every, titled, bars=sum(column.kind == "scale" for column in table.columns))
    if width is None or barred.width <= width:
        return barred
    roomy = Fitting(every, titled)
    if roomy.width <= width:
        return roomy
    words = (max(map(len, column.title.split() or [""])) for column in table.columns)
    tight = Fitting(every, tuple(map(max, cells, words)), gap=2)
    tight = _with_names_folded(tight, table, width, _FOLDED)
    fewer = _without_columns(tight, table, width)
    if len(fewer.columns) < len(every):
        # Names get the room of the dropped columns.
        unfolded = tuple(max(cells[index], fewer.widths[place]) for place, index in enumerate(fewer.columns))
        fewer = _with_names_folded(Fitting(fewer.columns, unfolded, gap=2), table, width, _FOLDED)
    return _with_names_folded(fewer, table, width, _FOLDED_HARD)


def _with_names_folded(fitting: Fitting, table: Table, width: int, least: int) -> Fitting:
    """Narrow the columns of names and texts, the widest first, until the line fits. No column gets narrower than
    ``least``.
    """
    widths = list(fitting.widths)
    # The guide lines of a tree cannot be folded.
    foldable = [place for place, index in enumerate(fitting.columns) if table.columns[index].kind in ("name", "text")]
    while foldable and (excess := Fitting(fitting.columns, tuple(widths), gap=fitting.gap).width - width) > 0:
        widest = max(foldable, key=lambda place: widths[place])
        if widths[widest] <= least:
            break
        next_widest = max((widths[place] for place in foldable if widths[place] < widths[widest]), default=0)
        widths[widest] = max(least, widths[widest] - excess, min(next_widest, widths[widest] - 1))
    return Fitting(fitting.columns, tuple(widths), gap=fitting.gap)


def _without_columns(fitting: Fitting, table: Table, width: int) -> Fitting:
    while fitting.width > width and len(fitting.columns) > 2:
        spare = [position for position, index in enumerate(fitting.columns) if not table.columns[index].vital]
        out = spare[-1] if spare else len(fitting.columns) - 1
        columns, widths = list(fitting.columns), list(fitting.widths)
        del columns[out], widths[out]
        fitting = Fitting(tuple(columns), tuple(widths), gap=fitting.gap)
    return fitting


# Where a line may break, best first, and the share of the line that must be filled for it. Never within 0.1, never
# before the star of a pattern.
_ENDS = (
    (re.compile(" "), 1 / 3),
    (re.compile("/"), 1 / 3),
    (re.compile(r"(?:,|(?<!\d)\.|\.(?!\d))(?!\*)"), 1 / 3),
    (re.compile(r"[({\[=:|&?)}\]](?![,.)\]])"), 1 / 3),
    (re.compile(r"[-_]|[a-z](?=[A-Z])"), 1 / 2),
)
LEAST = 10
"""Minimum width of a line in characters, even if the terminal is narrower."""


def folded(text: str, width: int) -> list[str]:
    """Return ``text`` broken into lines of at most ``width`` terminal cells. Only spaces at line ends are removed."""
    lines = []
    while cell_len(text) > width and len(text) > 1:
        end = _end(text, _room(text, width))
        lines.append(text[:end].rstrip(" "))
        text = text[end:].lstrip(" ")
    return [*lines, text]


def indented(text: str, width: int, indent: int) -> Iterator[str]:
    """Yield the lines of ``text``. The first line is indented by ``indent`` spaces, the others by two spaces more."""
    for number, line in enumerate(folded(text, max(LEAST, width - indent - 2))):
        yield f"{' ' * (indent + 2 * (number > 0))}{line}"


def _room(text: str, width: int) -> int:
    """Return how many characters of ``text`` fit into ``width`` terminal cells, at least 1."""
    if text.isascii():
        return max(1, width)
    used = 0
    for count, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return max(1, count)
    return len(text)


def _end(text: str, most: int) -> int:
    """Return the position, at most ``most``, at which to break the text into two lines."""
    if text[most] == " ":
        # The blank is removed.
        return most
    for mark, least in _ENDS:
        # One character more, for a character that must not begin a line.
        ends = [found.end() for found in mark.finditer(text, 0, most + 1) if found.end() <= most]
        if ends and ends[-1] > most * least:
            return ends[-1]
    return most
