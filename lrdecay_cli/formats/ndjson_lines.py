"""NDJSON: a line of JSON for each record, for tools that read as they go."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats.canvas import Canvas


def render(report: Report, canvas: Canvas) -> str:
    """The records of the report's document; ``canvas`` changes nothing. LrdecayError if it is made of no records."""
    records = getattr(report.document, "records", None)
    if records is None:
        raise LrdecayError("ndjson is for scan and check: this report is one document", remedy="use json")
    return "".join(msgspec.json.encode(record).decode() + "\n" for record in records)
