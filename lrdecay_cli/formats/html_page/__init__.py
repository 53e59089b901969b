"""HTML: one file that opens from disk, asks the network for nothing, and prints."""

from __future__ import annotations

from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats.canvas import Canvas
from lrdecay_cli.formats.html_page.assembling import assembled
from lrdecay_cli.formats.html_page.parts import page_of


def render(report: Report, canvas: Canvas) -> str:
    """The report as a page, in ASCII so that no encoding of a pipe can spoil it; ``canvas`` changes nothing."""
    return assembled(page_of(report), report)
