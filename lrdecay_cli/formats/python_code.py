"""Python: what a report has to paste, and nothing else."""

from __future__ import annotations

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats.canvas import Canvas


def render(report: Report, canvas: Canvas) -> str:
    """The report's code; ``canvas`` changes nothing. LrdecayError if it has none."""
    if not report.code:
        raise LrdecayError("there is nothing to paste", where="--format python", remedy="see --format text for why")
    return report.code
