"""Reports with values that need escaping, in every format that prints a table."""

from __future__ import annotations

import csv
import re
from importlib import import_module
from io import StringIO

import pytest

from lrdecay_cli.domain.report import Branch, Column, Note, Report, Result, Table
from lrdecay_cli.formats import FORMATS, Canvas, render

NAMES = ["backbone.stages.0.0.pointwise_conv1.weight", "head.`odd`|name.*", "[bold]neck[/bold].w_1", "spät.ü"]
COLUMNS = (
    Column("name", "parameter", "name"),
    Column("lr_scale", "lr scale", "scale"),
    Column("lr", "lr", "rate"),
    Column("weight_decay", "weight decay", "rate"),
    Column("parameters", "parameters", "integer"),
    Column("share", "share", "share"),
)
ROWS = tuple(
    (name, scale, rate, 0.05, 12_345_678, 0.125)
    for name, scale, rate in zip(NAMES, [0.25, 4.16, None, float("nan")], [1e-5, 0.1 + 0.2, None, 1e300], strict=True)
)
REPORT = Report(
    facts=(("config", "a|b.py"),),
    tables=(Table("", COLUMNS, ROWS),),
    notes=(Note("missing: 1 tensor", "warning", ("neck.*",)),),
    summary="1 group_1 with 4 tensors",
)


def rendered(name: str, width: int | None = None, *, report: Report = REPORT) -> str:
    text = render(name, Result(None, report), Canvas(width, color=False))
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40, None])
def test_rich_keeps_to_the_width_and_cuts_no_name(width: int | None) -> None:
    lines = rendered("rich", width).splitlines()
    assert max(map(len, lines)) <= (width or 120)
    start = next(index for index, line in enumerate(lines) if set(line) == {"─"}) + 1
    first_column = "".join(re.match(r"\S*", line)[0] for line in lines[start : lines.index("", start)])
    assert all(name in first_column for name in NAMES)


@pytest.mark.parametrize(
    ("width", "bars", "gone"),
    [
        (130, True, []),
        (100, False, []),
        (70, False, []),
        (50, False, ["parameters", "share"]),
        (30, False, ["lr", "weight decay", "parameters", "share"]),
    ],
)
def test_rich_drops_bars_first_and_lists_hidden_columns(width: int, bars: bool, gone: list[str]) -> None:
    text = rendered("rich", width)
    assert ("█" in text) is bars
    note = re.search(r"hidden columns: ([^;]*); widen the\s+terminal", re.sub(r"\s+", " ", text))
    assert (note[1].split(", ") if note else []) == gone


def test_a_tree_is_never_folded() -> None:
    tree = Table(
        "",
        (Column("module", "module", "tree"), Column("lr", "lr", "rate")),
        ((Branch("", "(model)", ""), 0.1), (Branch("│   └── ", "relative_position_bias_table", "a.b"), 0.1)),
    )
    report = Report(facts=(), tables=(tree,), notes=(), summary="")
    assert re.search(r"^│   └── relative_position_bias_table  0\.1$", rendered("rich", 30, report=report), re.M)


def test_text_is_aligned_and_complete() -> None:
    lines = rendered("text").splitlines()
    header = next(line for line in lines if line.startswith("parameter"))
    table = lines[lines.index(header) + 1 :][: len(ROWS)]
    assert [line.split()[0] for line in table] == NAMES
    assert {line.rindex("12,345,678") for line in table} == {header.index("parameters")}
    assert "warning: missing: 1 tensor" in lines


def test_markdown_cells_survive_bars_backticks_and_brackets() -> None:
    lines = [line for line in rendered("markdown").splitlines() if line.startswith("|")]
    # An unescaped vertical bar separates columns of the table.
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(COLUMNS) + 1}
    assert lines[2].startswith(f"| `{NAMES[0]}` |")
    assert r"| ``head.`odd`\|name.*`` |" in lines[3]
    assert "- **config**: a\\|b.py" in rendered("markdown")


def test_csv_keeps_all_values() -> None:
    rows = list(csv.DictReader(StringIO(rendered("csv"))))
    assert [row["name"] for row in rows] == NAMES
    assert [row["lr"] for row in rows] == ["1e-05", "0.30000000000000004", "", "1e+300"]


def test_csv_has_an_empty_line_between_tables() -> None:
    tables = tuple(Table("", (Column("a", "A"),), ((value,),)) for value in (1, True))
    assert rendered("csv", report=Report((), tables, (), "")) == "a\n1\n\na\nTrue\n"


def test_every_format_can_be_asked_for() -> None:
    for known in FORMATS.values():
        module, _, function = known.function.partition(":")
        assert callable(getattr(import_module(f"lrdecay_cli.formats.{module}"), function))


@pytest.mark.parametrize("name", ["rich", "text", "markdown"])
def test_control_characters_steer_no_terminal(name: str) -> None:
    evil = "head.\x1b[31mred\nrow\x07"
    table = Table("", COLUMNS[:1], ((evil,),))
    report = Report((("config", evil),), (table,), (Note("note", "info", (evil,)),), "")
    text = rendered(name, report=report)
    assert text.replace("\n", "").isprintable()
    assert text.count("head.") == text.count("red") == 3
    assert not any(line.startswith("row") for line in text.splitlines())
