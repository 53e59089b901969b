"""Records of the command ``check`` and of its JSON: findings, checked configs, and pages about the rules."""

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
"""The severities, from lowest to highest."""


class Suppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The suppression that hides a finding: its reason, its source, and the last day on which it is valid."""

    reason: str
    source: str
    """Where the suppression is written: a settings file and its key, or a config and its line."""
    until: str | None = None
    """The last day on which the suppression is valid, ``YYYY-MM-DD``; null for no limit."""
    line: int | msgspec.UnsetType = msgspec.UNSET
    """Line of the comment that suppresses the finding in the config; unset if a settings file suppresses it."""


class Finding(Brief, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mistake in one config, found by one rule, with all affected parameters."""

    code: str
    """Code of the rule: ``LRD301``."""
    name: str
    """Name of the rule: ``scale-above-one``."""
    severity: Severity
    config: str
    """Path of the config, as on the command line, or as found in a directory on the command line. For a finding about
    a suppression or assertion: the file that contains it.
    """
    message: str
    """What is wrong, with its numbers, as a sentence without a full stop."""
    parameters: tuple[str, ...] = ()
    """The affected parameters, in the model's order; empty for a finding about an option alone."""
    patterns: tuple[str, ...] = ()
    """Name patterns, such as ``backbone.*``, that match exactly the affected parameters."""
    option: str = ""
    """Path of the affected option in the config: ``optim_wrapper.optimizer.lr``. Empty if no option is affected."""
    why: str
    """Why the mistake matters."""
    fix: str
    """What to do to fix the mistake, with the value to set: ``set num_layers=12``."""
    fixes: tuple[Fix, ...] = ()
    """Alternative fixes as edits of the config, the best one first. Empty if no edit of an option fixes the mistake."""
    fingerprint: str
    """Identifier made from rule, config, option and parameters. It does not depend on line numbers."""
    suppressed: Suppression | None = None
    place: Place | msgspec.UnsetType = msgspec.UNSET
    """The file and line that set the option, or that contain the suppression comment. Unset if the finding has no
    option, or if the text of the config does not show where the option is set.
    """
    replaces: tuple[Place, ...] = ()
    """Earlier places (file and line) that also set the option, in order. ``place`` overrides them."""
    bases: tuple[Place, ...] = ()
    """The ``_base_`` entries through which the config inherits from the file of ``place``, the nearest to it first."""
    changed: str = ""
    """What changed since the baseline: the changed settings with their values. If no setting changed, a summary of the
    changed tensors. Empty without a baseline.
    """

    def headline(self) -> str:
        """Return rule, severity and message in one line."""
        ignored = " (suppressed)" if self.suppressed else ""
        return f"{self.code} {self.name} {self.severity}{ignored}: {self.message}"


class Cause(Brief, frozen=True):
    """Findings of several configs with the same cause.

    Either the configs inherit an option from the same place, or the findings have the same text.
    """

    findings: tuple[Finding, ...]

    def headline(self) -> str:
        """Return the first finding in one line, with the number of configs that have the same finding."""
        return f"{self.finding.headline()} ({count(len(self.findings), 'config')})"

    @property
    def finding(self) -> Finding:
        """Return the example of this cause: the finding of the config that sets the option, or else the first one."""
        own = (each for each in self.findings if each.place and each.place.file == each.config)
        return next(own, self.findings[0])

    @property
    def configs(self) -> tuple[str, ...]:
        """Return the affected configs, in the order of the findings."""
        return tuple(finding.config for finding in self.findings)

    @property
    def alike(self) -> bool:
        """True if all findings have the same message and the same fix, with the same numbers.

        If the findings report changes since a baseline, only the messages are compared, because each fix contains the
        path of its config.
        """
        texts = {(finding.message, "" if finding.changed else finding.fix) for finding in self.findings}
        return len(texts) == 1

    @property
    def fingerprint(self) -> str:
        """Return an identifier of this cause.

        If several configs inherit the mistake from one place, the identifier does not depend on the number of configs.
        """
        first = self.findings[0]
        if len(self.findings) == 1 or not first.place:
            return first.fingerprint
        changed = (first.changed,) if first.changed else ()
        text = "\0".join((first.code, first.place.file, first.option, *changed))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


class CheckedMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group map that ``check`` has tested with its rules."""

    config: str
    source: str
    """What was checked: the config, an exported map or a checkpoint. ``-`` for a map from stdin."""
    sha256: str
    tensors: int
    groups: int
    read: bool = False
    """True if an exported map or a checkpoint was checked. ``check`` does not read the config's text in this case:
    findings have no file and line, and comments cannot suppress findings.
    """


NO_BASELINE = "no baseline"
"""Status of a config that was checked, but has no baseline to compare with."""


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that could not be checked, or that has no baseline to compare with."""

    config: str
    status: str
    """The status, with the same words as ``scan``: ``needs <package>``, ``broken upstream``, ``error``, or ``no
    baseline``.
    """
    problem: str

    @property
    def title(self) -> str:
        """Return ``no baseline`` if only the baseline is missing, otherwise ``could not be checked``."""
        return NO_BASELINE if self.status == NO_BASELINE else "could not be checked"


class CheckFailed(AssertionError):  # noqa: N818
    """Raised if findings fail a check. The message is the report of ``lrdecay check``."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result
        super().__init__(f"{result.headline()}\n\n{result}")

    def __reduce__(self) -> tuple[type[CheckFailed], tuple[CheckResult]]:
        """Return what pickle needs: the class and the result of the check. pytest-xdist pickles exceptions."""
        return type(self), (self.result,)


# The name under which users import it, and which pytest prints.
CheckFailed.__module__ = "lrdecay_cli"


class CheckResult(Displayed, frozen=True, forbid_unknown_fields=True):
    """The results of one run of the command ``check``."""

    schema_version: int
    tool: Tool
    fail_on: Severity
    """The lowest severity that makes the check fail."""
    checked: tuple[CheckedMap, ...]
    unjudged: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    """All findings, in the order of the configs, then by severity, code and place. Findings about suppressions come
    last.
    """
    rules_url: str = ""
    """Address of the page with all rules, for formats that link to this page. Empty to write no links."""

    def headline(self) -> str:
        """Return whether the check passes, the number of findings of each severity, and the number of configs."""
        numbers = Counter(finding.severity for finding in self.counting())
        summary = (
            ", ".join(f"{numbers[each]} {each}" for each in reversed(SEVERITIES) if numbers[each]) or "no findings"
        )
        verdict = "fails" if self.failing() else "passes"
        return f"{verdict}: {summary} in {count(len(self.checked), 'config')}"

    def raise_on_failure(self) -> CheckResult:
        """Return this result if the check passes. For tests: ``check(group_map).raise_on_failure()``.

        Raises:
            CheckFailed: a finding has the severity ``fail_on`` or a higher one. The message is the report, which pytest
                shows.
        """
        # pytest leaves this frame out of the traceback.
        __tracebackhide__ = True
        if self.failing():
            raise CheckFailed(self)
        return self

    @property
    def configs(self) -> tuple[str, ...]:
        """Every config once: first the checked configs, then those that could not be checked."""
        judged = [each.config for each in self.checked]
        return tuple(dict.fromkeys([*judged, *(each.config for each in self.unjudged)]))

    def counting(self) -> tuple[Finding, ...]:
        """Return the findings that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)

    def fails(self, finding: Finding) -> bool:
        """True if this finding alone makes the check fail."""
        return finding.suppressed is None and SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.fail_on)

    def failing(self) -> tuple[Finding, ...]:
        """Return the findings that make the check fail: not suppressed, and of severity ``fail_on`` or higher."""
        return tuple(filter(self.fails, self.findings))

    def causes(self) -> tuple[Cause, ...]:
        """Return the findings grouped by cause: first errors, then warnings, then infos.

        Findings of several configs have the same cause if they have the same rule, the same changes since the baseline,
        and the same option, which is set at the same place (file and line). If the place is unknown, the findings must
        have the same text. A suppressed finding is never in a group with a reported finding.
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
        causes = [Cause(tuple(having)) for having in found.values()]
        return tuple(sorted(causes, key=lambda cause: -SEVERITIES.index(cause.finding.severity)))

    @property
    def records(self) -> tuple[Finding | Skipped, ...]:
        """Return findings and skipped configs in one sequence, for formats with one line per record."""
        return (*self.findings, *self.unjudged)


RULES_SCHEMA_VERSION = 1


class ExampleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files of a rule's example, as text. An empty text means that the example has no such file."""

    config: str
    """The lines that this example adds to the base config, which all examples share (``RulePages.base``)."""
    plugin: str
    """The source of a module that the config imports."""
    settings: str
    """The content of ``lrdecay.toml``."""
    baseline: str | None
    """The lines of ``config`` at the time when the baseline was written. Null if the example has no baseline."""
    program: str = ""
    """A program with a model and an optimizer, which calls ``lrdecay_cli.audit_optimizer``. It replaces the config."""


class RulePage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The documentation page of one rule."""

    code: str
    name: str
    severity: Severity
    summary: str
    why: str
    """Why the mistake matters, with code between double backticks."""
    details: tuple[str, ...]
    """Further paragraphs of the page, with code between double backticks."""
    bad: ExampleText
    good: ExampleText
    also: tuple[Severity, ...] = ()
    """Severities of some findings of the rule that are not :attr:`severity`, from the highest to the lowest."""


class RulePages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pages of several rules, in the order of their codes."""

    schema_version: int
    base: str
    """The config that all examples inherit from."""
    rules: tuple[RulePage, ...]
