"""The colours of lr scales in all formats, from the slowest layers to the head. They follow the colour map viridis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lrdecay_cli.domain.report import Chart, Table
from lrdecay_cli.formats.values import is_number

LIGHT = ("#440154", "#482173", "#46327e", "#3e4989", "#365c8d", "#2f6c8e", "#277f8e", "#218e8d", "#1f9a8a")
"""Colours for a light background, from the lowest to the highest lr scale. Each has enough contrast."""
DARK = ("#7d6bc4", "#7179cf", "#6389d4", "#559ad2", "#4aabc8", "#48bab4", "#5fc99a", "#93d66a", "#ccd65a")
"""Colours for a dark background, from the lowest to the highest lr scale."""
TERMINAL = ("magenta", "magenta", "blue", "blue", "cyan", "cyan", "green", "green", "yellow")
"""Names of terminal colours, from the lowest to the highest lr scale. The terminal's theme defines their shades."""
OVER = "over"
"""CSS class for an lr scale above 1, which has its own colour."""


class ScaleRange(NamedTuple):
    """The range of lr scales that determines colours and the lengths of bars."""

    lowest: float
    """The lr scale that gets the first colour: the lowest lr scale above 0, but at most 1."""
    full: float
    """The lr scale whose bar has the full length: the highest lr scale, but at least 1."""


def range_of(scales: Iterable[object]) -> ScaleRange:
    """Return the range of the lr scales ``scales``. Values that are not finite numbers are ignored."""
    numbers = [scale for scale in scales if is_number(scale)]
    return ScaleRange(min([1.0, *(number for number in numbers if number > 0)]), max([1.0, *numbers]))


def range_of_tables(tables: Sequence[Table]) -> ScaleRange:
    """Return the common range of all lr scales in several tables, so that their bars can be compared."""
    return range_of(
        row[index]
        for table in tables
        for index, column in enumerate(table.columns)
        if column.kind == "scale"
        for row in table.rows
    )


def step_of(value: object, lowest: float) -> int | None:
    """Return the colour index of an lr scale by its logarithm: 0 for ``lowest``, the last index for 1, None above 1."""
    last = len(LIGHT) - 1
    if not is_number(value) or value <= 0:
        return 0
    if value > 1:
        return None
    return last if lowest >= 1 else max(0, round((1 - math.log(value) / math.log(lowest)) * last))


def ramp(value: object, lowest: float) -> str:
    """Return the CSS class of an lr scale: ``r0`` for ``lowest``, up to ``r8`` for 1, ``over`` for a scale above 1."""
    step = step_of(value, lowest)
    return OVER if step is None else f"r{step}"


def line_steps(chart: Chart) -> list[int]:
    """Return the index of the colour for each line of a chart. The largest value of a line determines its colour."""
    peaks = [max(filter(is_number, line.values), default=0.0) for line in chart.lines]
    highest = max(peaks, default=0.0) or 1.0
    lowest = range_of(peak / highest for peak in peaks).lowest
    return [step_of(peak / highest, lowest) or 0 for peak in peaks]


def style_sheet() -> str:
    """Return CSS that defines the colours as properties ``--r0`` to ``--r8``, for light and dark themes."""
    colors = (
        f"--r{step}: light-dark({light}, {dark});" for step, (light, dark) in enumerate(zip(LIGHT, DARK, strict=True))
    )
    return f":root {{ {' '.join(colors)} }}"
