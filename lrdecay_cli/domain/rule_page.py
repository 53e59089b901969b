"""The documentation of rules, as ``rule --format json`` writes it."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.finding import Severity

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
