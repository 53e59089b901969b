"""Show results of the Python API, such as a group map, in programs and notebooks.

``domain/display.py`` calls these functions by name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from lrdecay_cli.api.arguments import path_of
from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Report

# Attribute of a record with its report. It is not a field, so comparing and encoding ignore it.
_REPORT = "_report"


_Record = TypeVar("_Record", bound=Displayed)


def with_report(record: _Record, report: Report | None) -> _Record:
    """Store a report in a result of the Python API, and return the result. ``print`` then shows this report."""
    vars(record)[_REPORT] = report
    return record


def report_of(record: Displayed) -> Report | None:
    """Return the report that the command prints for this result; None if the result has no report."""
    if isinstance(record, GroupMap):
        from lrdecay_cli.analysis.inspecting.report import inspection
        from lrdecay_cli.checking.embedded_findings import inspected_findings

        return inspection(record, findings=inspected_findings(record)).report
    if isinstance(record, CheckResult):
        from lrdecay_cli.checking.reporting import report_of as check_report

        return check_report(record).report
    return vars(record).get(_REPORT)


def text(record: Displayed) -> str:
    """Return the report on a result as plain text. Long lines are not wrapped."""
    from lrdecay_cli.formats import Canvas
    from lrdecay_cli.formats.plain_text import render

    report = report_of(record)
    return render(report, Canvas()) if report else repr(record)


def fragment(record: Displayed) -> str:
    """Return the report on a result as HTML for a notebook."""
    from html import escape

    from lrdecay_cli.formats.notebook import render

    report = report_of(record)
    return render(report) if report else f"<code>{escape(repr(record))}</code>"


class _Terminal:
    """A report that rich prints with the width and the colours of its console."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich.text import Text

        from lrdecay_cli.formats import Canvas
        from lrdecay_cli.formats.rich_terminal import render

        canvas = Canvas(options.max_width, color=console.color_system is not None)
        yield Text.from_ansi(render(self.report, canvas).rstrip("\n"))


def terminal(record: Displayed) -> Any:
    """Return an object that rich prints as the report on a result.

    If the result has no report, return its ``repr``.
    """
    report = report_of(record)
    return _Terminal(report) if report else repr(record)


def plot(group_map: GroupMap, ax: Any = None) -> Any:
    """Draw the lr of every group as a bar, from the first layer to the head; return the axes."""
    from lrdecay_cli.formats.group_plot import draw

    return draw(group_map, ax)


def save(group_map: GroupMap, path: str | os.PathLike[str]) -> None:
    """Write a group map to a JSON file."""
    from lrdecay_cli.files.writing import to_json, write_text

    place = Path(path_of(path, "path"))
    if place.suffix != ".json":
        file = place.with_suffix(".json")
        fix = f"save the map as {file}; for the text form, run lrdecay baseline {file} -o {place}"
        raise LrdecayError("a map is saved as JSON, so the name must end in .json", where=str(place), fix=fix)
    try:
        write_text(place, to_json(group_map))
    except LrdecayError as error:
        raise error.at(error.where if error.where.startswith(str(place)) else f"{place}: {error.where}") from None
