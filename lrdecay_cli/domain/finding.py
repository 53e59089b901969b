"""What a check finds, as its JSON format writes it, and what there is to read about the rules."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import Literal, get_args

import msgspec

from lrdecay_cli.domain.display import Brief, Displayed
from lrdecay_cli.domain.fix import Fix
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.text.counting import count

CHECK_SCHEMA_VERSION = 2

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


class Finding(Brief, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
    fix: str
    """What to do, with the value to set where there is one."""
    fixes: tuple[Fix, ...] = ()
    """The same as edits of the config, the best alternative first; empty where no edit of an option does it."""
    fingerprint: str
    """The same as long as rule, config, option and parameters are; no line number goes in."""
    suppressed: Suppression | None = None
    place: Place | msgspec.UnsetType = msgspec.UNSET
    """Where the option gets its value; not there where there is no such option, or only running the config tells."""
    replaces: tuple[Place, ...] = ()
    """Where the option gets the values that are replaced there, the first set first."""
    bases: tuple[Place, ...] = ()
    """Where the file of ``place`` is named as a base, then where the file that names it is, and so on to the config."""
    changed: str = ""
    """What changed since the baseline: the settings, with their values, or else what is told of the tensors; empty for
    what has no baseline."""

    def headline(self) -> str:
        """Rule, severity and message."""
        ignored = " (suppressed)" if self.suppressed else ""
        return f"{self.code} {self.name} {self.severity}{ignored}: {self.message}"


class Cause(Brief, frozen=True):
    """The findings of one cause: what several configs inherit from one place, or say in the same words."""

    findings: tuple[Finding, ...]

    def headline(self) -> str:
        """The first finding, and how many configs have it."""
        return f"{self.finding.headline()} ({count(len(self.findings), 'config')})"

    @property
    def finding(self) -> Finding:
        """The first of them, which stands for all."""
        return self.findings[0]

    @property
    def configs(self) -> tuple[str, ...]:
        """Those that have it, in the order of the findings."""
        return tuple(finding.config for finding in self.findings)

    @property
    def alike(self) -> bool:
        """Whether the others say the same word for word; else their numbers are their own.

        What changed since the baseline has a command for each config as its fix.
        """
        said = {(finding.message, "" if finding.changed else finding.fix) for finding in self.findings}
        return len(said) == 1

    @property
    def fingerprint(self) -> str:
        """That of the finding; of several, what stays the same when a config joins them or leaves."""
        place = self.finding.place
        if len(self.findings) == 1 or not place:
            return self.finding.fingerprint
        changed = (self.finding.changed,) if self.finding.changed else ()
        text = "\0".join((self.finding.code, place.file, self.finding.option, *changed))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


class CheckedMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group map that the rules were run over."""

    config: str
    source: str
    """What was judged: the config itself, or its exported map; ``-`` for one on stdin."""
    sha256: str
    tensors: int
    groups: int
    read: bool = False
    """Whether an exported map or a checkpoint was read in place of its config, whose text is then not known: findings
    have no places, and suppressions in its comments do not count."""


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that could not be judged."""

    config: str
    status: str
    """As ``scan`` has it: ``needs <package>``, ``broken upstream``, ``error``."""
    problem: str


class CheckFailed(AssertionError):  # noqa: N818
    """A check has findings that fail it. The message is the report of ``lrdecay check``."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result
        super().__init__(f"{result.headline()}\n\n{result}")

    def __reduce__(self) -> tuple[type[CheckFailed], tuple[CheckResult]]:
        """By its result: workers of pytest-xdist send exceptions."""
        return type(self), (self.result,)


# As users import it, and as pytest names it.
CheckFailed.__module__ = "lrdecay_cli"


class CheckResult(Displayed, frozen=True, forbid_unknown_fields=True):
    """Everything that one run of ``check`` has to say."""

    schema_version: int
    tool: Tool
    fail_on: Severity
    """From which severity up a finding fails the run."""
    checked: tuple[CheckedMap, ...]
    unjudged: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    """By config in the order given, then by severity, code and place."""
    rules_url: str = ""
    """Address of the page with all rules, for formats that link to it; empty if nobody says."""

    def headline(self) -> str:
        """Whether it fails, and how many findings of each severity it has in how many configs."""
        numbers = Counter(finding.severity for finding in self.counting())
        told = ", ".join(f"{numbers[each]} {each}" for each in reversed(SEVERITIES) if numbers[each]) or "no findings"
        verdict = "fails" if self.failing() else "passes"
        return f"{verdict}: {told} in {count(len(self.checked), 'config')}"

    def raise_on_failure(self) -> CheckResult:
        """Return the result itself, or raise if a finding fails it: ``check(group_map).raise_on_failure()`` in a test.

        Raises:
            CheckFailed: there is a finding of ``fail_on`` or above. Its message is the report, which pytest shows.
        """
        # pytest leaves this frame out of the traceback.
        __tracebackhide__ = True
        if self.failing():
            raise CheckFailed(self)
        return self

    def counting(self) -> tuple[Finding, ...]:
        """The findings that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)

    def fails(self, finding: Finding) -> bool:
        """Whether one finding is enough to fail the run."""
        return finding.suppressed is None and SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)

    def failing(self) -> tuple[Finding, ...]:
        """The findings at or above ``fail_on`` that are not suppressed."""
        return tuple(filter(self.fails, self.findings))

    def causes(self) -> tuple[Cause, ...]:
        """The findings folded by cause, in the order of the first of each; suppressed ones are not mixed with others.

        Findings of several configs have one cause if the same rule finds the same option wrong, the option is set at
        the same place, and the same settings changed; where no place is known, if they say the same.
        """
        found: dict[tuple[object, ...], list[Finding]] = {}
        times: Counter[tuple[object, ...]] = Counter()
        for finding in self.findings:
            known = (finding.place.file, finding.place.line, finding.place.column) if finding.place else ()
            said = () if known else (finding.message, "" if finding.changed else finding.fix, finding.patterns)
            key = (finding.code, finding.severity, finding.option, finding.changed, finding.suppressed, *known, *said)
            # Of one config each finding is another one.
            in_config = (finding.config, *key)
            times[in_config] += 1
            found.setdefault((times[in_config], *key), []).append(finding)
        return tuple(Cause(tuple(having)) for having in found.values())

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
