"""Tables on a terminal: as rich draws them, in a hundredth of the time, with more readable wrapping."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO

import pytest
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lrdecay_cli.analysis.inspecting.report import VIEWS, inspection
from lrdecay_cli.domain.report import Branch, Column, Report, Table
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.fitting import fit, folded, indented
from lrdecay_cli.formats.rich_terminal import render
from lrdecay_cli.formats.terminal_table import ink, table_lines
from lrdecay_cli.formats.values import LEFT_KINDS, cell_text
from tests.group_maps import group_map
from tests.work import growth

NAMES = [f"backbone.stages.{n}.blocks.{n}.attn.relative_position_bias_table" for n in (0, 10, 123)]
COLORS = re.compile(r"\x1b\[[0-9;]*m")


def many(count: int) -> Report:
    names = [f"backbone.stages.{index // 1000}.blocks.{index % 1000}.weight" for index in range(count)]
    groups = {
        f"layer_{layer}": {"lr_scale": 0.9**layer, "parameters": dict.fromkeys(names[layer::10], (8, 8))}
        for layer in range(10)
    }
    return inspection(group_map(groups), by="parameter").report


def drawn_by_rich(table: Table, width: int) -> list[str]:
    """Tables that need no wrapping; bars are not drawn by rich."""
    fitting = fit(table, width)
    assert not fitting.bars
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, fitting.gap - 2, 0, 1) if fitting.gap > 2 else (0, 1, 0, 0),
    )
    for index, column_width in zip(fitting.columns, fitting.widths, strict=True):
        column = table.columns[index]
        drawn.add_column(
            column.title, justify="left" if column.kind in LEFT_KINDS else "right", width=column_width, overflow="fold"
        )
    for row in table.rows:
        drawn.add_row(*(Text(cell_text(row[index], table.columns[index].kind)) for index in fitting.columns))
    out = StringIO()
    Console(file=out, width=max(width, fitting.width), color_system=None, highlight=False).print(drawn)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("by", VIEWS)
@pytest.mark.parametrize("width", [92, 110])
def test_as_rich_draws_it(by: str, width: int) -> None:
    names = ["backbone.norm.weight", "backbone.norm.bias", "head.weight", "头.权重"]
    groups = {
        f"g{index}": {"lr_scale": 0.5 + index / 2, "layer_id": index, "parameters": {name: (8, 8)}}
        for index, name in enumerate(names)
    }
    (table,) = inspection(group_map(groups, frozen={"stem.weight": (3,)}), by=by).report.tables
    table = Table(
        "", tuple(Column(c.key, c.title, "rate" if c.kind == "scale" else c.kind) for c in table.columns), table.rows
    )
    ours = list(table_lines(table, fit(table, width), width, ink(colored=False)))
    # rich made columns with wide characters one cell too narrow.
    wide = {number for number, line in enumerate(ours) if not line.isascii() and cell_len(line) != len(line)}
    theirs = drawn_by_rich(table, width)
    assert [line for number, line in enumerate(ours) if number not in wide] == [
        line for number, line in enumerate(theirs) if number not in wide
    ]


def test_rendering_grows_linearly_with_the_rows() -> None:
    def rendering(rows: int) -> Callable[[], None]:
        report = many(rows)

        def draw() -> None:
            assert sum("backbone." in line for line in render(report, Canvas(120, True)).splitlines()) == rows

        return draw

    assert growth(rendering, 100) < 12


@pytest.mark.parametrize("width", [40, 80, 120])
def test_all_text_fits_the_width(width: int) -> None:
    report = many(200)
    (table,) = report.tables
    lines = COLORS.sub("", render(report, Canvas(width, True))).splitlines()
    assert max(map(cell_len, lines)) <= max(width, fit(table, width).width)
    shown = "".join("".join(lines).split())
    assert all(row[0].partition(".blocks")[0] in shown for row in table.rows)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("backbone.stages.0.attn.weight", 24, ["backbone.stages.0.attn.", "weight"]),
        ("backbone.stages.2.{15-26}.*", 25, ["backbone.stages.2.", "{15-26}.*"]),
        ("backbone.norm1.*, neck.*", 20, ["backbone.norm1.*,", "neck.*"]),
        ("configs/swin/mask-rcnn_swin-t.py", 24, ["configs/swin/", "mask-rcnn_swin-t.py"]),
        ("relative_position_bias_table", 20, ["relative_position_", "bias_table"]),
        ("a sentence of words", 11, ["a sentence", "of words"]),
        ("a" * 25, 10, ["a" * 10, "a" * 10, "a" * 5]),
        ("头部权重", 5, ["头部", "权重"]),
        ("fits", 4, ["fits"]),
        ("", 4, [""]),
        ("头", 1, ["头"]),
    ],
)
def test_where_a_line_ends(text: str, width: int, lines: list[str]) -> None:
    assert folded(text, width) == lines


@pytest.mark.parametrize("name", NAMES)
def test_a_folded_name_is_whole(name: str) -> None:
    for width in range(1, 60):
        lines = folded(name, width)
        assert "".join(lines) == name
        assert max(map(len, lines)) <= width


def test_continued_lines_are_indented_further() -> None:
    assert list(indented("backbone.norm1.* backbone.norm2.*", 24, 2)) == ["  backbone.norm1.*", "    backbone.norm2.*"]


def test_a_tree_and_missing_values() -> None:
    table = Table(
        "Modules",
        (Column("module", "module", "tree"), Column("lr", "lr", "rate"), Column("lr_scale", "lr scale", "scale")),
        ((Branch("└── ", "head", "head"), None, 2.0),),
    )
    lines = list(table_lines(table, fit(table, 80), 80, ink(colored=True)))
    assert lines[0] == "Modules"
    assert "\x1b[2m└── \x1b[0mhead" in lines[3]
    assert "\x1b[2m–\x1b[0m" in lines[3]
    assert "\x1b[1;31m2\x1b[0m" in lines[3]
    assert "\x1b[31m" + "█" * 10 in lines[3]
    plain = list(table_lines(table, fit(table, 80), 80, ink(colored=False)))
    assert plain == [COLORS.sub("", line) for line in lines]


def test_bars_of_one_report_have_one_scale() -> None:
    """Bars of two tables have the same scale."""
    columns = (Column("group", "group", "name"), Column("lr_scale", "lr scale", "scale"))
    tables = (Table("", columns, (("now", 4.0),)), Table("", columns, (("then", 1.0),)))
    lines = render(Report((), tables, (), "done"), Canvas(80)).splitlines()
    assert [line.count("█") for line in lines if "█" in line] == [10, 2]
