"""JSON: the whole document behind the report, byte for byte the same on every run."""

from __future__ import annotations

from lrdecay_cli.domain.report import Report
from lrdecay_cli.files.json_text import to_json
from lrdecay_cli.formats.canvas import Canvas


def render(report: Report, canvas: Canvas) -> str:
    """The report's document; ``canvas`` changes nothing. Raises LrdecayError if a number in it is not finite."""
    return to_json(report.document)
