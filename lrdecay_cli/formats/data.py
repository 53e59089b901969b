"""Write output for other programs: JSON, NDJSON, CSV, and Python code to copy into a config."""

from __future__ import annotations

import csv
import os
from io import StringIO
from pathlib import Path

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult
from lrdecay_cli.domain.report import Branch, Report
from lrdecay_cli.domain.scan import Scan
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.formats import Canvas
from lrdecay_cli.text.printing import printable


def json_text(document: msgspec.Struct) -> str:
    """Return the document as JSON text. Raises LrdecayError if a number in it is not finite."""
    return to_json(document)


def ndjson_lines(document: msgspec.Struct) -> str:
    """Return one line of JSON for each record of the document. Raises LrdecayError if the document has no records."""
    if not isinstance(document, (CheckResult, Scan)):
        raise LrdecayError("only the commands scan, merge and check write the format ndjson", fix="use json")
    return "".join(msgspec.json.encode(record).decode() + "\n" for record in document.records)


def csv_rows(report: Report, canvas: Canvas) -> str:
    """Return the tables as CSV. The first line of a table has the column keys; an empty line separates tables."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for index, table in enumerate(report.tables if report.rows is None else (report.rows,)):
        if index:
            out.write("\n")
        writer.writerow(column.key for column in table.columns)
        writer.writerows([value.path if isinstance(value, Branch) else value for value in row] for row in table.rows)
    return out.getvalue()


_BASE = "_base_ = "


def python_code(report: Report, canvas: Canvas) -> str:
    """Return the suggested code as the text of a config, with a ``_base_`` that is relative to the output path.

    If there is no code, the config contains the ``_base_``, and a comment with the reason.
    """
    code = report.code or f"# {printable(report.summary)}\n"
    if not report.based_on:
        return code
    lines = [line for line in code.splitlines() if not line.startswith(_BASE)]
    # Comments stay at the top.
    lines.insert(0 if report.code else 1, f"{_BASE}{_base_path(canvas.path, report.based_on)!r}")
    return "\n".join([*lines, ""])


def _base_path(path: str | None, config: str) -> str:
    """Return the path of ``config`` to write as ``_base_`` into the output file.

    Args:
        path: the output file; None for stdout. The output is then assumed to be for a file next to ``config``.
        config: the config from which the output file inherits.
    """
    if "::" in config:
        return config
    given = Path(config)
    if path is None:
        return f"./{given.name}"
    folder = Path(path).parent.absolute()
    if folder.drive != given.absolute().drive:
        return given.absolute().as_posix()
    relative = Path(os.path.relpath(given, folder)).as_posix()
    # Behind a symbolic link, ".." leads to another folder.
    if (folder / relative).resolve() != given.resolve():
        return given.absolute().as_posix()
    return relative if relative.startswith("../") else f"./{relative}"
