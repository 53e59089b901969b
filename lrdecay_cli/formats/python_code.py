"""Python: what a report has to paste, and nothing else."""

from __future__ import annotations

from lrdecay_cli.domain.printing import printable
from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats.canvas import Canvas


def render(report: Report, canvas: Canvas) -> str:
    """The report's code; a comment that says why if it has none. ``canvas`` changes nothing."""
    return report.code or f"# {printable(report.summary)}\n"
