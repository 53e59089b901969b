"""Findings as continuous integration shows them: annotations of GitHub Actions, and JUnit XML.

GitHub: the form of a workflow command and what is escaped in it are those of ``actions/toolkit``,
``packages/core/src/command.ts``. JUnit XML, as Jenkins, GitLab and others show it: a suite for each config, a test case
for each finding; one below ``--fail-on`` fails no test, a suppressed one is skipped, with its reason. No times, so that
a report is the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec

from lrdecay_cli.checking.reporting import summary_of
from lrdecay_cli.domain.finding import CheckResult, Finding, Skipped
from lrdecay_cli.formats.places import check_result, place_of, worst_first
from lrdecay_cli.formats.values import printable

MOST = 10
"""GitHub shows no more annotations of one kind for a step."""
_KINDS = {"error": "error", "warning": "warning", "info": "notice"}


def github_annotations(document: msgspec.Struct) -> str:
    """At most ten annotations, the worst; the rest as lines of the log. Raises LrdecayError for other documents."""
    result = check_result(document, "github")
    ranked: list[Finding | Skipped] = [*result.unjudged, *worst_first(result)]
    lines = [_annotation(result, one) for one in ranked[:MOST]]
    if len(ranked) > MOST:
        lines.append(f"and {len(ranked) - MOST} more, which GitHub would not show as annotations:")
    for one in ranked[MOST:]:
        if isinstance(one, Skipped):
            told = f"error: {one.config}: {one.status}: {one.problem}"
        else:
            told = f"{one.severity}: {one.config}: {one.code} {one.name}: {one.message}; {one.remedy}"
        lines.append(_inert(told))
    return "\n".join([*lines, _inert(summary_of(result))]) + "\n"


def _annotation(result: CheckResult, one: Finding | Skipped) -> str:
    if isinstance(one, Skipped):
        kind, title, message, option = "error", "could not be judged", printable(f"{one.status}: {one.problem}"), ""
    else:
        kind, title, option = _KINDS[one.severity], f"{one.code} {one.name}", one.option
        lines = (one.message, *one.patterns, f"Why: {one.why}", f"Remedy: {one.remedy}")
        message = "\n".join(map(printable, lines))
    place = place_of(result, one.config, option)
    properties = {"title": title}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), **properties}
    else:
        message = f"{printable(one.config)}: {message}"
    escaped = (_data(printable(value)).replace(":", "%3A").replace(",", "%2C") for value in properties.values())
    listed = ",".join(map("=".join, zip(properties, escaped, strict=True)))
    return f"::{kind} {listed}::{_data(message)}"


def _inert(line: str) -> str:
    """A line of the log in which the runner finds no command, old (``##[``) or new (``::`` in front)."""
    return printable(line).replace("##[", "## [")


def _data(text: str) -> str:
    return text.replace("##[", "## [").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def junit_xml(document: msgspec.Struct) -> str:
    """The findings as test cases. Raises LrdecayError for other documents."""
    result = check_result(document, "junit")
    by_config: dict[str, list[Finding | Skipped]] = {checked.config: [] for checked in result.checked}
    for one in result.records:
        by_config.setdefault(one.config, []).append(one)
    root = ElementTree.Element("testsuites", name="lrdecay check")
    counts = [_add_suite(root, result, config, found) for config, found in by_config.items()]
    for name, numbers in zip(("tests", "failures", "errors"), zip(*counts, strict=True), strict=False):
        root.set(name, str(sum(numbers)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_suite(
    root: ElementTree.Element, result: CheckResult, config: str, found: Sequence[Finding | Skipped]
) -> tuple[int, int, int]:
    """Add the suite of a config, and tell its tests, failures and errors."""
    cases: Sequence[Finding | Skipped | None] = found or [None]
    failures = sum(isinstance(one, Finding) and result.fails(one) for one in found)
    errors = sum(isinstance(one, Skipped) for one in found)
    skipped = sum(isinstance(one, Finding) and one.suppressed is not None for one in found)
    numbers = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": skipped}
    place = place_of(result, config)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {"name": printable(config), **{name: str(number) for name, number in numbers.items()}},
        **({"file": place.file} if place else {}),
    )
    for one in cases:
        _add_case(suite, result, config, one)
    return len(cases), failures, errors


def _add_case(suite: ElementTree.Element, result: CheckResult, config: str, one: Finding | Skipped | None) -> None:
    name = f"{one.code} {one.name}" if isinstance(one, Finding) else "could not be judged" if one else "no findings"
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=printable(config))
    if isinstance(one, Skipped):
        message = f"{one.status}: {one.problem}"
        ElementTree.SubElement(case, "error", type=one.status, message=printable(message)).text = printable(message)
    elif one is not None:
        text = "\n".join(map(printable, (one.message, *one.patterns, f"why: {one.why}", f"remedy: {one.remedy}")))
        if one.suppressed is not None:
            ElementTree.SubElement(case, "skipped", message=printable(one.suppressed.reason)).text = text
        elif result.fails(one):
            ElementTree.SubElement(case, "failure", type=one.code, message=printable(one.message)).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = f"{one.severity}: {text}"
