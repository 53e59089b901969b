"""Workflow commands of GitHub Actions: findings as annotations in the diff of a pull request.

The form of a command and what is escaped in it: ``actions/toolkit``, ``packages/core/src/command.ts``.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lrdecay_cli.checking.reporting import summary_of
from lrdecay_cli.domain.finding import CheckResult, Finding, Skipped
from lrdecay_cli.formats.numbers import printable
from lrdecay_cli.formats.places import check_result, place_of, worst_first

MOST = 10
"""GitHub shows no more annotations of one kind for a step."""
_KINDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(document: msgspec.Struct) -> str:
    """At most ten annotations, the worst; the rest as lines of the log. Raises LrdecayError for other documents."""
    result = check_result(document, "github")
    ranked: list[Finding | Skipped] = [*result.unjudged, *worst_first(result)]
    lines = [_annotation(result, one) for one in ranked[:MOST]]
    if len(ranked) > MOST:
        lines += [f"and {len(ranked) - MOST} more, which GitHub would not show as annotations:"]
        lines += [line for one in ranked[MOST:] for line in _plain(one)]
    return "\n".join([*lines, _inert(summary_of(result))]) + "\n"


def _annotation(result: CheckResult, one: Finding | Skipped) -> str:
    if isinstance(one, Skipped):
        kind, title, message, option = "error", "could not be judged", printable(f"{one.status}: {one.problem}"), ""
    else:
        kind, title, message, option = _KINDS[one.severity], f"{one.code} {one.name}", _told(one), one.option
    place = place_of(result, one.config, option)
    properties = {"title": title}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), **properties}
    else:
        message = f"{printable(one.config)}: {message}"
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def _told(finding: Finding) -> str:
    lines = [finding.message, *finding.patterns, f"Why: {finding.why}", f"Remedy: {finding.remedy}"]
    return "\n".join(printable(line) for line in lines)


def _plain(one: Finding | Skipped) -> Iterator[str]:
    if isinstance(one, Skipped):
        yield _inert(f"error: {one.config}: {one.status}: {one.problem}")
    else:
        yield _inert(f"{one.severity}: {one.config}: {one.code} {one.name}: {one.message}; {one.remedy}")


def _inert(line: str) -> str:
    """A line of the log in which the runner finds no command, old (``##[``) or new (``::`` in front)."""
    return printable(line).replace("##[", "## [")


def _data(text: str) -> str:
    return text.replace("##[", "## [").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
