"""The project's baseline, assertions and suppressions for a config."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Assertion, StatedSuppression


class OtherTensors(msgspec.Struct, frozen=True):
    """A line of a text baseline that now matches other tensors than when it was written, or tensors of other shapes."""

    line: int
    problem: str
    """How the line of the text baseline differs from the checked map."""
    parameters: tuple[str, ...]
    """Parameter names of the checked map that match the name pattern in the line of the text baseline."""


class Baseline(msgspec.Struct, frozen=True):
    """The baseline of a config, as a group map."""

    path: str
    group_map: GroupMap
    is_text: bool = False
    """True for a text baseline. ``group_map`` is then the checked map with the values of the baseline."""
    others: tuple[OtherTensors, ...] = ()
    """Lines of a text baseline that now match other tensors."""
    command: str = ""
    """The command that writes the baseline file again."""
    shows: str = ""
    """The command that prints all differences from the baseline; empty if the baseline is not a file."""


class JudgedSuppression(msgspec.Struct, frozen=True):
    """A suppression, and whether it is expired, unused or names unknown rules."""

    stated: StatedSuppression
    unknown: tuple[str, ...]
    """Rule names in the suppression that do not exist."""
    idle: tuple[str, ...]
    """Codes of rules in the suppression that ran but reported nothing to suppress."""
    expired: bool
    nearest: str = ""
    """A correction of an unknown rule name, as a suggestion for the user."""
    corrected: str = ""
    """The corrected form of a comment with wrong syntax."""
    inherited: bool = False
    """True if a checked config inherits the comment from a base."""

    @property
    def option(self) -> str:
        """The text that identifies the suppression in findings: its key in the settings, or its comment."""
        named = self.stated.key if self.stated.line is None else f"# lrdecay: ignore[{','.join(self.stated.rule)}]"
        return self.stated.comment or named


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The project's baseline, assertions and suppressions for one config."""

    baseline: Baseline | None = None
    assertions: tuple[Assertion, ...] = ()
    """Assertions whose ``config`` pattern matches the config."""
    idle_assertions: tuple[Assertion, ...] = ()
    """Assertions that matched no parameter in any checked config. Only set when rules check a settings file."""
    unmatched_assertions: tuple[Assertion, ...] = ()
    """Assertions whose ``config`` pattern matches no config. Only set when rules check a settings file."""
    suppressions: tuple[JudgedSuppression, ...] = ()
    """Suppressions with their results, from a config's comments or the settings file.

    Only set for the rules about suppressions, which run last.
    """
