"""What a check finds, as its JSON format writes it, and what there is to read about the rules."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from lrdecay_cli.domain.group_map import Tool

CHECK_SCHEMA_VERSION = 1

Severity = Literal["info", "warning", "error"]
"""An ``error`` ruins or wastes a run, a ``warning`` most likely is not what was meant, an ``info`` is worth knowing."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the mildest up."""


class Suppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a finding does not count."""

    reason: str
    source: str
    """Where that is said: a settings file and its key, or a config and its line."""
    until: str | None = None
    """The last day on which it holds, ``YYYY-MM-DD``; null for ever."""
    line: int | msgspec.UnsetType = msgspec.UNSET
    """That of the config, where it is a comment; not there for a settings file."""


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One mistake, with everything that one cause does to a config."""

    code: str
    """Of the rule: ``LRD301``."""
    name: str
    """Of the rule: ``scale-above-one``."""
    severity: Severity
    config: str
    """As it was named on the command line, or found below what was."""
    message: str
    """What is wrong, with its numbers, as a sentence without a full stop."""
    parameters: tuple[str, ...] = ()
    """The parameters that it is about, in the model's order; none for one about an option alone."""
    patterns: tuple[str, ...] = ()
    """The same, folded; none of them matches another parameter."""
    option: str = ""
    """Path of the option in the config that it is about, empty if none is."""
    why: str
    """Why it matters."""
    remedy: str
    """What to do, with the value to set where there is one."""
    fingerprint: str
    """The same as long as rule, config, option and parameters are; no line number goes in."""
    suppressed: Suppression | None = None


class CheckedMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group map that the rules were run over."""

    config: str
    source: str
    """What was judged: the config itself, or its exported map; ``-`` for one on stdin."""
    sha256: str
    tensors: int
    groups: int


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that could not be judged."""

    config: str
    status: str
    """As ``scan`` has it: ``needs <package>``, ``broken upstream``, ``error``."""
    problem: str


class CheckResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that one run of ``check`` has to say."""

    schema_version: int
    tool: Tool
    fail_on: Severity
    """From which severity up a finding fails the run."""
    checked: tuple[CheckedMap, ...]
    unjudged: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    """By config in the order given, then by severity, code and place."""

    def counting(self) -> tuple[Finding, ...]:
        """The findings that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)

    def fails(self, finding: Finding) -> bool:
        """Whether one finding is enough to fail the run."""
        return finding.suppressed is None and SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)

    def failing(self) -> tuple[Finding, ...]:
        """The findings at or above ``fail_on`` that are not suppressed."""
        return tuple(filter(self.fails, self.findings))

    @property
    def records(self) -> tuple[Finding | Skipped, ...]:
        """What a format with a line for each record writes."""
        return (*self.findings, *self.unjudged)


RULES_SCHEMA_VERSION = 1


class ExampleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example as files: what is empty is not needed."""

    config: str
    """What the config says beyond the base, which ``rule --all`` shows."""
    plugin: str
    """A module that it imports."""
    settings: str
    """A lrdecay.toml."""
    baseline: str | None
    """What the config said when its baseline was made; null where there is none."""


class RulePage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule."""

    code: str
    name: str
    severity: Severity
    summary: str
    why: str
    """Why it matters, with code between double backticks."""
    details: tuple[str, ...]
    """Further paragraphs, with code between double backticks."""
    bad: ExampleText
    good: ExampleText


class RulePages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules in the order of their codes."""

    schema_version: int
    base: str
    """The config that all examples build on."""
    rules: tuple[RulePage, ...]
