"""Python: what a report has to paste, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from lrdecay_cli.domain.report import Report
from lrdecay_cli.formats import Canvas
from lrdecay_cli.text.printing import printable

_BASE = "_base_ = "


def render(report: Report, canvas: Canvas) -> str:
    """The report's code, as a file that loads from where it is written.

    A comment that says why if there is none, and under it the base, so that the file is a config all the same.
    """
    code = report.code or f"# {printable(report.summary)}\n"
    if not report.based_on:
        return code
    lines = [line for line in code.splitlines() if not line.startswith(_BASE)]
    # Comments stay in front.
    lines.insert(0 if report.code else 1, f"{_BASE}{_seen_from(canvas.path, report.based_on)!r}")
    return "\n".join([*lines, ""])


def _seen_from(path: str | None, config: str) -> str:
    """The config as ``_base_`` of a file at ``path`` names it; for stdout as of one beside it."""
    if "::" in config:
        return config
    given = Path(config)
    if path is None:
        return f"./{given.name}"
    folder = Path(path).parent.absolute()
    if folder.drive != given.absolute().drive:
        return given.absolute().as_posix()
    relative = Path(os.path.relpath(given, folder)).as_posix()
    # From behind a link ".." leads elsewhere.
    if (folder / relative).resolve() != given.resolve():
        return given.absolute().as_posix()
    return relative if relative.startswith("../") else f"./{relative}"
