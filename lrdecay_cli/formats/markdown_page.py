"""Write a report as Markdown, for pull requests and job summaries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from lrdecay_cli.domain.report import Page, Report, Table
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.values import cell_text, printable

_MARKS = {"info": "", "warning": "⚠️ ", "error": "❌ "}
_OPEN_ROWS = 40
_RIGHT = ("integer", "rate", "scale", "share", "factor")


def render(report: Report, canvas: Canvas) -> str:
    """Return the report as GitHub-flavoured Markdown; ``canvas`` is ignored."""
    lines = [line for sentence in report.lead for line in (_escape(sentence), "")]
    lines += [f"- **{_escape(label)}**: {_escape(value)}" for label, value in report.facts]
    for section in report.sections:
        lines += ["", f"### {_code(section.title)}", ""]
        for item in section.items:
            lines.append(f"- {_MARKS[item.level]}**{_escape(item.label)}** {_escape(item.text)}")
            lines += [f"  - {_code(detail)}" for detail in item.details]
            lines += [f"  - {_escape(label)}: {_escape(value)}" for label, value in item.facts]
    for table in report.tables:
        # A table before pages is their table of contents.
        lines += ["", *(_table(table) if report.pages else _folded(table))] if table.rows else []
    for page in report.pages:
        lines += _page(page)
    for note in report.notes:
        lines += ["", f"{_MARKS[note.level]}{_escape(note.text)}", *([""] if note.details else [])]
        lines += [f"- {_code(detail)}" for detail in note.details]
    if report.code:
        fence = _fence(report.code, least=3)
        lines += ["", f"{fence}python", report.code.rstrip(), fence]
    lines += ["", f"**{_escape(report.summary)}**"]
    lines += ["", f"Next: {_code(report.next_step)}"] if report.next_step else []
    return "\n".join(lines).lstrip("\n") + "\n"


def _page(page: Page) -> Iterator[str]:
    yield from ("", f"## {_escape(page.title)}")
    for block in page.blocks:
        yield ""
        if block.title:
            yield from (f"{_escape(block.title)}:", "")
        if block.code:
            fence = _fence(block.text, least=3)
            yield from (f"{fence}{block.code}", *(printable(line) for line in block.text.splitlines()), fence)
        else:
            yield "".join(
                _code(part) if index % 2 else _escape(part) for index, part in enumerate(block.text.split("``"))
            )


def _folded(table: Table) -> Iterator[str]:
    """Yield the lines of a table. A long table is in a ``<details>`` element, which GitHub unfolds on a click."""
    if len(table.rows) <= _OPEN_ROWS:
        yield from _table(table)
        return
    title = f"{table.title}: " if table.title else ""
    yield from ("<details>", f"<summary>{escape(printable(f'{title}{len(table.rows):,} rows'))}</summary>", "")
    yield from _table(table)
    yield from ("", "</details>")


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield from (f"### {_escape(table.title)}", "")
    yield _row(_escape(column.title) for column in table.columns)
    yield _row("---:" if column.kind in _RIGHT else "---" for column in table.columns)
    for row in table.rows:
        yield _row(
            (_code if column.kind in ("name", "tree") else _escape)(cell_text(value, column.kind))
            for value, column in zip(row, table.columns, strict=True)
        )


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", printable(text))


def _code(text: str) -> str:
    """Return ``text`` as a Markdown code span for a table: with enough backticks around it, and ``|`` escaped."""
    fence = _fence(text)
    text = printable(text)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _fence(text: str, *, least: int = 1) -> str:
    return "`" * max(least, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
