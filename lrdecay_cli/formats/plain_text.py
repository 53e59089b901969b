"""Write a report as text for pipes, logs and CI: aligned columns of any width, without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from lrdecay_cli.domain.report import Page, Report, Section, Table
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.values import LEFT_KINDS, cell_text, printable

# Width of prose, which is not pasted into other commands.
_LINE = 100


def render(report: Report, canvas: Canvas) -> str:
    """Return the report as plain text; ``canvas`` is ignored."""
    blocks = ["\n".join(map(printable, report.lead)), "\n".join(_aligned(report.facts))]
    blocks += ["\n".join(_section(section)) for section in report.sections]
    blocks += ["\n".join(_table(table)) for table in report.tables if table.rows]
    blocks += ["\n\n".join(_page(page)) for page in report.pages]
    notes = []
    for note in report.notes:
        notes.append(note.text if note.level == "info" else f"{note.level}: {note.text}")
        notes += [f"  {printable(detail)}" for detail in note.details]
    blocks += ["\n".join(notes), report.code.rstrip(), report.summary]
    blocks += [f"next: {printable(report.next_step)}"] if report.next_step else []
    return "\n\n".join(block for block in blocks if block) + "\n"


def _aligned(facts: Sequence[tuple[str, str]], indent: str = "") -> Iterator[str]:
    width = max((len(label) for label, _ in facts), default=0)
    yield from (f"{indent}{printable(label):<{width}}  {printable(value)}" for label, value in facts)


def _page(page: Page) -> Iterator[str]:
    yield printable(page.title)
    for block in page.blocks:
        head = [f"{printable(block.title)}:"] if block.title else []
        lines = block.text.splitlines() if block.code else wrap(block.text.replace("``", "`"), _LINE)
        yield "\n".join([*head, *(f"{'    ' if block.code else ''}{printable(line)}".rstrip() for line in lines)])


def _table(table: Table) -> Iterator[str]:
    texts = [[column.title for column in table.columns]]
    texts += [
        [cell_text(value, column.kind) for value, column in zip(row, table.columns, strict=True)] for row in table.rows
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    if table.title:
        yield printable(table.title)
    for line in texts:
        cells = (
            f"{text:<{width}}" if column.kind in LEFT_KINDS else f"{text:>{width}}"
            for text, width, column in zip(line, widths, table.columns, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _section(section: Section) -> Iterator[str]:
    yield printable(section.title)
    for item in section.items:
        yield f"  {item.level}: {printable(item.label)}: {printable(item.text)}"
        yield from (f"      {printable(detail)}" for detail in item.details)
        yield from _aligned(item.facts, " " * 6)
