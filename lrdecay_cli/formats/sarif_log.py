"""Write findings as SARIF 2.1.0 for code scanning, with fingerprints and documentation.

Each finding has a fingerprint. The log also contains the documentation of the rules that have findings.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0. Suppressed results are included and marked as
suppressed.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec

from lrdecay_cli.checking.reporting import describe_option
from lrdecay_cli.domain.finding import NO_BASELINE, Cause, CheckResult, Finding, Skipped
from lrdecay_cli.domain.report import Page, Report
from lrdecay_cli.files.rules_page import rules_page
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.markdown_page import render as markdown
from lrdecay_cli.formats.places import FilePlace, check_result, file_places, named_configs, place_of
from lrdecay_cli.formats.plain_text import render as plain
from lrdecay_cli.rules import find_rule
from lrdecay_cli.rules.pages import blocks_of, page_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def render(document: msgspec.Struct) -> str:
    """Return a result of ``check`` as a SARIF log with one run. Raises LrdecayError for results of other commands."""
    result = check_result(document, "sarif")
    address = result.rules_url or rules_page()
    codes = sorted({finding.code for finding in result.findings})
    driver = {
        "name": "lrdecay",
        "version": result.tool.version,
        "rules": [_rule(code, address) for code in codes],
    }
    invocation: dict[str, Any] = {"executionSuccessful": not result.unjudged}
    if result.unjudged:
        invocation["toolExecutionNotifications"] = [
            {
                "level": "error",
                "message": {"text": f"{each.config}{_verdict(each)}: {each.status}: {each.problem}"},
                "locations": [_location(result, each.config)],
            }
            for each in result.unjudged
        ]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(result, cause, codes.index(cause.finding.code)) for cause in result.causes()],
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _verdict(skipped: Skipped) -> str:
    return "" if skipped.status == NO_BASELINE else f" {skipped.title}"


def _rule(code: str, address: str) -> dict[str, Any]:
    rule = find_rule(code)
    # The anchor of the heading, as GitHub and others create it.
    link = {"helpUri": f"{address}#{rule.code.lower()}-{rule.name}"} if address else {}
    page = Report((), (), (), "", pages=(Page(f"{rule.code} {rule.name}", tuple(blocks_of(page_of(rule)))),))
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary.replace("``", "")},
        "fullDescription": {"text": rule.why},
        "help": {"text": plain(page, Canvas()).strip(), "markdown": markdown(page, Canvas()).rstrip("*\n ")},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        **link,
    }


def _result(result: CheckResult, cause: Cause, rule_index: int) -> dict[str, Any]:
    finding = cause.finding
    option = [f"Option: {describe_option(finding)}"] if finding.option else []
    lines = [f"{finding.message}.", *option, f"Why: {finding.why}", f"Fix: {finding.fix}."]
    if names := named_configs(result, cause):
        lines.insert(1, f"Configs: {', '.join(names)}")
    if finding.patterns:
        lines.insert(1, f"Parameters: {', '.join(finding.patterns)}")
    suppressions: list[dict[str, Any]] = []
    if finding.suppressed:
        kind = "external" if finding.suppressed.line is msgspec.UNSET else "inSource"
        suppressions = [{"kind": kind, "status": "accepted", "justification": finding.suppressed.reason}]
        if finding.suppressed.until:
            suppressions[0]["properties"] = {"until": finding.suppressed.until}
    # The chain: the values that the option replaces, then the lines through which the configs inherit it.
    related = [
        (place, "the option that the finding is about replaces this value") for place in file_places(finding.replaces)
    ]
    shown = place_of(result, finding)
    inheriting = [
        place
        for each in cause.findings
        for place in (*file_places(each.bases),) or (place_of(result, each.config),)
        if place is not None and (shown is None or place.file != shown.file)
    ]
    related += [
        (place, "this file inherits the option that the finding is about") for place in dict.fromkeys(inheriting)
    ]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": "\n".join(lines)},
        "locations": [_location(result, finding)],
        "relatedLocations": [
            {"id": number, "physicalLocation": _physical(place), "message": {"text": text}}
            for number, (place, text) in enumerate(related)
        ],
        "partialFingerprints": {"lrdecayFinding/v1": cause.fingerprint},
        "properties": {
            "config": finding.config,
            "configs": list(cause.configs),
            "option": finding.option,
            "parameters": list(finding.parameters),
            "fixes": msgspec.to_builtins(finding.fixes),
        },
        # If a run states suppressions for one result, it must do so for all: an empty list means "not suppressed"
        # (§3.27.23).
        "suppressions": suppressions,
    }


def _location(result: CheckResult, subject: Finding | str) -> dict[str, Any]:
    config, option, patterns = (
        (subject, "", ()) if isinstance(subject, str) else (subject.config, subject.option, subject.patterns)
    )
    names = [("parameter", pattern) for pattern in patterns] or [("option", option or config)]
    # Code scanning requires a file; one outside the repository is shown by its name alone.
    place = place_of(result, subject)
    if place is None:
        parts = PurePosixPath(config.replace("::", "/").replace("\\", "/")).parts
        place = FilePlace("/".join(part for part in parts if part not in ("/", "..", ".")) or "config", 1)
    return {
        "physicalLocation": _physical(place),
        "logicalLocations": [{"kind": kind, "fullyQualifiedName": name} for kind, name in names],
    }


def _physical(place: FilePlace) -> dict[str, Any]:
    region = {"startLine": place.line}
    if stretch := place.stretch:
        # Source: §3.30.5 to §3.30.8: lines and columns count from 1; the end column is after the last character.
        region |= {"startColumn": stretch.column, "endLine": stretch.end_line, "endColumn": stretch.end_column}
    return {"artifactLocation": {"uri": quote(place.file), "uriBaseId": "%SRCROOT%"}, "region": region}
