"""What a project says in its settings file, decoded and strict."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec

from lrdecay_cli.domain.finding import Severity

# A number stands for "== number"; a text is read by lrdecay_cli.analysis.conditions.
Condition = int | float | str


class Assertion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[tool.lrdecay.assert]]``, ``[[assert]]`` in a lrdecay.toml: what must hold for the parameters that match."""

    parameters: str
    """A glob (``backbone.*``), a module (``backbone.stages.2``) or a pattern as reports print it."""
    config: str = "*"
    """A glob for the configs that it is about."""
    lr: Condition | None = None
    lr_scale: Condition | None = None
    weight_decay: Condition | None = None
    layer_id: Condition | None = None
    frozen: bool | None = None
    """Whether they take no gradient."""
    group: str | None = None
    """A glob for the name of their group."""
    message: str = ""
    """Why the project wants it so; told with each failure."""
    severity: Severity = "error"
    source: str = ""
    """Where it is said, for people; nothing that a settings file can set. Likewise:"""
    place: str = ""
    """The file in which it is said."""
    table: str = ""
    """Its table there: ``tool.lrdecay.assert``."""
    number: int = 0
    """Its place among the tables of that name, from 1."""

    @property
    def key(self) -> str:
        """``tool.lrdecay.assert[2]``; empty for what is in no settings file."""
        return f"{self.table}[{self.number - 1}]" if self.table else ""


class StatedSuppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[tool.lrdecay.suppress]]``, ``[[suppress]]`` in a lrdecay.toml, or a comment in a config."""

    rule: tuple[str, ...]
    """Codes or names of rules."""
    parameters: str | None = None
    """As in an assertion; None for whatever a finding is about."""
    config: str = "*"
    reason: str = ""
    until: date | None = None
    """The last day on which it holds."""
    source: str = ""
    """Where it is said, for people; nothing that a settings file can set. Likewise:"""
    place: str = ""
    """The file in which it is said."""
    key: str = ""
    """Its place there, of a settings file: ``tool.lrdecay.suppress[2]``."""
    line: int | None = None
    """Where it is a comment."""
    comment: str = ""
    """The comment itself, where it means to suppress something and is not written so that it does."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """Defaults for options of the same names; None where a settings file says nothing."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: Severity | None = None
    exit_zero: bool | None = None
    statistics: bool | None = None
    baseline: str | None = None
    rules_url: str | None = None
    jobs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    device: str | None = None
    format: str | None = None
    color: Literal["auto", "always", "never"] | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a project says to lrdecay."""

    path: str = ""
    """Of the file, as it is told to people; empty if there is none."""
    options: Options = Options()
    assertions: tuple[Assertion, ...] = ()
    suppressions: tuple[StatedSuppression, ...] = ()
