"""Fix findings for ``check --fix`` and ``check --diff``: test the fixes, edit the texts of configs, write the files."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.app.requests.checks import CheckOptions, is_config
from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import SEVERITIES, CheckResult, Finding
from lrdecay_cli.domain.fix import Edit, EditError, Fix, apply_edits
from lrdecay_cli.files.config_text import comment_suppressions
from lrdecay_cli.files.writing import write_text
from lrdecay_cli.fixing.merged import Refused
from lrdecay_cli.fixing.planning import Planner
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.text.counting import count

_PROJECT_RULES = ("LRD7", "LRD9")
"""Rules about baselines (LRD7xx) and suppressions (LRD9xx), which are not applied when a fix is tested.

A fixed config always differs from its baseline.
"""


class Applied(msgspec.Struct, frozen=True):
    """A finding and the fix to apply."""

    finding: Finding
    fix: Fix


class NotFixed(msgspec.Struct, frozen=True):
    """A finding that is not fixed, and the reason."""

    finding: Finding
    reason: str


Batch = list[Applied]
"""Fixes that are applied together or not at all."""


class FixPlan(msgspec.Struct, frozen=True):
    """The old and new texts of the files to edit, the findings that the new texts fix, and the findings that stay."""

    applied: tuple[Applied, ...]
    left: tuple[NotFixed, ...]
    before: Mapping[Path, str]
    after: Mapping[Path, str]
    """The new text of each file, by the file's resolved path."""

    def diff(self) -> str:
        """Return a unified diff of all files, like ``git diff --relative``, for ``git apply`` and ``patch -p1``.

        Paths are relative to the working directory. If a file is outside this directory, all paths are relative to the
        project's root, because git rejects ``..`` in a patch.
        """
        here = Path.cwd().resolve()
        start = here if all(path.is_relative_to(here) for path in self.after) else Project().root
        return "".join(line for path in sorted(self.after) for line in self._diff(path, start))

    def _diff(self, path: Path, start: Path) -> Iterator[str]:
        name = Path(os.path.relpath(path, start)).as_posix()
        # As git writes it: a tab ends a name with spaces, else patch takes the first word.
        name += "\t" if " " in name else ""
        old, new = (texts[path].splitlines(keepends=True) for texts in (self.before, self.after))
        for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def summary(self, *, written: bool) -> list[str]:
        """Return lines for the user: the fixed findings, then the findings that stay, each with the reason."""
        done = "fixed" if written else "would fix"
        lines = [f"{done} {each.finding.code} of {each.finding.config}: {each.fix}" for each in self.applied]
        lines += [f"not fixed: {each.finding.code} of {each.finding.config}: {each.reason}" for each in self.left]
        findings = count(len(self.applied), "finding")
        return [*lines, f"{done} {findings} in {count(len(self.after), 'file')}"]


def plan_fixes(result: CheckResult, request: Request, check_options: CheckOptions) -> FixPlan:
    """Return the plan that fixes the findings of a check. Nothing is written.

    Each fix is tested first: lrdecay edits the loaded config, builds it again and runs the rules. The fix is used only
    if its finding disappears and no new finding with a severity above ``info`` appears. With ``--isolate`` this test is
    skipped, because it would run the config in this process. Fixes of one rule for several schedulers of one list are
    used together or not at all.
    """
    wanted: dict[str, list[Finding]] = {}
    left: list[NotFixed] = []
    for finding in result.findings:
        # An info is not a mistake and may be intended.
        counts = finding.severity != "info" or check_options.fail_on == "info"
        if counts and finding.suppressed is None and _automatic(finding):
            if is_config(finding.config) and Path(finding.config.partition("::")[0]).suffix:
                wanted.setdefault(finding.config, []).append(finding)
            else:
                left.append(NotFixed(finding, "only configs can be edited"))
    chosen: dict[str, list[Batch]] = {}
    for config, findings in wanted.items():
        if request.isolated:
            together = _together(findings)
            chosen[config] = [[Applied(finding, _automatic(finding)[0]) for finding in each] for each in together]
            continue
        chosen[config], failed = _Trial(config, result, request, check_options).chosen(findings)
        left += failed
    planner = Planner(
        {config: [each.fix for batch in batches for each in batch] for config, batches in chosen.items()}
        | {checked.config: [] for checked in result.checked if checked.config not in chosen},
        Project(),
        request.cfg_options,
    )
    applied: list[Applied] = []
    for batch in chain.from_iterable(chosen.values()):
        if reason := _refusal(planner, batch):
            left += [NotFixed(each.finding, reason) for each in batch]
        else:
            applied += batch
    changed = planner.changed
    return FixPlan(tuple(applied), tuple(left), {path: planner.before[path] for path in changed}, changed)


def write_plan(plan: FixPlan) -> None:
    """Write the new text of each file atomically. Raises LrdecayError if a file changed since the check."""
    for path, text in sorted(plan.after.items()):
        try:
            unchanged = path.read_bytes() == plan.before[path].encode()
        except OSError as error:
            raise LrdecayError(f"cannot read: {error.strerror or error}", where=str(path)) from error
        if not unchanged:
            raise LrdecayError("the file changed during the check", where=os.path.relpath(path), fix="run check again")
        write_text(path, text.encode())


def print_lines(lines: Sequence[str]) -> None:
    """Print each line to stderr, with the prefix ``lrdecay: ``."""
    for line in lines:
        print(f"lrdecay: {line}", file=sys.stderr)  # noqa: T201


def _refusal(planner: Planner, batch: Batch) -> str:
    """Edit the texts with all fixes of a batch. Return an empty text, or why a fix is refused; no text then changes."""
    state = planner.state()
    try:
        for each in batch:
            planner.fix(each.finding.config, each.fix)
    except Refused as error:
        planner.restore(state)
        return str(error)
    return ""


def _automatic(finding: Finding) -> list[Fix]:
    return [fix for fix in finding.fixes if fix.automatic]


def _together(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings in lists. The fixes of a list are applied together or not at all.

    A list contains the findings of one rule about the schedulers of one list in the config. If a fix changed only some
    of these schedulers, for example only the unit of the warm-up, the schedulers would no longer fit each other.
    """
    lists: dict[object, list[Finding]] = {}
    for finding in findings:
        place, index, _ = finding.option.partition("[")
        of_schedulers = index and place.partition(".")[0] == "param_scheduler"
        lists.setdefault((finding.code, place) if of_schedulers else finding.fingerprint, []).append(finding)
    return [*lists.values()]


def _short_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with those of each rule sorted by the number of edits of their fixes.

    A fix with one custom key may make a fix with many keys unnecessary.
    """
    of_rules = [[*several] for _, several in groupby(findings, key=lambda finding: finding.code)]
    return [each for several in of_rules for each in sorted(several, key=lambda each: len(_automatic(each)[0].edits))]


_MOST_ROUNDS = 3


class _Verdict(NamedTuple):
    """The result of building and checking a config with some fixes."""

    objection: str
    """Why the fixes are rejected; empty if they are accepted."""
    new: tuple[Finding, ...] = ()
    """New findings with a severity above ``info``."""
    remaining: Mapping[str, Finding] = MappingProxyType({})
    """All findings of the fixed config, by fingerprint."""


class _Trial:
    """Tests fixes on the loaded config, before the text of its file is edited."""

    def __init__(self, config: str, result: CheckResult, request: Request, check_options: CheckOptions) -> None:
        self.config, self.request, self.check_options = config, request, check_options
        self.before = [finding for finding in result.findings if finding.config == config]

    def chosen(self, findings: Sequence[Finding]) -> tuple[list[Batch], list[NotFixed]]:
        """Return the fixes that pass the test, and the findings without such a fix.

        A fix passes if it removes its finding and causes no new finding. Findings are tried one after another, because
        an earlier fix may also remove a later finding.
        """
        kept: list[Batch] = []
        left: list[NotFixed] = []
        remaining: Mapping[str, Finding] = {finding.fingerprint: finding for finding in findings}
        for several in _together(_short_first(findings)):
            # With the earlier fixes applied the finding's numbers and its fix may differ.
            now = [remaining[each.fingerprint] for each in several if each.fingerprint in remaining]
            reasons = []
            for fixes in zip(*map(_automatic, now), strict=False):
                batch = [Applied(finding, fix) for finding, fix in zip(now, fixes, strict=True)]
                accepted, verdict = self._tested([*chain.from_iterable(kept)], batch)
                if not verdict.objection:
                    kept.append(accepted)
                    remaining = verdict.remaining
                    break
                reasons.append(verdict.objection)
            else:
                reason = reasons[0] if reasons else "the finding no longer has a fix"
                left += [NotFixed(finding, reason) for finding in now]
        # A later fix may remove what blocked this one.
        return kept, [each for each in left if each.finding.fingerprint in remaining]

    def _tested(self, kept: Sequence[Applied], batch: Batch) -> tuple[Batch, _Verdict]:
        """Test the fixes of a batch together. If they cause new findings, add the fixes of these, and test again.

        Return the batch with the added fixes, and the result of the last test. All tests also apply the fixes in
        ``kept``.
        """
        wanted = [*batch]
        for _ in range(_MOST_ROUNDS):
            verdict = self._verdict([*kept, *wanted])
            if not verdict.objection:
                break
            further = [Applied(new, fixes[0]) for new in verdict.new if (fixes := _automatic(new))]
            if not further:
                break
            # A fix may cause a finding: a key that is now spelt right may match names that belong to longer keys.
            wanted += further
        return wanted, verdict

    def _verdict(self, applied: Sequence[Applied]) -> _Verdict:
        # Several findings may suggest the same edit.
        edits = {str(edit): edit for each in applied for edit in each.fix.edits}
        change = partial(_changed, edits=[*edits.values()])
        try:
            group_map = self.request.audited(self.config, change)
        except EditError as error:
            return _Verdict(str(error))
        except LrdecayError as error:
            return _Verdict(f"the config does not build with the fix: {error.line()}")
        comments = {self.config: comment_suppressions(self.config)}
        rules = [rule for rule in self.check_options.rules if not rule.code.startswith(_PROJECT_RULES)]
        result = check_maps([group_map], rules, settings=self.check_options.settings, comments=comments)
        after = [finding for finding in result.findings if not finding.code.startswith(_PROJECT_RULES)]
        known = {finding.fingerprint for finding in self.before}
        remaining = {finding.fingerprint: finding for finding in after}
        for each in applied:
            if each.finding.fingerprint in remaining:
                return _Verdict(f"the finding remains after this fix: {each.fix}")
        new = tuple(f for f in after if f.fingerprint not in known and SEVERITIES.index(f.severity) > 0)
        return _Verdict(f"the fix would cause {new[0].code}: {new[0].message}" if new else "", new, remaining)


def _changed(loaded: Any, edits: Sequence[Edit]) -> None:
    apply_edits(loaded._cfg_dict, edits)
