"""What the scripts of a page get of a chart."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats.html_page.values import is_number, lowest_scale, ramp
from lrdecay_cli.formats.numbers import printable

# No screen shows more, and a reader less.
_DIGITS = 6


def data(report: Report) -> dict[str, Any] | None:
    """The lines of the chart, each in the colour of its peak; None where there is no chart."""
    chart = report.chart
    if chart is None:
        return None
    peaks = [max(filter(is_number, line.values), default=0.0) for line in chart.lines]
    highest = max(peaks, default=0.0) or 1.0
    lowest = lowest_scale(peak / highest for peak in peaks)
    return {
        "title": printable(chart.title),
        "unit": printable(chart.unit),
        "length": chart.length,
        "part": chart.part,
        "logarithmic": chart.logarithmic,
        "steps": chart.steps,
        "lines": [
            {"label": printable(line.label), "color": ramp(peak / highest, lowest), "values": _rounded(line.values)}
            for line, peak in zip(chart.lines, peaks, strict=True)
        ],
    }


def _rounded(values: tuple[float, ...]) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") if is_number(value) else None for value in values]
