"""Issues that versions suggest, after all packages have really been loaded."""

from __future__ import annotations

import pytest

from lrdecay_cli.doctor.diagnosing import _with_trials
from lrdecay_cli.domain.diagnosis import Issue, Trial

ERROR = Issue("error", "mmcv", "mmcv 2.2.0 does not fit mmdet", "mmdet does not import", "pip install mmcv")
WARNING = Issue("warning", "torchvision", "made for another torch", "training fails", None)
LOADS = Trial("torch", ok=True, outcome="loads")
MMDET = Trial("mmdet", ok=True, outcome="loads")
FAILS = Trial("mmdet", ok=False, outcome="AssertionError: MMCV==2.2.0 is used")


@pytest.mark.parametrize(
    ("issues", "trials", "severities"),
    [
        ([ERROR, WARNING], [LOADS, MMDET], ["warning", "warning"]),
        # Without mmdet, the error was not tested.
        ([ERROR], [LOADS], ["error"]),
        # The versions describe the problem better than its consequences.
        ([ERROR, WARNING], [LOADS, FAILS], ["error", "warning"]),
        ([WARNING], [LOADS, FAILS], ["error", "warning"]),
    ],
    ids=["all loads", "no library", "known failure", "unknown failure"],
)
def test_issues_after_trials(issues: list[Issue], trials: list[Trial], severities: list[str]) -> None:
    found = _with_trials(tuple(issues), trials)
    assert [issue.severity for issue in found] == severities
    assert [issue.problem for issue in found[-len(issues) :]] == [issue.problem for issue in issues]
    if len(found) > len(issues):
        assert found[0].problem == f"mmdet fails: {FAILS.outcome}"
