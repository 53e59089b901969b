"""Records of a project's settings file (``lrdecay.toml`` or ``[tool.lrdecay]``). Unknown keys are errors."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec

from lrdecay_cli.domain.finding import Severity

# A number means "== number"; lrdecay_cli.analysis.conditions parses a text.
Condition = int | float | str


class Assertion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A condition on the parameters that match a pattern: ``[[tool.lrdecay.assert]]``, or ``[[assert]]`` in
    ``lrdecay.toml``.
    """

    parameters: str
    """A glob (``backbone.*``), a module (``backbone.stages.2``) or a pattern that a report shows."""
    config: str = "*"
    """A glob for the configs that the assertion applies to."""
    lr: Condition | None = None
    lr_scale: Condition | None = None
    weight_decay: Condition | None = None
    layer_id: Condition | None = None
    frozen: bool | None = None
    """True to require frozen parameters, False to require trainable parameters."""
    group: str | None = None
    """A glob that must match the name of the parameters' group."""
    message: str = ""
    """Why the project requires the condition; shown with each failure."""
    severity: Severity = "error"
    source: str = ""
    """File and path of the assertion, for reports: ``lrdecay.toml: assert[2]``. This field and the fields below are not
    keys of the settings file.
    """
    place: str = ""
    """The file that defines the assertion."""
    table: str = ""
    """The table of the settings file that contains the assertion: ``tool.lrdecay.assert``."""
    number: int = 0
    """Position of the assertion in ``table``, counted from 1."""

    @property
    def key(self) -> str:
        """Path of the assertion in the settings file: ``tool.lrdecay.assert[2]``. Empty if it is not from a settings
        file.
        """
        return f"{self.table}[{self.number - 1}]" if self.table else ""


class StatedSuppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A suppression of findings: ``[[tool.lrdecay.suppress]]``, ``[[suppress]]`` in ``lrdecay.toml``, or a comment in a
    config.
    """

    rule: tuple[str, ...]
    """Codes or names of rules."""
    parameters: str | None = None
    """A glob, module or pattern, as in an assertion. None for all parameters."""
    config: str = "*"
    reason: str = ""
    until: date | None = None
    """The last day on which the suppression is valid."""
    source: str = ""
    """Location of the suppression, for reports: ``lrdecay.toml: suppress[2]`` or ``config.py:12``. This field and the
    fields below are not keys of the settings file.
    """
    place: str = ""
    """The file that defines the suppression."""
    key: str = ""
    """Path of the suppression in a settings file: ``tool.lrdecay.suppress[2]``."""
    line: int | None = None
    """The line of the comment in the config."""
    column: int = 1
    """The column at which the comment starts, counted from 1."""
    end_column: int = 1
    """The column after the last character of the comment."""
    comment: str = ""
    """The text of a comment that looks like a suppression but is malformed."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """Defaults for command-line options of the same names, from the settings file.

    A field is None if the settings file does not contain this option.
    """

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
    """All settings of a project's settings file."""

    path: str = ""
    """Path of the settings file, as reports show it. Empty if there is no settings file."""
    options: Options = Options()
    assertions: tuple[Assertion, ...] = ()
    suppressions: tuple[StatedSuppression, ...] = ()
