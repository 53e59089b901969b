"""Reports on the results of ``check`` and ``baseline``."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from lrdecay_cli.analysis.unrun import unrun_notes
from lrdecay_cli.checking.baseline_files import BaselineFile
from lrdecay_cli.checking.baselines import command_of_program
from lrdecay_cli.domain.change import BaselineResult, State
from lrdecay_cli.domain.errors import not_one_of
from lrdecay_cli.domain.finding import NO_BASELINE, SEVERITIES, Cause, CheckResult, Finding, Severity, Skipped
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.origins import COMMAND_LINE, Place
from lrdecay_cli.domain.report import Column, Item, Note, Report, Result, Section, Table
from lrdecay_cli.text.counting import count, verb
from lrdecay_cli.text.printing import printable

FINDING_COLUMNS = (
    Column("config", "config", "name"),
    Column("code", "code", vital=True),
    Column("name", "name"),
    Column("severity", "severity"),
    Column("message", "message", vital=True),
    Column("option", "option"),
    Column("parameters", "parameters", "name"),
    Column("fix", "fix"),
    Column("suppressed", "suppressed"),
    Column("fingerprint", "fingerprint"),
)
_NAMES_SHOWN = 4
STATISTICS_COLUMNS = (
    Column("code", "code", vital=True),
    Column("name", "name", vital=True),
    Column("severity", "severity"),
    Column("findings", "findings", "integer"),
    Column("configs", "configs", "integer"),
)


_BASELINE_COLUMNS = (
    Column("config", "config", "name", vital=True),
    Column("file", "baseline", "name"),
    Column("state", "state", vital=True),
    Column("changes", "parameters changed", "integer"),
)


def baseline_report(result: BaselineResult, notes: Sequence[Note] = ()) -> Result[BaselineResult]:
    """Return a report on the baselines that the command ``baseline`` wrote or would write, with further ``notes``."""
    rows = tuple((record.config, record.file, record.state, record.changes) for record in result.baselines)
    counts = Counter(record.state for record in result.baselines)
    states = ", ".join(f"{counts[state]} {state}" for state in get_args(State) if counts[state])
    report = Report(
        facts=(),
        tables=(Table("", _BASELINE_COLUMNS, rows),),
        notes=(*notes, *_unjudged_notes(result.unjudged)),
        summary=f"baselines: {states or 'none'}{_skipped_of(len(rows), result.unjudged)}",
    )
    return Result(result, report)


def report_of(
    result: CheckResult,
    *,
    statistics: bool = False,
    verbose: bool = False,
    maps: Sequence[GroupMap] = (),
    compared: bool = False,
    notes: Sequence[Note] = (),
) -> Result[CheckResult]:
    """Return the report of ``check``.

    Args:
        result: the result of the check.
        statistics: show a table of counts instead of the findings.
        verbose: show every parameter name instead of patterns, and suppressed findings.
        maps: the checked maps.
        compared: True if the maps were compared with baselines. If no map differs, the summary says so.
        notes: further notes for the report.
    """
    by_rule = _statistics(result.counting())
    report = Report(
        facts=(),
        tables=(by_rule,) if statistics else (),
        notes=(*_unknown_notes(result, maps), *notes, *_unjudged_notes(result.unjudged)),
        summary=f"{summary_of(result)}{_equality_of(result) if compared else ''}",
        rows=by_rule if statistics else _rows(result.findings),
        sections=() if statistics else sections_of(result, verbose),
    )
    return Result(result, report, tuple(maps))


def _unknown_notes(result: CheckResult, maps: Sequence[GroupMap]) -> Iterator[Note]:
    """Yield notes on what ``check`` cannot do with these maps, for example find file locations without a config."""
    read = [each.source for each in result.checked if each.read]
    if read and result.findings:
        map_names = read[0] if len(read) == 1 else f"{len(read):,} maps"
        yield Note(
            f"{map_names}: read without a config, so findings have no file locations, and suppressions in comments do"
            " not apply"
        )
    yield from unrun_notes(maps)


def check_severity(name: str, where: str = "--fail-on") -> Severity:
    """Return the severity with this name.

    Raises:
        LrdecayError: no severity has this name.
    """
    severity = next((severity for severity in SEVERITIES if severity == name), None)
    if severity is None:
        raise not_one_of(f"unknown severity {name!r}", name, SEVERITIES, where=where)
    return severity


def sections_of(result: CheckResult, verbose: bool) -> tuple[Section, ...]:
    """Return a section for each file, with the findings in it; with ``verbose``, also the suppressed findings.

    The worst findings are first. The reason ("why") of a rule is printed once. A finding of severity ``info`` is
    shortened to its message and fix if several configs were checked, or if there is an error or a warning.
    """
    crowded = len(result.checked) > 1 or any(finding.severity != "info" for finding in result.counting())
    by_file: dict[str, list[Item]] = {}
    explained: set[str] = set()
    for cause in result.causes():
        finding = cause.finding
        if finding.suppressed and not verbose:
            continue
        short = crowded and finding.severity == "info" and not verbose
        item = _item(cause, verbose, explain=not short and finding.code not in explained, short=short)
        if not short:
            explained.add(finding.code)
        by_file.setdefault(title_of(cause), []).append(item)
    return tuple(Section(file, tuple(items)) for file, items in by_file.items())


def title_of(cause: Cause) -> str:
    """Return the file under which a report lists findings with the same cause.

    This is the file that sets the option that the findings are about. If no file sets the option, it is the config.
    """
    place = cause.finding.place
    return place.file if place and place.file != COMMAND_LINE else cause.finding.config


def describe_option(finding: Finding) -> str:
    """Return the option of a finding as text, with the line that sets it.

    If this line overrides the value of another line, the text also names that line. If a config of an installed package
    sets the option, the text also names the line that inherits this config.
    """
    replaced = f", overrides {finding.replaces[-1]}" if finding.replaces else ""
    if not finding.place:
        return finding.option
    shown = shown_place(finding)
    inherited = f", inherited at {shown}" if shown != finding.place else ""
    # A finding about a suppression names its comment.
    return (
        f"{finding.option}, {'at' if finding.option.startswith('#') else 'set at'} {finding.place}{replaced}{inherited}"
    )


def shown_place(finding: Finding) -> Place | None:
    """Return the file and line at which an editor can show a finding about an option; None if it has no place.

    If a config of an installed package sets the option, this is the ``_base_`` entry of the project that inherits it.
    """
    if not finding.place:
        return None
    return next((each for each in (finding.place, *finding.bases) if Path(each.file).is_file()), finding.place)


def _item(cause: Cause, verbose: bool, *, explain: bool, short: bool) -> Item:
    finding = cause.finding
    facts = [("why", finding.why)] if explain else []
    facts.append(("fix", finding.fix))
    if finding.option and not short:
        facts.insert(0, ("option", describe_option(finding)))
    if cause.configs != (title_of(cause),):
        own = "" if cause.alike else f". The numbers are those of {printable(cause.finding.config)}"
        facts.insert(0, ("configs", f"{_some_of(cause.configs, verbose)}{own}"))
    if finding.suppressed:
        until = f", until {finding.suppressed.until}" if finding.suppressed.until else ""
        facts.append(("suppressed", f"{finding.suppressed.reason} ({finding.suppressed.source}{until})"))
    return Item(
        finding.severity,
        f"{finding.code} {finding.name}",
        finding.message,
        finding.parameters if verbose else () if short else finding.patterns,
        tuple(facts),
    )


def _some_of(names: Sequence[str], verbose: bool) -> str:
    if verbose or len(names) <= _NAMES_SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMES_SHOWN - 1])} and {len(names) - _NAMES_SHOWN + 1} more"


def removal(path: str) -> str:
    """Return the advice to remove a baseline, for example ``if the config was deleted: git rm maps/a.txt``."""
    return f"if the config was deleted: git rm {shlex.quote(path)}"


def skipped_notes(skipped: Sequence[str], verbose: bool) -> tuple[Note, ...]:
    """Return a note on the ``.py`` files in directories that ``check`` skipped, because they are not configs.

    Return an empty tuple if no file was skipped.
    """
    if not skipped:
        return ()
    files = count(len(skipped), ".py file")
    configs = verb(len(skipped), "is not a training config", "are not training configs")
    return (Note(f"skipped {files} that {configs}: {_some_of([*map(printable, skipped)], verbose)}"),)


def program_notes(folder: str, files: Sequence[BaselineFile]) -> tuple[Note, ...]:
    """Return a note on the baselines of training scripts, because ``--update`` cannot write these baselines.

    Return an empty tuple if there are no such baselines.
    """
    lines = tuple(f"{file.path}: in the script: {command_of_program(folder, file.config)}" for file in files)
    if not lines:
        return ()
    made = "a training script made this baseline" if len(lines) == 1 else "training scripts made these baselines"
    kept = f"{count(len(lines), 'baseline')} not updated, because {made}"
    return (Note(f"{kept}: --update builds configs, but does not run scripts", "warning", lines),)


def lost_notes(lost: Sequence[tuple[str, str]]) -> tuple[Note, ...]:
    """Return a note on baselines whose configs no longer exist; empty if there are none.

    ``lost`` contains pairs of baseline file and config.
    """
    lines = tuple(f"{path}: there is no {config}; {removal(path)}" for path, config in lost)
    return (Note(f"{count(len(lines), 'baseline')} without a config", "warning", lines),) if lines else ()


def _equality_of(result: CheckResult) -> str:
    """Return the text ``; no parameter differs from the baselines``, with which a summary ends.

    Return an empty text if a parameter differs, or if not all configs were compared with a baseline.
    """
    differs = any(finding.code == "LRD701" for finding in result.findings)
    if differs or result.unjudged or not result.checked:
        return ""
    return f"; no parameter differs from the {'baseline' if len(result.checked) == 1 else 'baselines'}"


def _unjudged_notes(unjudged: Sequence[Skipped]) -> tuple[Note, ...]:
    """Return notes on the configs that could not be checked or that have no baseline."""
    lines: dict[str, list[str]] = {}
    for skipped in unjudged:
        line = f"{skipped.config}: {skipped.status}: {skipped.problem}"
        lines.setdefault(skipped.title, []).append(line)
    return tuple(
        Note(f"{title}: {count(len(several), 'config')}", "error", tuple(several)) for title, several in lines.items()
    )


def summary_of(result: CheckResult) -> str:
    """Return one line with the numbers of findings and configs. A finding that several configs inherit counts once."""
    causes = [cause.finding for cause in result.causes()]
    counting = [finding for finding in causes if finding.suppressed is None]
    checked = count(len(result.checked), "config")
    suppressed = len(causes) - len(counting)
    tail = f" ({suppressed} suppressed)" if suppressed else ""
    tail += _skipped_of(len(result.checked), result.unjudged)
    if not counting:
        return f"no findings in {checked}{tail}"
    counts = Counter(finding.severity for finding in counting)
    numbers = ", ".join(
        f"{counts[severity]:,} info" if severity == "info" else count(counts[severity], severity)
        for severity in reversed(SEVERITIES)
        if counts[severity]
    )
    return f"{numbers} in {checked}{tail}"


def _skipped_of(judged: int, skipped: Sequence[Skipped]) -> str:
    """Return the text with which a summary ends, for example ``; 5 of 8 configs could not be checked``.

    Return an empty text if all configs were checked and have a baseline.
    """
    alone = sum(each.status == NO_BASELINE for each in skipped)
    failed = len(skipped) - alone
    total = count(judged + failed, "config")
    text = f"; {failed:,} of {total} could not be checked" if failed else ""
    return text + (f"; {alone:,} of {total} {'has' if alone == 1 else 'have'} no baseline" if alone else "")


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
                finding.fix,
                finding.suppressed.reason if finding.suppressed else None,
                finding.fingerprint,
            )
            for finding in findings
        ),
    )
