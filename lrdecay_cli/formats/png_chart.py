"""The chart of a report as pixels, drawn by matplotlib."""

from __future__ import annotations

import colorsys
from io import BytesIO

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.chart_scale import axis_title, scale_of, step_ticks
from lrdecay_cli.formats.numbers import printable
from lrdecay_cli.formats.svg_chart import legend_lines

_DOTS_PER_INCH = 150


def render(report: Report, canvas: Canvas) -> bytes:
    """The chart as PNG, the same bytes on every run; ``canvas`` changes nothing.

    Raises LrdecayError for a report without a chart.
    """
    chart = report.chart
    if chart is None:
        raise LrdecayError("this report has no chart", remedy="png is for schedule")
    # Not pyplot: it would look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    scale = scale_of(chart)
    for index, line in enumerate(chart.lines):
        axes.plot(chart.steps, line.values, color=_color(index, len(chart.lines)), linewidth=1.4)
    axes.set_yscale("log" if scale.logarithmic else "linear")
    if scale.logarithmic:
        axes.set_ylim(scale.floor * 0.8, scale.ceiling * 1.25)
    else:
        axes.set_ylim(scale.floor, scale.ceiling * 1.05)
    ticks = step_ticks(chart)
    axes.set_xticks([step for step, _ in ticks], [name for _, name in ticks])
    axes.set_xlabel(axis_title(chart))
    axes.set_ylabel(chart.title)
    title = printable(dict(report.facts).get("config", ""))
    axes.set_title(title, loc="left", fontsize=10).set_parse_math(False)
    axes.grid(axis="y", alpha=0.3)
    named = legend_lines(len(chart.lines))
    # matplotlib keeps a name that begins with _ out of a legend.
    legend = figure.legend(
        [axes.lines[index] for index in named],
        [f" {printable(chart.lines[index].label)}" for index in named],
        loc="outside right upper",
        fontsize=7,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    out = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return out.getvalue()


def _color(index: int, count: int) -> tuple[float, float, float]:
    """The colours of the SVG: from blue for the slowest groups over green to orange."""
    share = index / (count - 1) if count > 1 else 0.0
    return colorsys.hls_to_rgb((225 - 200 * share) / 360, 0.45, 0.75)
