"""Compute scales and ticks of charts, and draw a chart for the terminal with braille characters (2 x 4 dots each)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from lrdecay_cli.domain.report import Chart
from lrdecay_cli.formats.values import cell_text

# Values below this share of the largest one are drawn at the bottom of a logarithmic scale.
_DEPTH = 1e-5


class Scale(msgspec.Struct, frozen=True):
    """The value range of an axis."""

    floor: float
    ceiling: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """Return the position of a value on the axis: a number from 0 (lowest end) to 1 (highest end)."""
        if not math.isfinite(value) or self.ceiling <= self.floor:
            return 0.0
        if self.logarithmic:
            value = max(value, self.floor)
            return math.log(value / self.floor) / math.log(self.ceiling / self.floor)
        return min(max((value - self.floor) / (self.ceiling - self.floor), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Return round numbers for the ticks of the axis, for example 0, 0.5 and 1."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.floor) - 1e-9), math.floor(math.log10(self.ceiling) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        step = round_step(self.ceiling - self.floor)
        return [
            step * count for count in range(math.ceil(self.floor / step), int(self.ceiling / step * (1 + 1e-9)) + 1)
        ]


def scale_of(chart: Chart) -> Scale:
    """Return the scale for all lines of a chart.

    A linear scale starts at 0, or at the smallest value if this is negative. A logarithmic scale starts at the smallest
    positive value, but not below 1e-5 of the largest value.
    """
    values = [value for line in chart.lines for value in line.values if math.isfinite(value)]
    ceiling = max(values, default=0.0)
    if ceiling <= 0:
        return Scale(0.0, 1.0, logarithmic=False)
    if not chart.logarithmic:
        return Scale(min(0.0, *values), ceiling, logarithmic=False)
    return Scale(max(min(value for value in values if value > 0), ceiling * _DEPTH), ceiling, logarithmic=True)


def round_step(span: float, most: int = 5) -> float:
    """Return the distance between the ticks of an axis: 1, 2, 5 or 10 times a power of ten.

    ``span`` is the length of the axis in its unit, ``most`` the approximate number of ticks.
    """
    if span <= 0:
        return 1.0
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def step_ticks(chart: Chart, most: int = 6) -> list[tuple[int, str]]:
    """Return a pair for each tick of the step axis: the step, and the label of the tick.

    The label is the number of the epoch if the run has epochs. Otherwise it is the number of the step.
    """
    part = chart.part or 1
    units = chart.length / part
    size = max(1, round(round_step(units, most)))
    end = int(units)
    # The end has its own label, which replaces a tick that would touch it.
    named = [count for count in range(0, end, size) if end - count > size / 2 or not count]
    return [(count * part, f"{count:,}") for count in (*named, end)]


def spread(count: int, most: int) -> list[int]:
    """Return evenly spaced indexes from 0 to ``count`` - 1. Return at most ``most`` indexes."""
    return (
        sorted({round(place * (count - 1) / (most - 1)) for place in range(most)}) if count > most else [*range(count)]
    )


def axis_title(chart: Chart) -> str:
    """Return the title of the step axis: ``epoch``, or the unit of a step, for example ``iteration``."""
    return "epoch" if chart.part is not None else chart.unit


def value_at(steps: Sequence[int], values: Sequence[float], step: float) -> float:
    """Return the value of a chart line at ``step``, interpolated between the known steps."""
    right = bisect_right(steps, step)
    if right == 0:
        return values[0]
    if right == len(steps):
        return values[-1]
    before, after = steps[right - 1], steps[right]
    return values[right - 1] + (values[right] - values[right - 1]) * (step - before) / (after - before)


def tick_text(value: float) -> str:
    """Return the label of the tick at ``value``."""
    return "0" if value == 0 else cell_text(value, "rate")


HEIGHT = 11
MOST_LINES = 8
"""A terminal chart draws at most this number of chart lines. More chart lines would be unreadable."""
_WIDEST = 200
_EMPTY = 0x2800
# The bit of each dot of a braille character: rows from the top, then columns.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class ChartRow(msgspec.Struct, frozen=True):
    """A row of characters of a terminal chart."""

    label: str
    """The text to the left of the row: for example, the number at a tick of the axis."""
    cells: tuple[tuple[str, int | None], ...]
    """Pairs of a character and the index of the chart line that it draws. The index is None for axes and spaces."""


def chart_rows(chart: Chart, width: int) -> list[ChartRow]:
    """Return the rows of a terminal chart that is at most ``width`` characters wide.

    The last two rows are the step axis. The chart draws at most :data:`MOST_LINES` chart lines.
    """
    scale = scale_of(chart)
    row_of = {round((1 - scale.share(value)) * (HEIGHT - 1)): tick_text(value) for value in scale.ticks()}
    margin = max(len(axis_title(chart)), *map(len, row_of.values()), 0) + 1
    columns = max(10, min(width, _WIDEST) - margin - 2)
    dots = [[0] * columns for _ in range(HEIGHT)]
    owner: list[list[int | None]] = [[None] * columns for _ in range(HEIGHT)]
    for index in spread(len(chart.lines), MOST_LINES):
        line = chart.lines[index]
        before: int | None = None
        for x in range(2 * columns):
            value = value_at(chart.steps, line.values, x * (chart.length - 1) / (2 * columns - 1))
            y = round((1 - scale.share(value)) * (4 * HEIGHT - 1))
            # Start at the end of the last column, so that a jump is drawn as a connected line.
            last = y if before is None else before
            for between in range(min(y, last), max(y, last) + 1):
                dots[between // 4][x // 2] |= _DOTS[between % 4][x % 2]
                owner[between // 4][x // 2] = index
            before = y
    rows = []
    for row in range(HEIGHT):
        drawn = (chr(_EMPTY + bits) if bits else " " for bits in dots[row])
        cells = (("┤" if row in row_of else "│", None), *zip(drawn, owner[row], strict=True))
        rows.append(ChartRow(f"{row_of.get(row, ''):>{margin}} ", cells))
    return [*rows, *_axis(chart, margin, columns)]


def _axis(chart: Chart, margin: int, columns: int) -> list[ChartRow]:
    line, names = ["─"] * columns, [" "] * (columns + 8)
    free = 0
    for step, name in step_ticks(chart):
        at = round(step / chart.length * columns)
        begin = max(0, min(at - len(name) // 2, columns - len(name)))
        if begin < free:
            continue
        line[min(at, columns - 1)] = "┴"
        names[begin : begin + len(name)] = name
        free = begin + len(name) + 1
    rows = (("", ["└", *line]), (axis_title(chart), [" ", *names[:columns]]))
    return [
        ChartRow(f"{label:>{margin}} ", tuple((character, None) for character in characters))
        for label, characters in rows
    ]
