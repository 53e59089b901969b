"""Draw tables for a terminal without rich.

rich measures and wraps every cell, which takes half a minute for 50,000 rows. The functions here get the widths of the
columns as an argument, which saves this time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from lrdecay_cli.domain.report import Branch, Column, Table
from lrdecay_cli.formats.fitting import BAR_WIDTH, Fitting, folded
from lrdecay_cli.formats.palette import TERMINAL, ScaleRange, range_of_tables, step_of
from lrdecay_cli.formats.values import LEFT_KINDS, bar_length, cell_text, printable

_EIGHTHS = " ▏▎▍▌▋▊▉█"

Ink = Callable[[str, str], str]
"""A function that applies a style (in rich's notation) to a text."""
# The printed lines of a cell, each with its width.
_Cell = list[tuple[str, int]]


def ink(*, colored: bool) -> Ink:
    """Return a function that applies styles to texts. Without ``colored``, it returns texts unchanged."""

    @cache
    def codes(style: str) -> list[str]:
        return Style.parse(style).render("\0", color_system=ColorSystem.STANDARD).split("\0")

    def styled(text: str, style: str) -> str:
        return text.join(codes(style)) if text and style and colored else text

    return styled


def table_lines(
    table: Table, fitting: Fitting, width: int, styled: Ink, scales: ScaleRange | None = None
) -> Iterator[str]:
    """Yield the lines of a table, at most ``width`` wide: title, headings, a horizontal line, rows.

    Wide cells are folded. The bar of the largest lr scale in ``scales`` is full. By default, ``scales`` is the range in
    this table.
    """
    if table.title:
        yield from folded(printable(table.title), width)
    columns = [(index, table.columns[index]) for index in fitting.columns]
    sides: list[tuple[int, bool]] = []
    headings: list[_Cell] = []
    for (_, column), width in zip(columns, fitting.widths, strict=True):
        sides.append((width, column.kind in LEFT_KINDS))
        headings.append([(styled(line, "bold"), len(line)) for line in folded(column.title, width)])
        if column.kind == "scale" and fitting.bars:
            sides.append((BAR_WIDTH, True))
            headings.append([("", 0)])
    tallest = max(map(len, headings))
    # Headings are aligned to the bottom.
    yield from _laid_out([[("", 0)] * (tallest - len(lines)) + lines for lines in headings], sides, fitting.gap)
    yield "─" * fitting.width
    scales = scales or range_of_tables((table,))
    for row in table.rows:
        cells: list[_Cell] = []
        for (index, column), width in zip(columns, fitting.widths, strict=True):
            cells.append(_cell(row[index], column, width, styled))
            if column.kind == "scale" and fitting.bars:
                cells.append([_bar(row[index], scales, styled)])
        yield from _laid_out(cells, sides, fitting.gap)


def _laid_out(cells: list[_Cell], sides: list[tuple[int, bool]], gap: int) -> Iterator[str]:
    between = " " * gap
    for line in zip_longest(*cells, fillvalue=("", 0)):
        padded = [
            f"{text}{' ' * (width - wide)}" if left else f"{' ' * (width - wide)}{text}"
            for (text, wide), (width, left) in zip(line, sides, strict=True)
        ]
        yield between.join(padded).rstrip()


def _cell(value: Any, column: Column, width: int, styled: Ink) -> _Cell:
    if isinstance(value, Branch):
        label = printable(value.label)
        return [(f"{styled(value.guide, 'dim')}{label}", cell_len(value.guide) + cell_len(label))]
    text = cell_text(value, column.kind)
    style = "dim" if value is None else ""
    if column.kind == "scale" and isinstance(value, (int, float)) and value > 1:
        style = "bold red"
    if len(text) <= width and text.isascii():
        return [(styled(text, style), len(text))]
    return [(styled(line, style), cell_len(line)) for line in folded(text, width)]


def _bar(value: Any, scales: ScaleRange, styled: Ink) -> tuple[str, int]:
    eighths = round(bar_length(value, scales.full, BAR_WIDTH) * 8)
    whole, part = divmod(eighths, 8)
    step = step_of(value, scales.lowest)
    bar = _EIGHTHS[8] * whole + (_EIGHTHS[part] if part else "")
    return styled(bar, "red" if step is None else TERMINAL[step]), len(bar)
