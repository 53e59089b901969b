"""The findings of ``check`` as its JSON format writes them, and the pages about the rules."""

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
"""``error``: the mistake ruins or wastes a run. ``warning``: most likely a mistake. ``info``: a notable fact."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From lowest to highest."""


class Suppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason why a finding is suppressed."""

    reason: str
    source: str
    """Where the suppression is written: a settings file and its key, or a config and its line."""
    until: str | None = None
    """The last day on which the suppression is valid, ``YYYY-MM-DD``; null for no limit."""
    line: int | msgspec.UnsetType = msgspec.UNSET
    """The line of the comment in the config; unset for a settings file."""


class Finding(Brief, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One mistake in one config, with all affected parameters."""

    code: str
    """Code of the rule: ``LRD301``."""
    name: str
    """Name of the rule: ``scale-above-one``."""
    severity: Severity
    config: str
    """Path of the config, as named on the command line or as found in a named directory."""
    message: str
    """What is wrong, with its numbers, as a sentence without a full stop."""
    parameters: tuple[str, ...] = ()
    """The affected parameters, in the model's order; empty for a finding about an option alone."""
    patterns: tuple[str, ...] = ()
    """Patterns that match exactly these parameters."""
    option: str = ""
    """Path in the config of the affected option; empty if there is none."""
    why: str
    """Why it matters."""
    fix: str
    """What to do, with the value to set if there is one."""
    fixes: tuple[Fix, ...] = ()
    """The fix as edits of the config, the best alternative first; empty if no edit of an option fixes it."""
    fingerprint: str
    """Identifies the finding by rule, config, option and parameters, independent of line numbers."""
    suppressed: Suppression | None = None
    place: Place | msgspec.UnsetType = msgspec.UNSET
    """Where the option gets its value; unset without an option, or if only running the config gives the value."""
    replaces: tuple[Place, ...] = ()
    """Earlier places that set the option, whose values were overridden; in order."""
    bases: tuple[Place, ...] = ()
    """The ``_base_`` entry for the file of ``place``, then the entry for the file with that entry, up to the config."""
    changed: str = ""
    """What changed since the baseline: the settings with their values, else a summary of the tensors; empty without a
    baseline.
    """

    def headline(self) -> str:
        """Rule, severity and message."""
        ignored = " (suppressed)" if self.suppressed else ""
        return f"{self.code} {self.name} {self.severity}{ignored}: {self.message}"


class Cause(Brief, frozen=True):
    """Findings with the same cause: configs that inherit an option from the same place, or have the same text."""

    findings: tuple[Finding, ...]

    def headline(self) -> str:
        """Return the first finding, and how many configs have it."""
        return f"{self.finding.headline()} ({count(len(self.findings), 'config')})"

    @property
    def finding(self) -> Finding:
        """Return the first finding, as the example of this cause."""
        return self.findings[0]

    @property
    def configs(self) -> tuple[str, ...]:
        """Return the affected configs, in the order of the findings."""
        return tuple(finding.config for finding in self.findings)

    @property
    def alike(self) -> bool:
        """True if all findings have the same text, numbers included.

        A finding about changes since the baseline has its own fix for each config.
        """
        texts = {(finding.message, "" if finding.changed else finding.fix) for finding in self.findings}
        return len(texts) == 1

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint. For several findings, it is independent of the number of configs."""
        place = self.finding.place
        if len(self.findings) == 1 or not place:
            return self.finding.fingerprint
        changed = (self.finding.changed,) if self.finding.changed else ()
        text = "\0".join((self.finding.code, place.file, self.finding.option, *changed))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


class CheckedMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group map that was judged."""

    config: str
    source: str
    """What was judged: the config, or its exported map; ``-`` for stdin."""
    sha256: str
    tensors: int
    groups: int
    read: bool = False
    """True if an exported map or a checkpoint was judged. The text of the config is then unknown: findings have no
    places, and comments cannot suppress findings.
    """


NO_BASELINE = "no baseline"
"""Status of a config that was judged but not compared."""


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that could not be checked, or not be compared with a baseline."""

    config: str
    status: str
    """The status in the words of ``scan``: ``needs <package>``, ``broken upstream``, ``error``, or ``no baseline``."""
    problem: str

    @property
    def title(self) -> str:
        """What is missing: the check, or only the baseline of a config that was checked."""
        return NO_BASELINE if self.status == NO_BASELINE else "could not be checked"


class CheckFailed(AssertionError):  # noqa: N818
    """Raised if findings fail a check. The message is the report of ``lrdecay check``."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result
        super().__init__(f"{result.headline()}\n\n{result}")

    def __reduce__(self) -> tuple[type[CheckFailed], tuple[CheckResult]]:
        """Pickle the error by its result: pytest-xdist sends exceptions between processes."""
        return type(self), (self.result,)


# The name under which users import it, and which pytest prints.
CheckFailed.__module__ = "lrdecay_cli"


class CheckResult(Displayed, frozen=True, forbid_unknown_fields=True):
    """The results of one run of ``check``."""

    schema_version: int
    tool: Tool
    fail_on: Severity
    """The lowest severity that fails the run."""
    checked: tuple[CheckedMap, ...]
    unjudged: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    """By config in the given order, then by severity, code and place."""
    rules_url: str = ""
    """Address of the page with all rules, for formats that link to it; empty if none is given."""

    def headline(self) -> str:
        """Return the result of the check, the number of findings of each severity, and the number of configs."""
        numbers = Counter(finding.severity for finding in self.counting())
        summary = (
            ", ".join(f"{numbers[each]} {each}" for each in reversed(SEVERITIES) if numbers[each]) or "no findings"
        )
        verdict = "fails" if self.failing() else "passes"
        return f"{verdict}: {summary} in {count(len(self.checked), 'config')}"

    def raise_on_failure(self) -> CheckResult:
        """Return the result itself, or raise if a finding fails the check: ``check(group_map).raise_on_failure()`` in a
        test.

        Raises:
            CheckFailed: there is a finding of ``fail_on`` or above. Its message is the report, which pytest shows.
        """
        # pytest leaves this frame out of the traceback.
        __tracebackhide__ = True
        if self.failing():
            raise CheckFailed(self)
        return self

    @property
    def configs(self) -> tuple[str, ...]:
        """Every config once, judged ones first; one without a baseline is among both."""
        judged = [each.config for each in self.checked]
        return tuple(dict.fromkeys([*judged, *(each.config for each in self.unjudged)]))

    def counting(self) -> tuple[Finding, ...]:
        """Return the findings that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)

    def fails(self, finding: Finding) -> bool:
        """True if this finding alone fails the run."""
        return finding.suppressed is None and SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)

    def failing(self) -> tuple[Finding, ...]:
        """Return the findings at or above ``fail_on`` that are not suppressed."""
        return tuple(filter(self.fails, self.findings))

    def causes(self) -> tuple[Cause, ...]:
        """Return the findings grouped by cause, in the order of their first findings. Suppressed findings are separate.

        Findings of several configs share a cause if rule and option are the same, the option is set at the same place,
        and the same settings changed. If the place is unknown, their texts must be the same.
        """
        found: dict[tuple[object, ...], list[Finding]] = {}
        times: Counter[tuple[object, ...]] = Counter()
        for finding in self.findings:
            known = (finding.place.file, finding.place.line, finding.place.column) if finding.place else ()
            texts = () if known else (finding.message, "" if finding.changed else finding.fix, finding.patterns)
            key = (finding.code, finding.severity, finding.option, finding.changed, finding.suppressed, *known, *texts)
            # Two findings in one config never share a cause.
            in_config = (finding.config, *key)
            times[in_config] += 1
            found.setdefault((times[in_config], *key), []).append(finding)
        return tuple(Cause(tuple(having)) for having in found.values())

    @property
    def records(self) -> tuple[Finding | Skipped, ...]:
        """Return findings and skipped configs, for formats with one line per record."""
        return (*self.findings, *self.unjudged)


RULES_SCHEMA_VERSION = 1


class ExampleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example as files; an empty text means that the file is not needed."""

    config: str
    """The config's lines beyond the base, which ``rule --all`` shows."""
    plugin: str
    """A module that the config imports."""
    settings: str
    """A lrdecay.toml."""
    baseline: str | None
    """The config's lines when its baseline was made; null without a baseline."""
    program: str = ""
    """In place of a config, a program with a model and an optimizer for ``lrdecay_cli.audit_optimizer``."""


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
    """The config that all examples inherit from."""
    rules: tuple[RulePage, ...]
