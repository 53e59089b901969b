"""Colour and boxes for a terminal. Names are folded onto further lines where the terminal is narrow, never cut."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lrdecay_cli.domain.report import Branch, Column, Report, Table
from lrdecay_cli.formats.canvas import Canvas
from lrdecay_cli.formats.numbers import bar_length, cell_text, full_scale

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 10
_LEFT = ("name", "text", "tree")
# From the slowest layers to the head: cold to warm, so that the head stands out.
_RAMP = ("blue", "cyan", "green", "yellow", "bright_yellow")


def render(report: Report, canvas: Canvas) -> str:
    """The report with boxes, bars and, if the canvas has it, colour."""
    out = StringIO()
    console = Console(
        file=out,
        width=canvas.width or 120,
        force_terminal=canvas.color,
        color_system="auto" if canvas.color else None,
        no_color=not canvas.color,
        highlight=False,
        emoji=False,
        markup=False,
    )
    if report.facts:
        console.print(_facts(report))
    for table in report.tables:
        if table.rows:
            console.print()
            console.print(_table(table, console.width))
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(Text(note.text, style="bold red" if note.level == "warning" else ""))
        for detail in note.details:
            console.print(Text(f"  {detail}", style="dim"))
    console.print()
    console.print(Text(report.summary, style="bold"))
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    # The box brings an empty line of its own above and below.
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"


def _facts(report: Report) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in report.facts:
        grid.add_row(label, Text(value))
    return grid


def _table(table: Table, width: int) -> RichTable:
    drawn = RichTable(
        box=box.SIMPLE_HEAD, title=table.title or None, title_justify="left", pad_edge=False, padding=(0, 1)
    )
    bars = width >= 100
    for column in table.columns:
        left = column.kind in _LEFT
        drawn.add_column(
            column.title, justify="left" if left else "right", no_wrap=not left, overflow="fold", header_style="bold"
        )
        if column.kind == "scale" and bars:
            drawn.add_column("", no_wrap=True, min_width=_BAR_WIDTH)
    full = {index: full_scale([row[index] for row in table.rows]) for index in range(len(table.columns))}
    for row in table.rows:
        cells: list[Text] = []
        for index, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            cells.append(_cell(value, column))
            if column.kind == "scale" and bars:
                cells.append(_bar(value, full[index]))
        drawn.add_row(*cells)
    return drawn


def _cell(value: Any, column: Column) -> Text:
    text = cell_text(value, column.kind)
    if isinstance(value, Branch):
        return Text.assemble((value.guide, "dim"), value.label)
    if value is None:
        return Text(text, style="dim")
    if column.kind == "scale" and isinstance(value, (int, float)) and value > 1:
        return Text(text, style="bold red")
    return Text(text)


def _bar(value: Any, full: float) -> Text:
    eighths = round(bar_length(value, full, _BAR_WIDTH) * 8)
    whole, part = divmod(eighths, 8)
    color = _RAMP[min(int(bar_length(value, 1.0, len(_RAMP))), len(_RAMP) - 1)]
    over = isinstance(value, (int, float)) and value > 1
    return Text(_EIGHTHS[8] * whole + (_EIGHTHS[part] if part else ""), style="red" if over else color)
