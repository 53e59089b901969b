"""Return the data for the HTML pages of ``check``, ``diff`` and ``schedule``: for their templates and JavaScript."""

from __future__ import annotations

from typing import Any, TypeVar

from lrdecay_cli.checking.reporting import describe_option, title_of
from lrdecay_cli.domain.change import Difference
from lrdecay_cli.domain.finding import Cause, CheckResult
from lrdecay_cli.domain.report import AnyResult, Column, Table
from lrdecay_cli.formats.palette import line_steps
from lrdecay_cli.formats.values import full, is_number, printable

_CHECKED = (
    Column("config", "config", "name"),
    Column("findings", "findings", "integer"),
    Column("suppressed", "suppressed", "integer"),
    Column("tensors", "tensors", "integer"),
    Column("groups", "groups", "integer"),
    Column("problem", "problem"),
)
_SETTINGS = (Column("setting", "setting", "name"), Column("before", "before"), Column("after", "after"))
# Limit of points: a screen does not show more.
_DIGITS = 6
_Document = TypeVar("_Document", CheckResult, Difference)


def findings(result: AnyResult) -> dict[str, Any]:
    """Return the findings of ``check`` by file, suppressed findings last.

    Findings of several configs with the same cause are one entry. The number of an entry is its index in the list that
    :func:`findings_data` returns.
    """
    checked = _document(result, CheckResult)
    by_file: dict[str, list[tuple[int, Cause, str]]] = {}
    for number, cause in enumerate(checked.causes()):
        option = describe_option(cause.finding) if cause.finding.option else ""
        by_file.setdefault(title_of(cause), []).append((number, cause, option))
    judged = checked.configs
    return {
        "by_file": [
            (file if (file,) != judged else "", sorted(found, key=lambda item: item[1].finding.suppressed is not None))
            for file, found in by_file.items()
        ],
        "several": len(judged) > 1,
    }


def configs(result: AnyResult) -> dict[str, Any]:
    """Return a table of the checked configs, and of configs that could not be checked."""
    checked = _document(result, CheckResult)
    counts: dict[str, list[int]] = {}
    for finding in checked.findings:
        counts.setdefault(finding.config, [0, 0])[finding.suppressed is not None] += 1
    problems = {entry.config: f"{entry.status}: {entry.problem}" for entry in checked.unjudged}
    # A config without a baseline was judged.
    rows: list[tuple[Any, ...]] = [
        (entry.config, *counts.get(entry.config, (0, 0)), entry.tensors, entry.groups, problems.pop(entry.config, None))
        for entry in checked.checked
    ]
    rows += [(config, None, None, None, None, problem) for config, problem in problems.items()]
    columns = _CHECKED if checked.unjudged else _CHECKED[:-1]
    return {"table": Table("", columns, tuple(row[: len(columns)] for row in rows))}


def findings_data(result: AnyResult) -> Any:
    """Return the findings of ``check`` as data for the JavaScript of the page: code, rule name and parameter names.

    Findings of several configs with the same cause are one entry.
    """
    findings = [cause.finding for cause in _document(result, CheckResult).causes()]
    return [
        {"code": finding.code, "name": finding.name, "parameters": [printable(name) for name in finding.parameters]}
        for finding in findings
    ]


def settings(result: AnyResult) -> dict[str, Any]:
    """Return a table about the two compared maps: the source of each map, and every setting that differs."""
    difference = _document(result, Difference)
    before, after = difference.before, difference.after
    rows = [("side", difference.before_source, difference.after_source)]
    rows += [("config", before.path, after.path), ("sha256", before.sha256, after.sha256)]
    if before.overrides or after.overrides:
        rows.append(("overrides", full(before.overrides), full(after.overrides)))
    rows += [
        (
            setting.name,
            setting.before_unset if setting.before_unset == "not recorded" else full(setting.before),
            setting.after_unset if setting.after_unset == "not recorded" else full(setting.after),
        )
        for setting in difference.settings
    ]
    return {"table": Table("", _SETTINGS, tuple(rows))}


def changes(result: AnyResult) -> dict[str, Any]:
    """Return the table of changes. ``--by`` sets whether a row is a layer, a module or a pattern of parameter names."""
    table = next((table for table in result.report.tables[:1] if table.rows), None)
    return {"table": table, "by": _document(result, Difference).by}


def coming(result: AnyResult) -> dict[str, Any]:
    """Return the table of future lrs. Call this only if future lrs were compared and differ."""
    return {"table": result.report.tables[1]}


def changes_data(result: AnyResult) -> dict[str, Any]:
    """Return all changes as data for the JavaScript of the page, with all digits.

    A change lists its parameters by index, and the result contains each parameter name once.
    """
    difference = _document(result, Difference)
    numbers: dict[str, int] = {}
    return {
        "changes": [
            {
                "aspect": change.aspect.replace("_", " "),
                "before": full(change.before),
                "after": full(change.after),
                "numbers": [change.before, change.after]
                if is_number(change.before) and is_number(change.after)
                else None,
                "names": [numbers.setdefault(name, len(numbers)) for name in change.parameters],
            }
            for change in difference.changes
        ],
        "patterns": [
            row[0] for table in result.report.tables[:1] for row in table.rows if difference.by == "parameter"
        ],
        "raw_names": list(numbers),
        "names": [printable(name) for name in numbers],
    }


def chart_data(result: AnyResult) -> dict[str, Any] | None:
    """Return the lines of the chart as data for the JavaScript of the page; None without a chart.

    The colour of a line depends on its highest value.
    """
    chart = result.report.chart
    if chart is None:
        return None
    rounded = [
        [float(f"{value:.{_DIGITS}g}") if is_number(value) else None for value in line.values] for line in chart.lines
    ]
    return {
        "title": printable(chart.title),
        "unit": printable(chart.unit),
        "length": chart.length,
        "part": chart.part,
        "logarithmic": chart.logarithmic,
        "steps": chart.steps,
        "lines": [
            {"label": printable(line.label), "color": f"r{step}", "values": values}
            for line, step, values in zip(chart.lines, line_steps(chart), rounded, strict=True)
        ],
    }


def _document(result: AnyResult, kind: type[_Document]) -> _Document:
    if not isinstance(result.document, kind):
        raise TypeError(type(result.document))
    return result.document
