"""The project's policy for a config: its baseline, assertions and suppressions."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Assertion, StatedSuppression


class OtherTensors(msgspec.Struct, frozen=True):
    """A line of a text baseline whose tensors differ from the map's by name or shape."""

    line: int
    problem: str
    """The difference."""
    parameters: tuple[str, ...]
    """Names of the map that match the line's pattern."""


class Baseline(msgspec.Struct, frozen=True):
    """The map to compare a config with."""

    path: str
    group_map: GroupMap
    is_text: bool = False
    """True for a text baseline, applied to the checked map."""
    others: tuple[OtherTensors, ...] = ()
    """Lines of a text baseline that match other tensors now."""
    command: str = ""
    """The command that writes it again."""
    shows: str = ""
    """The command that shows every difference; empty without a file."""


class JudgedSuppression(msgspec.Struct, frozen=True):
    """A suppression and its result."""

    stated: StatedSuppression
    unknown: tuple[str, ...]
    """Its rule names that do not exist."""
    idle: tuple[str, ...]
    """Codes of its rules that ran and had no finding to suppress."""
    expired: bool
    nearest: str = ""
    """A suggestion for an unknown name."""
    corrected: str = ""
    """The corrected form of a comment with wrong syntax."""

    @property
    def option(self) -> str:
        """The subject of a finding about it: its key in the settings, or its comment."""
        named = self.stated.key if self.stated.line is None else f"# lrdecay: ignore[{','.join(self.stated.rule)}]"
        return self.stated.comment or named


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy for one config."""

    baseline: Baseline | None = None
    assertions: tuple[Assertion, ...] = ()
    """Assertions whose ``config`` matches it."""
    idle_assertions: tuple[Assertion, ...] = ()
    """Assertions that matched no parameter in any config; only for a settings file."""
    suppressions: tuple[JudgedSuppression, ...] = ()
    """Only for the rules about suppressions, which run last."""
