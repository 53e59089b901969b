"""A project's settings file, decoded strictly."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec

from lrdecay_cli.domain.finding import Severity

# A number means "== number"; lrdecay_cli.analysis.conditions parses a text.
Condition = int | float | str


class Assertion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[tool.lrdecay.assert]]``, or ``[[assert]]`` in a lrdecay.toml: a condition on the matching parameters."""

    parameters: str
    """A glob (``backbone.*``), a module (``backbone.stages.2``) or a pattern from a report."""
    config: str = "*"
    """A glob for the configs that the assertion applies to."""
    lr: Condition | None = None
    lr_scale: Condition | None = None
    weight_decay: Condition | None = None
    layer_id: Condition | None = None
    frozen: bool | None = None
    """True to require that the parameters take no gradient."""
    group: str | None = None
    """A glob that the name of the parameters' group has to match."""
    message: str = ""
    """Why the project requires the condition; shown with each failure."""
    severity: Severity = "error"
    source: str = ""
    """Where it is defined, for people. Not a key of the settings file; likewise the next fields."""
    place: str = ""
    """The file that defines it."""
    table: str = ""
    """Its table in that file: ``tool.lrdecay.assert``."""
    number: int = 0
    """Number of the assertion among the tables of the same name, from 1."""

    @property
    def key(self) -> str:
        """``tool.lrdecay.assert[2]``; empty if it is not from a settings file."""
        return f"{self.table}[{self.number - 1}]" if self.table else ""


class StatedSuppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[tool.lrdecay.suppress]]``, or ``[[suppress]]`` in a lrdecay.toml, or a comment in a config."""

    rule: tuple[str, ...]
    """Codes or names of rules."""
    parameters: str | None = None
    """As in an assertion; None for every parameter."""
    config: str = "*"
    reason: str = ""
    until: date | None = None
    """The last day on which the suppression is valid."""
    source: str = ""
    """Where it is defined, for people. Not a key of the settings file; likewise the next fields."""
    place: str = ""
    """The file that defines it."""
    key: str = ""
    """Its key in a settings file: ``tool.lrdecay.suppress[2]``."""
    line: int | None = None
    """The place of the comment."""
    comment: str = ""
    """The comment itself, if it looks like a suppression but is malformed."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """Defaults for options of the same names; None if the settings file does not set them."""

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
    """All settings of a project."""

    path: str = ""
    """Path of the settings file, as printed; empty without one."""
    options: Options = Options()
    assertions: tuple[Assertion, ...] = ()
    suppressions: tuple[StatedSuppression, ...] = ()
