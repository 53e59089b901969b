"""Write a report for a terminal, with colours and boxes. Long text is folded, and omitted columns are listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import groupby

from rich.console import Console
from rich.text import Text

from lrdecay_cli.domain.report import Chart, Page, Report, Section
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.charts import MOST_LINES, chart_rows, spread
from lrdecay_cli.formats.fitting import LEAST, fit, folded, indented
from lrdecay_cli.formats.palette import TERMINAL, line_steps, range_of_tables
from lrdecay_cli.formats.terminal_table import Ink, ink, table_lines
from lrdecay_cli.formats.values import printable

_LEVELS = {"info": "blue", "warning": "bold yellow", "error": "bold red"}
# Indentation of the lines below the head of an item.
_INDENT = 8


def render(report: Report, canvas: Canvas) -> str:
    """Return the report with boxes and bars, and with colours if ``canvas.color`` is True."""
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
    styled = ink(colored=console.color_system is not None)
    for sentence in report.lead:
        _print_lines(out, folded(printable(sentence), console.width), "bold", styled)
    if report.lead and report.facts:
        console.print()
    _print_facts(console, report.facts, 0)
    for section in report.sections:
        console.print()
        _print_section(console, section)
    if report.chart is not None:
        console.print()
        _print_chart(console, report.chart)
    scales = range_of_tables(report.tables)
    for table in report.tables:
        if table.rows:
            console.print()
            fitting = fit(table, canvas.width)
            # The terminal wraps lines that are still too long.
            out.writelines(f"{line}\n" for line in table_lines(table, fitting, console.width, styled, scales))
            if hidden := [column.title for index, column in enumerate(table.columns) if index not in fitting.columns]:
                console.print(
                    Text(f"hidden columns: {', '.join(hidden)}; widen the terminal, or use --format text", "dim")
                )
    for page in report.pages:
        console.print()
        _print_page(console, page)
    if report.notes:
        console.print()
    for note in report.notes:
        text = printable(f"{'error: ' if note.level == 'error' else ''}{note.text}")
        _print_lines(out, folded(text, console.width), "" if note.level == "info" else "bold red", styled)
        for detail in map(printable, note.details):
            _print_lines(out, [f"  {detail}"] if note.to_copy else indented(detail, console.width, 2), "dim", styled)
    if report.code:
        console.print()
        # The terminal wraps it, so that copying gives one line.
        console.print(Text(report.code.rstrip(), style="cyan"), soft_wrap=True)
    console.print()
    _print_lines(out, folded(printable(report.summary), console.width), "bold", styled)
    if report.next_step:
        # The terminal wraps the line, so that copying gives one line.
        _print_lines(out, [f"next: {printable(report.next_step)}"], "cyan", styled)
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return text.strip("\n") + "\n"


def _print_lines(out: StringIO, lines: Iterable[str], style: str, styled: Ink) -> None:
    """Print folded lines. rich is not used here, because it is slow for tens of thousands of lines."""
    out.writelines(f"{styled(line, style)}\n" for line in lines)


def _print_chart(console: Console, chart: Chart) -> None:
    console.print(Text(chart.title, "bold"))
    count, steps = len(chart.lines), line_steps(chart)
    for row in chart_rows(chart, console.width):
        runs = groupby(row.cells, key=lambda cell: "dim" if cell[1] is None else TERMINAL[steps[cell[1]]])
        drawn = (("".join(character for character, _ in run), style) for style, run in runs)
        console.print(Text.assemble((row.label, "dim"), *drawn), no_wrap=True)
    named = spread(count, MOST_LINES)
    legend = [Text.assemble(("━ ", TERMINAL[steps[index]]), printable(chart.lines[index].label)) for index in named]
    if count > len(named):
        legend.append(Text(f"{len(named)} of {count} lines drawn; --format svg draws all", "dim"))
    line = Text()
    for entry in legend:
        if line and line.cell_len + 3 + entry.cell_len > console.width:
            console.print(line)
            line = Text()
        line = Text("   ").join([line, entry]) if line else entry
    console.print(line)


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
        console.print(Text.assemble((f"{item.level:<8}", _LEVELS[item.level]), (printable(item.label), "bold")))
        for line in folded(printable(item.text), max(LEAST, console.width - _INDENT)):
            console.print(Text(f"{' ' * _INDENT}{line}"), soft_wrap=True)
        for detail in item.details:
            lines = indented(printable(detail), console.width, _INDENT)
            console.print(Text("\n".join(lines), "cyan"), soft_wrap=True)
        _print_facts(console, item.facts, _INDENT)


def _print_facts(console: Console, facts: Sequence[tuple[str, str]], indent: int) -> None:
    """Print facts in two columns: labels and values. Long values are folded."""
    beside = max((len(printable(label)) for label, _ in facts), default=0) + 2
    for label, value in facts:
        for number, line in enumerate(folded(printable(value), max(LEAST, console.width - indent - beside))):
            head = "" if number else printable(label)
            console.print(Text.assemble(" " * indent, (f"{head:<{beside}}", "dim"), line), soft_wrap=True)
