"""What a rule is: one file that says what is wrong, why it matters, and how it looks wrong and right.

A rule's file has its documentation as the module's docstring: the first line says what is found, the rest why it
matters and what helps; ``lrdecay rule CODE`` prints it. To add one, write the file and name it in ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal

from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules.context import RuleContext


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule found, once for each cause."""

    message: str
    """What is wrong, with its numbers, as a sentence without a full stop."""
    remedy: str
    """What to do, with the value to set where there is one."""
    parameters: Iterable[str] = ()
    """The parameters that it is about, in any order."""
    option: str = ""
    """Path of the option in the config that it is about: ``optim_wrapper.paramwise_cfg.num_layers``."""
    severity: Severity | None = None
    """Where it is another than the rule's."""
    about: str = ""
    """What tells it from another fault of the same rule with the same option and parameters."""
    covers: tuple[str, ...] = ()
    """Codes of rules that would tell the same mistake again, and are silent for it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A config on which a test runs the rule; :data:`lrdecay_cli.rules.example_base.BASE` is its base."""

    config: str
    """What it says beyond the base, as Python."""
    plugin: str = ""
    """A module named ``plugin`` beside the config, for a constructor or a model of its own."""
    edit: Callable[[GroupMap], GroupMap] | None = None
    """What is done to the exported map afterwards, for what no constructor can do."""
    settings: str = ""
    """What the settings file says, for a rule about what a project says; TOML, as in a ``lrdecay.toml``."""
    baseline: str | None = None
    """What the config said beyond the base when its baseline was made."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One known mistake."""

    code: str
    """``LRD`` and three digits, never used again for anything else."""
    name: str
    """For people: ``scale-above-one``."""
    severity: Severity
    check: Callable[[RuleContext], Iterator[Fault]]
    documentation: str
    """The docstring of the rule's module."""
    bad: Example
    """The rule fires."""
    good: Example
    """The same config, repaired: the rule is silent."""
    yields_to: tuple[str, ...] = ()
    """Codes of rules that tell the cause of what this one finds: where one of them finds something, this is silent."""
    scope: Literal["config", "project"] = "config"
    """``project`` for a rule about what the project says, which looks at no config: it is run when the others have
    been, once for the comments of each config and once for the settings file."""

    @property
    def summary(self) -> str:
        """What is found, in one line."""
        return self.documentation.strip().partition("\n")[0]

    @property
    def why(self) -> str:
        """Why it matters: the first paragraph behind the summary, on one line, without marks of code."""
        _, _, body = cleandoc(self.documentation).partition("\n\n")
        return " ".join(body.partition("\n\n")[0].replace("``", "").split())
