"""Telling an installed package that does not import from an error of lrdecay's own."""

from __future__ import annotations

from lrdecay_cli.doctor.diagnosing import diagnose
from lrdecay_cli.doctor.known import PROVIDERS


def stack_fault(error: BaseException) -> str | None:
    """What is wrong and what mends it, if ``error`` was raised while a package of the stack was imported; else None."""
    package = _importing(error)
    if package is None:
        return None
    for issue in diagnose().issues:
        if issue.severity == "error":
            return f"{issue.line()}; {issue.command or 'see lrdecay doctor'}"
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{package} does not import: {said}; lrdecay doctor --full shows what does"


def _importing(error: BaseException) -> str | None:
    """The outermost package of the stack whose module was being executed."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package in PROVIDERS:
            return package
        trace = trace.tb_next
    return None
