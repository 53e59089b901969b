"""Colour and boxes for a terminal. What does not fit is folded or told, never cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from lrdecay_cli.domain.report import Branch, Chart, Column, Page, Report, Section, Table
from lrdecay_cli.formats.canvas import Canvas
from lrdecay_cli.formats.fitting import BAR_WIDTH, LEFT_KINDS, Fitting, fit
from lrdecay_cli.formats.numbers import bar_length, cell_text, full_scale, printable
from lrdecay_cli.formats.terminal_chart import chart_rows

_LEVELS = {"info": "blue", "warning": "bold yellow", "error": "bold red"}
_EIGHTHS = " ▏▎▍▌▋▊▉█"
# From the slowest layers to the head: cold to warm, so that the head stands out.
_RAMP = ("blue", "cyan", "green", "yellow", "bright_yellow")
_NAMED_LINES = 8
# Where a word that is longer than a line is broken, best first; not within 0.1.
_BREAKS = (re.compile(r"[,({\[/=]|\.(?!\d)"), re.compile(r"_|[a-z](?=[A-Z])"))


def render(report: Report, canvas: Canvas) -> str:
    """The report with boxes, bars and, if the canvas has it, colour."""
    out = StringIO()
    console = _console(out, canvas.width or 120, canvas)
    if report.facts:
        console.print(_grid(report.facts))
    for section in report.sections:
        console.print()
        _print_section(console, section)
    if report.chart is not None:
        console.print()
        _print_chart(console, report.chart)
    for table in report.tables:
        if table.rows:
            console.print()
            fitting = fit(table, canvas.width)
            # What is still too long is the terminal's to wrap.
            _console(out, max(console.width, fitting.width), canvas).print(_table(table, fitting))
            if hidden := [column.title for index, column in enumerate(table.columns) if index not in fitting.columns]:
                console.print(Text(f"no room for {', '.join(hidden)}: widen the terminal, or --format text", "dim"))
    for page in report.pages:
        console.print()
        _print_page(console, page)
    if report.notes:
        console.print()
    for note in report.notes:
        error = "error: " if note.level == "error" else ""
        console.print(Text(f"{error}{note.text}", style="" if note.level == "info" else "bold red"))
        for detail in note.details:
            # The terminal wraps it, so that a command is copied as one line.
            console.print(Text(f"  {printable(detail)}", style="dim"), soft_wrap=True)
    if report.code:
        console.print()
        # The terminal wraps it, so that it is copied as it is.
        console.print(Text(report.code.rstrip(), style="cyan"), soft_wrap=True)
    console.print()
    console.print(Text(report.summary, style="bold"))
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return text.strip("\n") + "\n"


def _print_chart(console: Console, chart: Chart) -> None:
    console.print(Text(chart.title, "bold"))
    count = len(chart.lines)
    for row in chart_rows(chart, console.width):
        cells = ((character, "dim" if line is None else _ramp_color(line, count)) for character, line in row.cells)
        console.print(Text.assemble((row.label, "dim"), *cells), no_wrap=True)
    # Of many lines in between the colours tell enough.
    named = range(count) if count <= _NAMED_LINES else (0, count - 1)
    legend = [Text.assemble(("━ ", _ramp_color(index, count)), printable(chart.lines[index].label)) for index in named]
    if count > _NAMED_LINES:
        legend.insert(1, Text(f"… {count - 2} between …", "dim"))
    console.print(Text("   ").join(legend))


def _ramp_color(index: int, count: int) -> str:
    """From cold for the first of ``count`` to warm for the last."""
    return _RAMP[round(index / (count - 1) * (len(_RAMP) - 1))] if count > 1 else _RAMP[2]


def _console(out: StringIO, width: int, canvas: Canvas) -> Console:
    return Console(
        file=out,
        width=width,
        force_terminal=canvas.color,
        color_system="auto" if canvas.color else None,
        no_color=not canvas.color,
        highlight=False,
        emoji=False,
        markup=False,
    )


def _print_page(console: Console, page: Page) -> None:
    console.print(Text(printable(page.title), style="bold underline"), soft_wrap=True)
    for block in page.blocks:
        console.print()
        if block.title:
            console.print(Text(f"{printable(block.title)}:", style="bold"))
        if block.code:
            for line in block.text.splitlines():
                console.print(Text(f"    {printable(line)}", style="cyan"), soft_wrap=True)
        else:
            parts = (
                (printable(part), "cyan" if index % 2 else "") for index, part in enumerate(block.text.split("``"))
            )
            console.print(Text.assemble(*parts))


def _print_section(console: Console, section: Section) -> None:
    console.print(Text(printable(section.title), style="bold underline"), soft_wrap=True)
    for item in section.items:
        head = Text.assemble((f"{item.level:<8}", _LEVELS[item.level]), (printable(item.label), "bold"))
        console.print(head)
        body = [Text(printable(item.text)), *(Text(printable(detail), "cyan") for detail in item.details)]
        for line in body:
            console.print(Padding(_with_breaks(line, console.width - 8), (0, 0, 0, 8)))
        if item.facts:
            room = console.width - 10 - max(len(label) for label, _ in item.facts)
            console.print(Padding(_grid(item.facts, room), (0, 0, 0, 8)))


def _with_breaks(text: Text, room: int) -> Text:
    """The text with line ends in words that are longer than a line, where a name or a setting ends if that can be.

    Rich would break them anywhere.
    """
    found = re.sub(rf"\S{{{max(room, 1) + 1},}}", lambda word: "\n".join(_pieces(word[0], room)), text.plain)
    return text if found == text.plain else Text(found, text.style)


def _pieces(word: str, room: int) -> Iterator[str]:
    while len(word) > room > 0:
        ends = (max((found.end() for found in mark.finditer(word[:room])), default=0) for mark in _BREAKS)
        end = next((end for end in ends if end), room)
        yield word[:end]
        word = word[end:]
    yield word


def _grid(facts: Sequence[tuple[str, str]], room: int | None = None) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in facts:
        text = Text(printable(value))
        grid.add_row(printable(label), text if room is None else _with_breaks(text, room))
    return grid


def _table(table: Table, fitting: Fitting) -> RichTable:
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        title=Text(printable(table.title)) if table.title else None,
        title_justify="left",
        show_edge=False,
        pad_edge=False,
        # The box puts one character between columns.
        padding=(0, fitting.gap - 2, 0, 1) if fitting.gap > 2 else (0, 1, 0, 0),
    )
    columns = [(index, table.columns[index]) for index in fitting.columns]
    for (_, column), width in zip(columns, fitting.widths, strict=True):
        drawn.add_column(
            column.title,
            justify="left" if column.kind in LEFT_KINDS else "right",
            width=width,
            overflow="fold",
            header_style="bold",
        )
        if column.kind == "scale" and fitting.bars:
            drawn.add_column("", no_wrap=True, width=BAR_WIDTH)
    full = {index: full_scale([row[index] for row in table.rows]) for index in range(len(table.columns))}
    for row in table.rows:
        cells: list[Text] = []
        for index, column in columns:
            cells.append(_cell(row[index], column))
            if column.kind == "scale" and fitting.bars:
                cells.append(_bar(row[index], full[index]))
        drawn.add_row(*cells)
    return drawn


def _cell(value: Any, column: Column) -> Text:
    text = cell_text(value, column.kind)
    if isinstance(value, Branch):
        return Text.assemble((value.guide, "dim"), printable(value.label))
    if value is None:
        return Text(text, style="dim")
    if column.kind == "scale" and isinstance(value, (int, float)) and value > 1:
        return Text(text, style="bold red")
    return Text(text)


def _bar(value: Any, full: float) -> Text:
    eighths = round(bar_length(value, full, BAR_WIDTH) * 8)
    whole, part = divmod(eighths, 8)
    color = _RAMP[min(int(bar_length(value, 1.0, len(_RAMP))), len(_RAMP) - 1)]
    over = isinstance(value, (int, float)) and value > 1
    return Text(_EIGHTHS[8] * whole + (_EIGHTHS[part] if part else ""), style="red" if over else color)
