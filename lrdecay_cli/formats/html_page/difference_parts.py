"""What the page of a difference shows, and what its scripts get of it."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.domain.change import Difference
from lrdecay_cli.domain.report import Column, Report, Table
from lrdecay_cli.formats.html_page.values import full, is_number
from lrdecay_cli.formats.numbers import printable

_SETTINGS = (Column("setting", "setting", "name"), Column("before", "before"), Column("after", "after"))


def settings(report: Report) -> dict[str, Any]:
    """Where both sides came from, then each setting that differs."""
    difference: Difference = report.document
    before, after = difference.before, difference.after
    rows = [("config", before.path, after.path), ("sha256", before.sha256, after.sha256)]
    if before.overrides or after.overrides:
        rows.append(("overrides", full(before.overrides), full(after.overrides)))
    rows += [(setting.name, full(setting.before), full(setting.after)) for setting in difference.settings]
    return {"table": Table("", _SETTINGS, tuple(rows))}


def changes(report: Report) -> dict[str, Any]:
    """The table of what changed alike."""
    return {"table": report.tables[0] if report.tables and report.tables[0].rows else None}


def data(report: Report) -> dict[str, Any]:
    """Every folded change with its values in full; names are told once and referred to by number."""
    difference: Difference = report.document
    numbers: dict[str, int] = {}
    return {
        "changes": [
            {
                "aspect": change.aspect.replace("_", " "),
                "before": full(change.before),
                "after": full(change.after),
                "numbers": [change.before, change.after] if _numeric(change.before, change.after) else None,
                "names": [numbers.setdefault(name, len(numbers)) for name in change.parameters],
            }
            for change in difference.changes
        ],
        "patterns": [row[0] for row in report.tables[0].rows] if report.tables else [],
        "raw_names": list(numbers),
        "names": [printable(name) for name in numbers],
    }


def _numeric(*values: Any) -> bool:
    return all(is_number(value) for value in values)
