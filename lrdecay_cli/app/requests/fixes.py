"""``check --fix`` and ``--diff``: the fixes of findings tried, written as new texts, shown and put into the files."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.app.requests.checks import Demands, is_config
from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import SEVERITIES, CheckResult, Finding
from lrdecay_cli.domain.fix import Edit, EditError, Fix, apply_edits
from lrdecay_cli.files.config_text import comment_suppressions
from lrdecay_cli.files.writing import write_text
from lrdecay_cli.fixing.planning import Planner, Refused
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.text.counting import count

_PROJECT_RULES = ("LRD7", "LRD9")
"""What the project says of itself; a baseline differs from every config that is mended."""


class Applied(msgspec.Struct, frozen=True):
    """A finding that is fixed, and how."""

    finding: Finding
    fix: Fix


class Left(msgspec.Struct, frozen=True):
    """A finding whose fix is not applied, and why."""

    finding: Finding
    reason: str


class FixPlan(msgspec.Struct, frozen=True):
    """What is to be written."""

    applied: tuple[Applied, ...]
    left: tuple[Left, ...]
    before: Mapping[Path, str]
    after: Mapping[Path, str]
    """New texts by the real paths of the files."""

    def diff(self) -> str:
        """A unified diff of all files, by their paths from the working directory."""
        return "".join(line for path in sorted(self.after) for line in self._diff(path))

    def _diff(self, path: Path) -> Iterator[str]:
        name = os.path.relpath(path)
        old, new = (texts[path].splitlines(keepends=True) for texts in (self.before, self.after))
        for line in difflib.unified_diff(old, new, name, name):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def told(self, *, written: bool) -> list[str]:
        """Lines for people: what is fixed, what is not and why."""
        done = "fixed" if written else "would fix"
        lines = [f"{done} {each.finding.code} of {each.finding.config}: {each.fix}" for each in self.applied]
        lines += [f"not fixed: {each.finding.code} of {each.finding.config}: {each.reason}" for each in self.left]
        findings = count(len(self.applied), "finding")
        return [*lines, f"{done} {findings} in {count(len(self.after), 'file')}"]


def plan_fixes(result: CheckResult, request: Request, demands: Demands) -> FixPlan:
    """How the findings of a result are fixed. Nothing is written.

    Each fix is first tried on the loaded config, which is built again: the finding has to be gone, and no other above
    info may have come. With ``--isolate`` configs are not built outside of their confinement, and the check after the
    fix tells.
    """
    wanted: dict[str, list[Finding]] = {}
    left: list[Left] = []
    for finding in result.findings:
        # An info is no mistake, and may be a habit.
        counts = finding.severity != "info" or demands.fail_on == "info"
        if counts and finding.suppressed is None and _automatic(finding):
            if is_config(finding.config) and Path(finding.config.partition("::")[0]).suffix:
                wanted.setdefault(finding.config, []).append(finding)
            else:
                left.append(Left(finding, "only the text of a config is changed"))
    chosen: dict[str, list[Applied]] = {}
    for config, findings in wanted.items():
        if request.isolated:
            chosen[config] = [Applied(finding, _automatic(finding)[0]) for finding in findings]
            continue
        chosen[config], failed = _Trial(config, result, request, demands).chosen(findings)
        left += failed
    planner = Planner(
        {config: [each.fix for each in several] for config, several in chosen.items()}
        | {checked.config: [] for checked in result.checked if checked.config not in chosen},
        Project(),
        request.cfg_options,
    )
    applied: list[Applied] = []
    for several in chosen.values():
        for each in several:
            if reason := _refusal(planner, each):
                left.append(Left(each.finding, reason))
            else:
                applied.append(each)
    changed = planner.changed
    return FixPlan(tuple(applied), tuple(left), {path: planner.before[path] for path in changed}, changed)


def write_plan(plan: FixPlan) -> None:
    """Write the new texts, each file whole or not at all. LrdecayError where one was changed meanwhile."""
    for path, text in sorted(plan.after.items()):
        try:
            unchanged = path.read_bytes() == plan.before[path].encode()
        except OSError as error:
            raise LrdecayError(f"cannot read: {error.strerror or error}", where=str(path)) from error
        if not unchanged:
            raise LrdecayError("was changed while it was checked", where=os.path.relpath(path), fix="check again")
        write_text(path, text.encode())


def tell(lines: Sequence[str]) -> None:
    """Lines on stderr."""
    for line in lines:
        print(f"lrdecay: {line}", file=sys.stderr)  # noqa: T201


def _refusal(planner: Planner, wanted: Applied) -> str:
    try:
        planner.fix(wanted.finding.config, wanted.fix)
    except Refused as error:
        return str(error)
    return ""


def _automatic(finding: Finding) -> list[Fix]:
    return [fix for fix in finding.fixes if fix.automatic]


_MOST_ROUNDS = 3


class _Verdict(NamedTuple):
    """What is found with some fixes applied."""

    objection: str
    """Why they are no good; empty if they are."""
    new: tuple[Finding, ...] = ()
    """Findings above info that come with them."""
    remaining: Mapping[str, Finding] = MappingProxyType({})
    """All that is found then, by fingerprint."""


class _Trial:
    """Fixes of one config tried on what is loaded of it, before its text is touched."""

    def __init__(self, config: str, result: CheckResult, request: Request, demands: Demands) -> None:
        self.config, self.request, self.demands = config, request, demands
        self.before = [finding for finding in result.findings if finding.config == config]

    def chosen(self, findings: Sequence[Finding]) -> tuple[list[Applied], list[Left]]:
        """A fix for each finding with which it is gone and no other comes; and the findings that have none.

        One after another: a finding that is gone with an earlier fix needs none of its own.
        """
        kept: list[Applied] = []
        left: list[Left] = []
        remaining: Mapping[str, Finding] = {finding.fingerprint: finding for finding in findings}
        for fingerprint in [*remaining]:
            if fingerprint not in remaining:
                continue
            # As it is with the fixes so far, which may have changed its numbers and its fix.
            finding = remaining[fingerprint]
            reasons = []
            for fix in _automatic(finding):
                accepted, verdict = self._accepted([*kept, Applied(finding, fix)])
                if not verdict.objection:
                    kept, remaining = accepted, verdict.remaining
                    break
                reasons.append(verdict.objection)
            else:
                left.append(Left(finding, reasons[0] if reasons else "it has no fix any more"))
        # What was in the way of a fix may be gone with a later one.
        return kept, [each for each in left if each.finding.fingerprint in remaining]

    def _accepted(self, applied: Sequence[Applied]) -> tuple[list[Applied], _Verdict]:
        """These fixes and those of what comes with them, with what is found then."""
        wanted = [*applied]
        for _ in range(_MOST_ROUNDS):
            verdict = self._verdict(wanted)
            if not verdict.objection:
                break
            further = [Applied(new, fixes[0]) for new in verdict.new if (fixes := _automatic(new))]
            if not further:
                break
            # What comes of a fix: a key that is spelt right now takes what longer keys should leave to it.
            wanted += further
        return wanted, verdict

    def _verdict(self, applied: Sequence[Applied]) -> _Verdict:
        # Several findings may ask for the same edit.
        edits = {str(edit): edit for each in applied for edit in each.fix.edits}
        change = partial(_changed, edits=[*edits.values()])
        try:
            group_map = self.request.audited(self.config, change)
        except EditError as error:
            return _Verdict(str(error))
        except LrdecayError as error:
            return _Verdict(f"with it the config does not build: {error.line()}")
        comments = {self.config: comment_suppressions(self.config)}
        rules = [rule for rule in self.demands.rules if not rule.code.startswith(_PROJECT_RULES)]
        result = check_maps([group_map], rules, settings=self.demands.settings, comments=comments)
        after = [finding for finding in result.findings if not finding.code.startswith(_PROJECT_RULES)]
        known = {finding.fingerprint for finding in self.before}
        remaining = {finding.fingerprint: finding for finding in after}
        for each in applied:
            if each.finding.fingerprint in remaining:
                return _Verdict(f"the finding would remain after: {each.fix}")
        new = tuple(f for f in after if f.fingerprint not in known and SEVERITIES.index(f.severity) > 0)
        return _Verdict(f"it would bring {new[0].code}: {new[0].message}" if new else "", new, remaining)


def _changed(loaded: Any, edits: Sequence[Edit]) -> None:
    apply_edits(loaded._cfg_dict, edits)
