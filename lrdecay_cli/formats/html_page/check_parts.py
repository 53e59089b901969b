"""What the page of a check shows, and what its scripts get of it."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.domain.finding import CheckResult, Finding
from lrdecay_cli.domain.report import Column, Report, Table
from lrdecay_cli.formats.numbers import printable

_CHECKED = (
    Column("config", "config", "name"),
    Column("findings", "findings", "integer"),
    Column("suppressed", "suppressed", "integer"),
    Column("tensors", "tensors", "integer"),
    Column("groups", "groups", "integer"),
    Column("problem", "could not be judged"),
)


def findings(report: Report) -> dict[str, Any]:
    """The findings by config, those that count before those that are suppressed; numbers as in :func:`data`."""
    result: CheckResult = report.document
    by_config: dict[str, list[tuple[int, Finding]]] = {}
    for number, finding in enumerate(result.findings):
        by_config.setdefault(finding.config, []).append((number, finding))
    several = len(result.checked) + len(result.unjudged) > 1
    return {
        "by_config": [
            (config if several else "", sorted(found, key=lambda item: item[1].suppressed is not None))
            for config, found in by_config.items()
        ]
    }


def configs(report: Report) -> dict[str, Any]:
    """What was judged, and what could not be."""
    result: CheckResult = report.document
    counts: dict[str, list[int]] = {}
    for finding in result.findings:
        counts.setdefault(finding.config, [0, 0])[finding.suppressed is not None] += 1
    rows: list[tuple[Any, ...]] = [
        (one.config, *counts.get(one.config, (0, 0)), one.tensors, one.groups, None) for one in result.checked
    ]
    rows += [(one.config, None, None, None, None, f"{one.status}: {one.problem}") for one in result.unjudged]
    columns = _CHECKED if result.unjudged else _CHECKED[:-1]
    return {"table": Table("", columns, tuple(row[: len(columns)] for row in rows))}


def data(report: Report) -> Any:
    """The parameters of each finding, as the list of names shows them."""
    result: CheckResult = report.document
    return [
        {"code": finding.code, "name": finding.name, "parameters": [printable(name) for name in finding.parameters]}
        for finding in result.findings
    ]
