"""CSV: the rows of the report's tables with numbers in full, for spreadsheets and data frames."""

from __future__ import annotations

import csv
from io import StringIO

from lrdecay_cli.domain.report import Branch, Report
from lrdecay_cli.formats import Canvas


def render(report: Report, canvas: Canvas) -> str:
    """A header line with the columns' keys and a line per row; tables are separated by an empty line."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for index, table in enumerate(report.tables if report.rows is None else (report.rows,)):
        if index:
            out.write("\n")
        writer.writerow(column.key for column in table.columns)
        writer.writerows([value.path if isinstance(value, Branch) else value for value in row] for row in table.rows)
    return out.getvalue()
