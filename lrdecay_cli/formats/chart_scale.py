"""Where a chart's values go on its axes, for every way to draw it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from lrdecay_cli.domain.report import Chart
from lrdecay_cli.formats.numbers import cell_text

# What is smaller than this share of the largest value lies on the floor of a logarithmic scale.
_DEPTH = 1e-5


class Scale(msgspec.Struct, frozen=True):
    """The values of an axis, from its floor to its ceiling."""

    floor: float
    ceiling: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """How far up a value is, from 0 to 1."""
        if not math.isfinite(value) or self.ceiling <= self.floor:
            return 0.0
        if self.logarithmic:
            value = max(value, self.floor)
            return math.log(value / self.floor) / math.log(self.ceiling / self.floor)
        return min(max((value - self.floor) / (self.ceiling - self.floor), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round values to name, ascending."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.floor) - 1e-9), math.floor(math.log10(self.ceiling) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        step = round_step(self.ceiling - self.floor)
        return [
            step * count for count in range(math.ceil(self.floor / step), int(self.ceiling / step * (1 + 1e-9)) + 1)
        ]


def scale_of(chart: Chart) -> Scale:
    """The scale that all lines of a chart fit on: from 0, or from the smallest value where it is logarithmic."""
    values = [value for line in chart.lines for value in line.values if math.isfinite(value)]
    ceiling = max(values, default=0.0)
    if ceiling <= 0:
        return Scale(0.0, 1.0, logarithmic=False)
    if not chart.logarithmic:
        return Scale(min(0.0, *values), ceiling, logarithmic=False)
    return Scale(max(min(value for value in values if value > 0), ceiling * _DEPTH), ceiling, logarithmic=True)


def round_step(span: float, most: int = 5) -> float:
    """A step of 1, 2 or 5 times a power of ten, of which no more than about ``most`` make up ``span``."""
    if span <= 0:
        return 1.0
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def step_ticks(chart: Chart, most: int = 6) -> list[tuple[int, str]]:
    """Steps to name, and their names: epochs where there are any, else steps."""
    part = chart.part or 1
    units = chart.length / part
    size = max(1, round(round_step(units, most)))
    return [(count * part, f"{count:,}") for count in range(0, int(units) + 1, size)]


def axis_title(chart: Chart) -> str:
    """What the steps that :func:`step_ticks` names are."""
    return "epoch" if chart.part is not None else chart.unit


def value_at(steps: Sequence[int], values: Sequence[float], step: float) -> float:
    """The value of a line at a place between its steps."""
    right = bisect_right(steps, step)
    if right == 0:
        return values[0]
    if right == len(steps):
        return values[-1]
    before, after = steps[right - 1], steps[right]
    return values[right - 1] + (values[right] - values[right - 1]) * (step - before) / (after - before)


def tick_text(value: float) -> str:
    """A value of the axis as text."""
    return "0" if value == 0 else cell_text(value, "rate")
