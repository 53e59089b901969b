"""A chart in the characters of a terminal: lines of braille dots, two wide and four high in each character."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.report import Chart
from lrdecay_cli.formats.chart_scale import axis_title, scale_of, step_ticks, tick_text, value_at

HEIGHT = 11
_WIDEST = 100
_EMPTY = 0x2800
# The bit of each dot of a braille character: rows from above, then columns.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class ChartRow(msgspec.Struct, frozen=True):
    """A row of characters: what stands at the axis, then each character with the line that it shows."""

    label: str
    cells: tuple[tuple[str, int | None], ...]


def chart_rows(chart: Chart, width: int) -> list[ChartRow]:
    """The rows of a chart that is at most ``width`` characters wide, the axis of steps included."""
    scale = scale_of(chart)
    row_of = {round((1 - scale.share(value)) * (HEIGHT - 1)): tick_text(value) for value in scale.ticks()}
    margin = max(map(len, row_of.values()), default=0) + 1
    columns = max(10, min(width, _WIDEST) - margin - 2)
    dots = [[0] * columns for _ in range(HEIGHT)]
    owner: list[list[int | None]] = [[None] * columns for _ in range(HEIGHT)]
    for index, line in enumerate(chart.lines):
        before: int | None = None
        for x in range(2 * columns):
            value = value_at(chart.steps, line.values, x * (chart.length - 1) / (2 * columns - 1))
            y = round((1 - scale.share(value)) * (4 * HEIGHT - 1))
            # From where the last column was, so that a jump is a line and no gap.
            for between in range(min(y, y if before is None else before), max(y, y if before is None else before) + 1):
                dots[between // 4][x // 2] |= _DOTS[between % 4][x % 2]
                owner[between // 4][x // 2] = index
            before = y
    rows = [
        ChartRow(
            f"{row_of.get(row, ''):>{margin}} ",
            (
                ("┤" if row in row_of else "│", None),
                *(
                    (chr(_EMPTY + bits) if bits else " ", line)
                    for bits, line in zip(dots[row], owner[row], strict=True)
                ),
            ),
        )
        for row in range(HEIGHT)
    ]
    return [*rows, *_axis(chart, margin, columns)]


def _axis(chart: Chart, margin: int, columns: int) -> list[ChartRow]:
    line, names = ["─"] * columns, [" "] * (columns + 8)
    free = 0
    title = axis_title(chart)
    for step, name in step_ticks(chart):
        at = round(step / chart.length * columns)
        begin = max(0, at - len(name) // 2)
        if begin < free or begin + len(name) > columns - len(title) - 2:
            continue
        line[min(at, columns - 1)] = "┴"
        names[begin : begin + len(name)] = name
        free = begin + len(name) + 1
    names[columns - len(title) : columns] = title
    return [
        ChartRow(" " * (margin + 1), (("└", None), *((character, None) for character in line))),
        ChartRow(" " * (margin + 1), ((" ", None), *((character, None) for character in names[:columns]))),
    ]
