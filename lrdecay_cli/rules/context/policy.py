"""What a project itself says about a config: its baseline, its assertions, and what it does not want to hear."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.settings import Assertion, StatedSuppression


class OtherTensors(msgspec.Struct, frozen=True):
    """A line of a text baseline whose tensors are not those of the map, by name or shape."""

    line: int
    problem: str
    """What differs."""
    parameters: tuple[str, ...]
    """The names of the map that its pattern fits."""


class Baseline(msgspec.Struct, frozen=True):
    """The map that a config is held against."""

    path: str
    group_map: GroupMap
    is_text: bool = False
    """Whether it is a text, laid over the map that is judged."""
    others: tuple[OtherTensors, ...] = ()
    """Lines of a text baseline that stand for other tensors now."""
    command: str = ""
    """What writes it again."""
    shows: str = ""
    """The command that shows every difference; empty where there is no file."""


class JudgedSuppression(msgspec.Struct, frozen=True):
    """A suppression, and what became of it."""

    stated: StatedSuppression
    unknown: tuple[str, ...]
    """What it names and no rule is called."""
    idle: tuple[str, ...]
    """Codes of the rules that it names, that were looked for, and that it kept nothing of."""
    expired: bool
    nearest: str = ""
    """What was perhaps meant by an unknown name."""
    meant: str = ""
    """How a comment that is not written so that it suppresses anything should be."""

    @property
    def option(self) -> str:
        """What a finding about it is about: its key in the settings, or its comment."""
        named = self.stated.key if self.stated.line is None else f"# lrdecay: ignore[{','.join(self.stated.rule)}]"
        return self.stated.comment or named


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one config."""

    baseline: Baseline | None = None
    assertions: tuple[Assertion, ...] = ()
    """Those whose ``config`` matches it."""
    idle_assertions: tuple[Assertion, ...] = ()
    """Those that met no parameter in any config; only for a settings file."""
    suppressions: tuple[JudgedSuppression, ...] = ()
    """Only for the rules about suppressions, which are run when all others have been."""
