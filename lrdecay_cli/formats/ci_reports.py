"""Write findings for continuous integration: as GitHub Actions annotations, as JUnit XML, or in one line per cause.

GitHub Actions: the syntax and escaping of workflow commands follow ``actions/toolkit``,
``packages/core/src/command.ts``. JUnit XML follows the form that Jenkins, GitLab and others read: a test suite for each
file, and a test case for each cause of findings. A cause less severe than ``--fail-on`` is not a failure. A suppressed
cause is a skipped test with the reason. Times are omitted, so that a report is the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec

from lrdecay_cli.checking.reporting import describe_option, shown_place, summary_of, title_of
from lrdecay_cli.domain.finding import Cause, CheckResult, Skipped
from lrdecay_cli.domain.origins import COMMAND_LINE
from lrdecay_cli.domain.report import AnyResult, Note
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.places import check_result, named_configs, place_of
from lrdecay_cli.formats.values import printable

MOST = 10
"""For each step of a job, GitHub shows at most this many errors, this many warnings and this many notices.

Source: GitHub REST API, check runs (2022-11-28), for warnings and errors; actions/toolkit,
``docs/problem-matchers.md``, Limitations, for notices. GitHub also shows at most 50 annotations per job.
"""
_KINDS = {"error": "error", "warning": "warning", "info": "notice"}


def github_annotations(reported: AnyResult, _: Canvas) -> str:
    """Return one annotation for each cause and warning. After ten of the same severity, the others become log lines.

    If findings of several configs have the same cause, they share one annotation.

    Raises LrdecayError for results of other commands.
    """
    result = check_result(reported.document, "github")
    left = dict.fromkeys(_KINDS.values(), MOST)
    lines: list[str] = []
    more: list[str] = []
    ranked: list[Cause | Skipped | Note] = [*result.unjudged, *_reported_causes(result), *_warnings(reported)]
    for each in ranked:
        kind = _kind(each)
        left[kind] -= 1
        if left[kind] >= 0:
            lines.append(_warning(each) if isinstance(each, Note) else _annotation(result, each, kind))
        else:
            more += _log_lines(each)
    if more:
        lines.append(f"{len(more)} more, beyond GitHub's limit of annotations:")
    return "\n".join([*lines, *map(_plain_log_line, more), _plain_log_line(summary_of(result))]) + "\n"


def _kind(subject: Cause | Skipped | Note) -> str:
    if isinstance(subject, Skipped):
        return "error"
    return _KINDS[subject.level if isinstance(subject, Note) else subject.finding.severity]


def _log_lines(subject: Cause | Skipped | Note) -> Sequence[str]:
    if isinstance(subject, Note):
        return [f"{subject.level}: {detail}" for detail in subject.details]
    if isinstance(subject, Skipped):
        return [f"error: {subject.config}: {subject.status}: {subject.problem}"]
    return [f"{subject.finding.severity}: {concise_line(subject)}; {subject.finding.fix}"]


def _warnings(reported: AnyResult) -> list[Note]:
    """Return the warnings in the notes of the report, for example about baselines of deleted configs."""
    return [note for note in reported.report.notes if note.level == "warning"]


def _warning(note: Note) -> str:
    details = "\n".join(map(printable, note.details))
    return f"::{_kind(note)} title={_property(note.text)}::{_data(details)}"


def _annotation(result: CheckResult, subject: Cause | Skipped, kind: str) -> str:
    if isinstance(subject, Skipped):
        title, message, place = (
            subject.title,
            f"{subject.status}: {subject.problem}",
            place_of(result, subject.config),
        )
        message, config = printable(message), subject.config
    else:
        finding, config = subject.finding, subject.finding.config
        title, place = f"{finding.code} {finding.name}", place_of(result, finding)
        names = named_configs(result, subject)
        concerned = [f"Configs: {', '.join(names)}"] if names else []
        option = [f"Option: {describe_option(finding)}"] if finding.option else []
        reasons = (f"Why: {finding.why}", f"Fix: {finding.fix}")
        lines = (finding.message, *finding.patterns, *option, *concerned, *reasons)
        message = "\n".join(map(printable, lines))
    properties = {"title": title}
    if place is not None:
        stretch = place.stretch
        columns = {} if stretch is None else {"col": str(stretch.column), "endLine": str(stretch.end_line)}
        if stretch is not None and stretch.end_line == stretch.line:
            # GitHub marks the last column too.
            columns["endColumn"] = str(max(stretch.column, stretch.end_column - 1))
        properties = {"file": place.file, "line": str(place.line), **columns, **properties}
    else:
        message = f"{printable(config)}: {message}"
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def concise_text(reported: AnyResult, _: Canvas) -> str:
    """Return one line for each cause, such as ``path:line:column: LRD203 message``, and a line with the summary.

    If findings of several configs have the same cause, they share one line.

    Raises LrdecayError for results of other commands.
    """
    result = check_result(reported.document, "concise")
    lines = [f"{each.config}:1:1: {each.status}: {each.problem}" for each in result.unjudged]
    lines += map(concise_line, _reported_causes(result))
    lines += [line for note in _warnings(reported) for line in note.details]
    return "\n".join(map(printable, [*lines, summary_of(result)])) + "\n"


def _reported_causes(result: CheckResult) -> list[Cause]:
    return [cause for cause in result.causes() if cause.finding.suppressed is None]


def concise_line(cause: Cause) -> str:
    """Return the line of :func:`concise_text` for a cause.

    The line begins with the file and line that set the option that the finding is about. If that file belongs to an
    installed package, the line begins with the ``_base_`` entry through which the config inherits the option. The line
    names the config if it begins with another file.
    """
    finding, place, shown = cause.finding, cause.finding.place, shown_place(cause.finding)
    at = shown.exact() if shown and shown.file != COMMAND_LINE else f"{finding.config}:1:1"
    alone = [] if at.startswith(f"{finding.config}:") else [finding.config]
    more = [f"{len(cause.configs)} configs"] if len(cause.configs) > 1 else alone
    more += [f"set at {place}"] if place and not at.startswith(f"{place}:") else []
    subject = f" ({', '.join(more)})" if more else ""
    return f"{at}: {finding.code} {finding.message}{subject}"


def _plain_log_line(line: str) -> str:
    """Return a log line with ``##[`` escaped, because GitHub's runner would read it as a workflow command."""
    return printable(line).replace("##[", "## [")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def _data(text: str) -> str:
    return text.replace("##[", "## [").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def junit_xml(document: msgspec.Struct) -> str:
    """Return the causes of findings as test cases of JUnit XML. Raises LrdecayError for results of other commands."""
    result = check_result(document, "junit")
    causes = result.causes()
    # A suite for each file with findings, and for each config without any.
    concerned = {config for cause in causes for config in cause.configs}
    by_file: dict[str, list[Cause | Skipped]] = {
        checked.config: [] for checked in result.checked if checked.config not in concerned
    }
    for cause in causes:
        by_file.setdefault(title_of(cause), []).append(cause)
    for skipped in result.unjudged:
        by_file.setdefault(skipped.config, []).append(skipped)
    root = ElementTree.Element("testsuites", name="lrdecay check")
    counts = [_add_suite(root, result, file, found) for file, found in by_file.items()]
    for name, numbers in zip(("tests", "failures", "errors"), zip(*counts, strict=True), strict=False):
        root.set(name, str(sum(numbers)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_suite(
    root: ElementTree.Element, result: CheckResult, file: str, found: Sequence[Cause | Skipped]
) -> tuple[int, int, int]:
    """Add the test suite of a file to ``root``. Return how many tests, failures and errors the test suite contains."""
    cases: Sequence[Cause | Skipped | None] = found or [None]
    findings = [each.finding for each in found if isinstance(each, Cause)]
    failures, errors = sum(map(result.fails, findings)), len(found) - len(findings)
    skipped = sum(finding.suppressed is not None for finding in findings)
    numbers = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": skipped}
    place = place_of(result, file)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {"name": printable(file), **{name: str(number) for name, number in numbers.items()}},
        **({"file": place.file} if place else {}),
    )
    for each in cases:
        _add_case(suite, result, file, each)
    return len(cases), failures, errors


def _add_case(suite: ElementTree.Element, result: CheckResult, file: str, subject: Cause | Skipped | None) -> None:
    name = subject.title if isinstance(subject, Skipped) else "no findings"
    if isinstance(subject, Cause):
        name = f"{subject.finding.code} {subject.finding.name}"
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=printable(file))
    if isinstance(subject, Skipped):
        message = f"{subject.status}: {subject.problem}"
        ElementTree.SubElement(case, "error", type=subject.status, message=printable(message)).text = printable(message)
    elif subject is not None:
        finding = subject.finding
        option = [f"option: {describe_option(finding)}"] if finding.option else []
        lines = [finding.message, *finding.patterns, *option, f"configs: {', '.join(subject.configs)}"]
        text = "\n".join(map(printable, (*lines, f"why: {finding.why}", f"fix: {finding.fix}")))
        if finding.suppressed is not None:
            ElementTree.SubElement(case, "skipped", message=printable(finding.suppressed.reason)).text = text
        elif result.fails(finding):
            message = printable(finding.message)
            ElementTree.SubElement(case, "failure", type=finding.code, message=message).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = f"{finding.severity}: {text}"
