"""What ``check`` says about its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.errors import not_one_of
from lrdecay_cli.domain.finding import SEVERITIES, CheckResult, Finding, Severity, Skipped
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Column, Item, Note, Report, Result, Section, Table
from lrdecay_cli.text.counting import count

FINDING_COLUMNS = (
    Column("config", "config", "name"),
    Column("code", "code", vital=True),
    Column("name", "name"),
    Column("severity", "severity"),
    Column("message", "message", vital=True),
    Column("option", "option"),
    Column("parameters", "parameters", "name"),
    Column("remedy", "remedy"),
    Column("suppressed", "suppressed"),
    Column("fingerprint", "fingerprint"),
)
STATISTICS_COLUMNS = (
    Column("code", "code", vital=True),
    Column("name", "name", vital=True),
    Column("severity", "severity"),
    Column("findings", "findings", "integer"),
    Column("configs", "configs", "integer"),
)


def report_of(
    result: CheckResult, *, statistics: bool = False, verbose: bool = False, maps: Sequence[GroupMap] = ()
) -> Result[CheckResult]:
    """The report on a result.

    Args:
        result: what was found.
        statistics: a table of counts in place of the findings.
        verbose: every parameter by name, in place of patterns, and the suppressed findings too.
        maps: what was judged.
    """
    report = Report(
        facts=(),
        tables=(_statistics(result.counting()),) if statistics else (),
        notes=tuple(unjudged_notes(result.unjudged)),
        summary=summary_of(result),
        rows=_statistics(result.counting()) if statistics else _rows(result.findings),
        sections=() if statistics else tuple(sections_of(result, verbose)),
    )
    return Result(result, report, tuple(maps))


def check_severity(name: str, where: str = "--fail-on") -> Severity:
    """The severity of this name. Raises LrdecayError for a name that is none."""
    for severity in SEVERITIES:
        if name == severity:
            return severity
    raise not_one_of(f"unknown severity {name!r}", name, SEVERITIES, where=where)


def sections_of(result: CheckResult, verbose: bool) -> Iterator[Section]:
    """The findings by config, the suppressed ones where everything is told."""
    shown = result.findings if verbose else result.counting()
    by_config: dict[str, list[Finding]] = {}
    for finding in shown:
        by_config.setdefault(finding.config, []).append(finding)
    for config, findings in by_config.items():
        yield Section(config, tuple(_item(finding, verbose) for finding in findings))


def _item(finding: Finding, verbose: bool) -> Item:
    facts = [("why", finding.why), ("remedy", finding.remedy)]
    if finding.option:
        facts.insert(0, ("option", finding.option))
    if finding.suppressed:
        until = f", until {finding.suppressed.until}" if finding.suppressed.until else ""
        facts.append(("suppressed", f"{finding.suppressed.reason} ({finding.suppressed.source}{until})"))
    return Item(
        finding.severity,
        f"{finding.code} {finding.name}",
        finding.message,
        finding.parameters if verbose else finding.patterns,
        tuple(facts),
    )


def unjudged_notes(unjudged: Sequence[Skipped]) -> Iterator[Note]:
    """A note on what could not be judged, if there is any."""
    if unjudged:
        told = tuple(f"{skipped.config}: {skipped.status}: {skipped.problem}" for skipped in unjudged)
        yield Note(f"could not be judged: {count(len(told), 'config')}", "error", told)


def summary_of(result: CheckResult) -> str:
    """One line: how many findings there are in how many configs."""
    counting = result.counting()
    checked = count(len(result.checked), "config")
    suppressed = len(result.findings) - len(counting)
    tail = f" ({suppressed} suppressed)" if suppressed else ""
    if not counting:
        return f"no findings in {checked}{tail}"
    counts = Counter(finding.severity for finding in counting)
    told = ", ".join(
        f"{counts[severity]:,} info" if severity == "info" else count(counts[severity], severity)
        for severity in reversed(SEVERITIES)
        if counts[severity]
    )
    return f"{told} in {checked}{tail}"


def _statistics(findings: Sequence[Finding]) -> Table:
    by_rule: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault((finding.code, finding.name, finding.severity), []).append(finding)
    rows = ((*rule, len(found), len({finding.config for finding in found})) for rule, found in sorted(by_rule.items()))
    return Table("", STATISTICS_COLUMNS, tuple(rows))


def _rows(findings: Sequence[Finding]) -> Table:
    return Table(
        "",
        FINDING_COLUMNS,
        tuple(
            (
                finding.config,
                finding.code,
                finding.name,
                finding.severity,
                finding.message,
                finding.option,
                " ".join(finding.patterns),
                finding.remedy,
                finding.suppressed.reason if finding.suppressed else None,
                finding.fingerprint,
            )
            for finding in findings
        ),
    )
