"""Draw the chart of a report as an image: self-contained SVG for light and dark themes, or PNG by matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.report import Chart, Report
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.charts import Scale, axis_title, scale_of, spread, step_ticks, tick_text
from lrdecay_cli.formats.palette import DARK, LIGHT, line_steps
from lrdecay_cli.formats.values import printable

WIDTH, HEIGHT = 960, 480
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 48, 240, 56
_LEGEND = 20
_LONGEST = 34
_STYLE = """
svg { background: #fff; font: 13px system-ui, sans-serif; }
text { fill: #333; } .grid { stroke: #ddd; } .axis { stroke: #888; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  svg { background: #1b1b1f; } text { fill: #ddd; } .grid { stroke: #3a3a40; } .axis { stroke: #888; }
}
"""


def svg_chart(report: Report, canvas: Canvas) -> str:
    """Return the chart as SVG; ``canvas`` is ignored. Raises LrdecayError for a report without a chart."""
    chart = _chart_of(report, "svg")
    title = dict(report.facts).get("config", "")
    scale = scale_of(chart)
    steps = line_steps(chart)
    parts = [*_grid(chart, scale), *_lines(chart, scale, steps), *_legend(chart, steps)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-labelledby="title summary">\n'
        f'<title id="title">{_text(f"{chart.title}: {title}")}</title>\n'
        f'<desc id="summary">{_text(report.summary)}</desc>\n<style>{_STYLE}{_colors()}</style>\n'
        f'<text x="{_LEFT}" y="26" font-weight="600">{_text(f"{chart.title} of {title}")}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _colors() -> str:
    light, dark = (
        " ".join(f".r{step} {{ stroke: {color}; }}" for step, color in enumerate(colors)) for colors in (LIGHT, DARK)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"


def _legend_entries(chart: Chart) -> tuple[list[int], str]:
    """Return the indexes of the lines that the legend names, and a text such as ``12 of 30 lines named``.

    The legend begins with the last line of the chart, because the lines of an optimizer are sorted by their highest lr
    in ascending order. The text is empty if the legend names all lines.
    """
    count = len(chart.lines)
    named = spread(count, _LEGEND)[::-1]
    return named, f"{len(named)} of {count} lines named" if len(named) < count else ""


def _x(chart: Chart, step: float) -> float:
    return round(_LEFT + step / max(1, chart.length - 1) * (WIDTH - _LEFT - _RIGHT), 2)


def _y(scale: Scale, value: float) -> float:
    return round(HEIGHT - _BOTTOM - scale.share(value) * (HEIGHT - _TOP - _BOTTOM), 2)


def _grid(chart: Chart, scale: Scale) -> Iterator[str]:
    right, below = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for value in scale.ticks():
        y = _y(scale, value)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick_text(value)}</text>'
    for step, name in step_ticks(chart):
        x = min(_x(chart, step), right)
        yield f'<line class="axis" x1="{x}" y1="{below}" x2="{x}" y2="{below + 5}"/>'
        yield f'<text x="{x}" y="{below + 20}" text-anchor="middle">{name}</text>'
    yield f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{below}H{right}"/>'
    yield f'<text x="{right}" y="{below + 42}" text-anchor="end">{_text(axis_title(chart))}</text>'


def _lines(chart: Chart, scale: Scale, steps: Sequence[int]) -> Iterator[str]:
    for step, line in zip(steps, chart.lines, strict=True):
        points = (f"{_x(chart, at)},{_y(scale, value)}" for at, value in zip(chart.steps, line.values, strict=True))
        drawn = " ".join(dict.fromkeys(points))
        yield (f'<polyline class="line r{step}" points="{drawn}"><title>{_text(line.label)}</title></polyline>')


def _legend(chart: Chart, steps: Sequence[int]) -> Iterator[str]:
    named, left_out = _legend_entries(chart)
    for place, index in enumerate(named):
        x, y = WIDTH - _RIGHT + 16, _TOP + 8 + 18 * place
        label = chart.lines[index].label
        short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
        yield f'<line class="r{steps[index]}" x1="{x}" y1="{y}" x2="{x + 18}" y2="{y}" stroke-width="3"/>'
        yield f'<text x="{x + 24}" y="{y + 4}" font-size="11"><title>{_text(label)}</title>{_text(short)}</text>'
    if left_out:
        y = _TOP + 12 + 18 * len(named)
        yield f'<text x="{WIDTH - _RIGHT + 16}" y="{y}" font-size="11" font-style="italic">{left_out}</text>'


def _text(text: str) -> str:
    return escape(printable(text))


def _chart_of(report: Report, name: str) -> Chart:
    if report.chart is None:
        raise LrdecayError("this report has no chart", fix=f"use --format {name} with schedule or run")
    return report.chart


_DOTS_PER_INCH = 150


def png_chart(report: Report, canvas: Canvas) -> bytes:
    """Return the chart as PNG, with the same bytes on every run; ``canvas`` is ignored.

    Raises LrdecayError for a report without a chart.
    """
    chart = _chart_of(report, "png")
    # Not pyplot: it would search for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    scale = scale_of(chart)
    for step, line in zip(line_steps(chart), chart.lines, strict=True):
        axes.plot(chart.steps, line.values, color=LIGHT[step], linewidth=1.4)
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
    named, left_out = _legend_entries(chart)
    # matplotlib hides legend entries that start with "_".
    legend = figure.legend(
        [axes.lines[index] for index in named],
        [f" {printable(chart.lines[index].label)}" for index in named],
        loc="outside right upper",
        fontsize=7,
        title=left_out or None,
        title_fontsize=7,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    out = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return out.getvalue()
