"""What ``baseline`` says about the files that it wrote."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from lrdecay_cli.checking.reporting import unjudged_notes
from lrdecay_cli.domain.change import BaselineResult, State
from lrdecay_cli.domain.report import Column, Report, Result, Table

_COLUMNS = (
    Column("config", "config", "name", vital=True),
    Column("file", "baseline", "name"),
    Column("state", "state", vital=True),
    Column("changes", "parameters changed", "integer"),
)


def report_of(result: BaselineResult) -> Result[BaselineResult]:
    """The report on what was written, or would be."""
    rows = tuple((record.config, record.file, record.state, record.changes) for record in result.baselines)
    counts = Counter(record.state for record in result.baselines)
    told = ", ".join(f"{counts[state]} {state}" for state in get_args(State) if counts[state])
    report = Report(
        facts=(),
        tables=(Table("", _COLUMNS, rows),),
        notes=tuple(unjudged_notes(result.unjudged)),
        summary=f"baselines: {told or 'none'}",
    )
    return Result(result, report)
