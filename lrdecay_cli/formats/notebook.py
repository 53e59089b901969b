"""Write a report as HTML for a notebook cell: without scripts, in the colours and fonts of the notebook.

Lines and bars are half transparent, so that they are readable on light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from lrdecay_cli.domain.report import Column, Note, Report, Section, Table
from lrdecay_cli.formats.palette import range_of_tables
from lrdecay_cli.formats.values import LEFT_KINDS, bar_length, cell_text, is_number, printable

ROWS = 60
"""Maximum number of table rows, because a notebook stores the output in its file."""
_LEVELS = {"info": "#3b82f6", "warning": "#d97706", "error": "#e5484d"}
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = "padding:.15em .6em;border:0;background:none;white-space:nowrap"


def render(report: Report) -> str:
    """Return the report as a single ``<div>``. All texts are escaped."""
    parts = [
        *(f"<p style='margin:.3em 0'><b>{_text(line)}</b></p>" for line in report.lead),
        _facts(report.facts),
        *map(_section, report.sections),
        *(_table(table) for table in report.tables if table.rows),
        *map(_note, report.notes),
        f"<pre style='margin:.5em 0;background:none;color:inherit'>{escape(report.code.rstrip())}</pre>"
        if report.code
        else "",
        f"<p style='margin:.5em 0;font-weight:600'>{_text(report.summary)}</p>",
    ]
    style = "font:13px/1.45 system-ui,sans-serif;color:inherit;overflow-x:auto;text-align:left"
    return f"<div class='lrdecay' style='{style}'>{''.join(parts)}</div>"


def _text(text: str) -> str:
    return escape(printable(text))


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = (
        f"<tr style='background:none'><th style='{_CELL};text-align:left;font-weight:400;opacity:.65'>{_text(label)}"
        f"</th><td style='{_CELL};text-align:left;white-space:normal'>{_text(value)}</td></tr>"
        for label, value in facts
    )
    body = "".join(rows)
    return f"<table style='border-collapse:collapse;border:0;margin:.2em 0'>{body}</table>" if body else ""


def _section(section: Section) -> str:
    items = []
    for item in section.items:
        details = "".join(f"<code style='{_CODE}'>{_text(detail)}</code> " for detail in item.details[:ROWS])
        facts = "".join(
            f"<div><span style='opacity:.65'>{_text(label)}:</span> {_text(value)}</div>" for label, value in item.facts
        )
        items.append(
            f"<div style='margin:.4em 0;padding-left:.7em;border-left:3px solid {_LEVELS[item.level]}'>"
            f"<b style='color:{_LEVELS[item.level]}'>{item.level}</b> <b>{_text(item.label)}</b>"
            f"<div>{_text(item.text)}</div><div>{details}</div>{facts}</div>"
        )
    return f"<p style='margin:.5em 0 0'><b>{_text(section.title)}</b></p>{''.join(items)}"


_CODE = "background:rgba(128,128,128,.15);color:inherit;padding:0 .3em;border-radius:3px"


def _table(table: Table) -> str:
    full = range_of_tables((table,)).full
    title = f"<caption style='caption-side:top;text-align:left;color:inherit'>{_text(table.title)}</caption>"
    head = "".join(
        f"<th style='{_CELL};{_LINE};text-align:{_side(column)}'>{_text(column.title)}</th>" for column in table.columns
    )
    body = "".join(
        f"<tr style='background:none'>{''.join(_cells(row, table.columns, full))}</tr>" for row in table.rows[:ROWS]
    )
    more = len(table.rows) - ROWS
    rest = f"<p style='margin:.2em .6em;opacity:.65'>… {more:,} more rows: print() shows all</p>" if more > 0 else ""
    return (
        f"<table style='border-collapse:collapse;border:0;margin:.4em 0'>{title if table.title else ''}"
        f"<thead><tr style='background:none'>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
    )


def _cells(row: tuple[Any, ...], columns: tuple[Column, ...], full: float) -> Iterator[str]:
    for value, column in zip(row, columns, strict=True):
        style = f"{_CELL};text-align:{_side(column)}"
        if column.kind == "scale" and is_number(value):
            # The bar is drawn behind the number, from the left.
            length = bar_length(value, full, 100)
            color = "rgba(229,72,77,.45)" if value > 1 else "rgba(59,130,246,.35)"
            style += f";background:linear-gradient(90deg,{color} {length:.3g}%,transparent {length:.3g}%)"
        yield f"<td style='{style}'>{escape(cell_text(value, column.kind))}</td>"


def _side(column: Column) -> str:
    return "left" if column.kind in LEFT_KINDS else "right"


def _note(note: Note) -> str:
    level = "" if note.level == "info" else f"<b style='color:{_LEVELS[note.level]}'>{note.level}:</b> "
    details = "".join(f"<div style='padding-left:1.2em'>{_text(detail)}</div>" for detail in note.details[:ROWS])
    return f"<div style='margin:.3em 0'>{level}{_text(note.text)}{details}</div>"
