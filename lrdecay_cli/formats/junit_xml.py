"""JUnit XML, as Jenkins, GitLab and others show it: a suite for each config, a test case for each finding.

A finding below ``--fail-on`` fails no test; a suppressed one is skipped, with its reason. No times, so that a report is
the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec

from lrdecay_cli.domain.finding import CheckResult, Finding, Skipped
from lrdecay_cli.formats.numbers import printable
from lrdecay_cli.formats.places import check_result, place_of


def render(document: msgspec.Struct) -> str:
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
