"""Charts: in a terminal, as SVG and as PNG."""

from __future__ import annotations

import math
import struct
from xml.etree import ElementTree

import msgspec
import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.report import AnyResult, Chart, Line, Report, Result
from lrdecay_cli.formats import Canvas, render
from lrdecay_cli.formats.charts import HEIGHT, Scale, chart_rows, round_step, scale_of, step_ticks, value_at
from lrdecay_cli.formats.palette import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
STEPS = (*range(0, 1000, 10), 999)
HOSTILE = ["<script>alert(1)</script>", "$x$ & [bold]_", "_hidden\x1b[31m\n"]


def chart(*, lines: int = 3, logarithmic: bool = False, part: int | None = 100) -> Chart:
    peaks = [10.0 ** -(lines - index) for index in range(lines)]
    return Chart(
        title="lr",
        unit="iteration",
        length=1000,
        part=part,
        steps=STEPS,
        lines=tuple(
            Line(
                HOSTILE[index % 3] if lines <= 3 else f"layer {index}",
                tuple(peak * (1 + math.cos(math.pi * s / 1000)) for s in STEPS),
            )
            for index, peak in enumerate(peaks)
        ),
        logarithmic=logarithmic,
    )


def report(drawn: Chart | None) -> AnyResult:
    return Result(None, Report((("config", "a<b>$.py"),), (), (), "done & <over>", chart=drawn))


@pytest.mark.parametrize("width", [40, 80, 120, 300])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_terminal_chart_keeps_to_the_width(width: int, logarithmic: bool) -> None:
    rows = chart_rows(chart(logarithmic=logarithmic), width)
    lines = [row.label + "".join(character for character, _ in row.cells) for row in rows]
    assert len(rows) == HEIGHT + 2
    assert max(map(len, lines)) <= width
    assert lines[-1].split() == ["epoch", "0", "2", "4", "6", "8", "10"]
    shown = render("rich", report(chart(logarithmic=logarithmic)), Canvas(width, color=False))
    assert isinstance(shown, str)
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown


def test_terminal_chart_draws_the_values() -> None:
    """A fall from the top left to the bottom right, and a jump without a gap."""
    stairs = Chart("lr", "epoch", 100, None, (0, 49, 50, 99), (Line("a", (1.0, 1.0, 0.0, 0.0)),), False)
    rows = chart_rows(stairs, 80)[:HEIGHT]
    drawn = [[character not in " │┤" for character, _ in row.cells] for row in rows]
    middle = len(drawn[0]) // 2
    assert all(drawn[0][2 : middle - 2])
    assert not any(drawn[0][middle + 2 :])
    assert all(drawn[-1][middle + 2 :])
    assert all(any(row[middle - 1 : middle + 2]) for row in drawn)


@pytest.mark.parametrize("lines", [1, 3, 60])
def test_svg_is_well_formed_and_inert(lines: int) -> None:
    text = render("svg", report(chart(lines=lines, logarithmic=lines > 1)), Canvas())
    assert isinstance(text, str)
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "desc", "style", "text", "line", "path", "polyline")
    }
    polylines = root.findall(f"{SVG}polyline")
    assert len(polylines) == lines
    for polyline in polylines:
        points = [tuple(map(float, point.split(","))) for point in polyline.attrib["points"].split()]
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert all(0 <= x <= 960 and 0 <= y <= 480 for x, y in points)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("logarithmic", [False, True])
def test_png_is_the_same_on_every_run(logarithmic: bool) -> None:
    drawn = chart(logarithmic=logarithmic)
    first, second = (render("png", report(drawn), Canvas()) for _ in range(2))
    assert first == second
    assert isinstance(first, bytes)
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", first[16:24]) == (1440, 720)


@pytest.mark.parametrize("name", ["svg", "png"])
def test_a_report_without_a_chart_is_refused(name: str) -> None:
    with pytest.raises(LrdecayError, match="no chart"):
        render(name, report(None), Canvas())


@pytest.mark.parametrize(("span", "step"), [(1.0, 0.2), (0.004, 0.001), (12, 5), (9e-5, 2e-5), (300, 100), (0, 1.0)])
def test_steps_between_ticks_are_round(span: float, step: float) -> None:
    assert round_step(span) == pytest.approx(step)


def test_scales() -> None:
    assert Scale(1e-6, 1e-3, logarithmic=True).ticks() == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3])
    assert Scale(0.0, 1e-3, logarithmic=False).ticks() == pytest.approx([0, 2e-4, 4e-4, 6e-4, 8e-4, 1e-3])
    assert scale_of(chart(logarithmic=True)).share(0.0) == 0
    constant = Chart("lr", "epoch", 1, None, (0,), (Line("a", (0.0,)),), False)
    assert chart_rows(constant, 80)
    assert step_ticks(chart())[-1] == (1000, "10")
    assert Scale(0.0, 1.0, logarithmic=False).share(math.nan) == 0
    # Halfway between two steps, and the values of a line before its first and after its last point.
    assert [value_at((2, 10), (0.5, 1.0), step) for step in (0, 2, 6, 10, 99)] == [0.5, 0.5, 0.75, 1.0, 1.0]


def test_with_many_lines_the_report_names_the_omission() -> None:
    many = chart(lines=60, logarithmic=True)
    shown = render("rich", report(many), Canvas(200, color=False))
    assert isinstance(shown, str)
    assert "━ layer 0   ━ layer 8 " in shown
    assert "━ layer 59   8 of 60 lines drawn; --format svg draws all" in shown
    drawn = {line for row in chart_rows(many, 200) for _, line in row.cells if line is not None}
    assert drawn <= {0, 8, 17, 25, 34, 42, 51, 59}
    svg = render("svg", report(many), Canvas())
    assert isinstance(svg, str)
    assert "20 of 60 lines named" in svg
    assert "lines named" not in str(render("svg", report(chart()), Canvas()))


def test_the_end_of_the_run_is_a_tick() -> None:
    """Also if this number is not round; the tick before it makes room."""
    run = msgspec.structs.replace(chart(part=None), length=36)
    assert step_ticks(run) == [(0, "0"), (10, "10"), (20, "20"), (30, "30"), (36, "36")]
    assert step_ticks(msgspec.structs.replace(run, length=31))[-2:] == [(20, "20"), (31, "31")]


def test_a_wide_terminal_gets_a_wide_chart() -> None:
    narrow, wide = (max(len(row.cells) for row in chart_rows(chart(), width)) for width in (120, 180))
    assert wide - narrow == 60


def test_each_format_colors_a_line_by_its_lr() -> None:
    """The slowest and the fastest line have the two end colours of the same palette, in pictures and pages."""
    svg = ElementTree.fromstring(str(render("svg", report(chart(lines=3, logarithmic=True)), Canvas())))
    assert [line.attrib["class"] for line in svg.findall(f"{SVG}polyline")] == ["line r0", "line r4", "line r8"]
    page = str(render("html", report(chart(lines=3, logarithmic=True)), Canvas()))
    assert all(f'"color":"{step}"' in page for step in ("r0", "r4", "r8"))
    assert all(light in page and dark in page for light, dark in zip(LIGHT, DARK, strict=True))
