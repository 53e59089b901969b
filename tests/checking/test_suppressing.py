"""Suppressions: which findings they suppress, completely or partly, and findings about unused suppressions."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.domain.finding import CheckResult, Finding
from lrdecay_cli.domain.origins import Place
from lrdecay_cli.domain.settings import StatedSuppression
from lrdecay_cli.files.settings_file import parse_settings
from lrdecay_cli.rules import RULES, chosen_rules, rules_beginning
from tests.checking.maps import FAST, decay_map

TODAY = date(2027, 1, 31)
RUN = [rule for rule in RULES if rule.code == "LRD301" or rule.scope == "project"]


def checked(
    text: str, *, comments: tuple[StatedSuppression, ...] = (), wrong: bool = True, **named: str
) -> CheckResult:
    settings = parse_settings(text.encode(), "lrdecay.toml")
    assert settings is not None
    group_map = decay_map(wrong=wrong, **named)
    return check_maps([group_map], RUN, settings=settings, comments={group_map.config.path: comments}, today=TODAY)


def codes(result: CheckResult) -> list[str]:
    return [finding.code for finding in result.counting()]


def suppress(**settings: str) -> str:
    return "[[suppress]]\n" + "".join(f"{key} = {value!r}\n" for key, value in settings.items())


@pytest.mark.parametrize(
    ("suppression", "counting"),
    [
        pytest.param(dict(rule="LRD301", reason="known"), [], id="code"),
        pytest.param(dict(rule="lrd301", reason="known"), [], id="lower case"),
        pytest.param(dict(rule="scale-above-one", reason="known"), [], id="name"),
        pytest.param(dict(rule="LRD301", reason="known", config="configs/*"), [], id="config matches"),
        pytest.param(dict(rule="LRD301", reason="known", config="*.json"), ["LRD301"], id="other config"),
        pytest.param(dict(rule="LRD301", reason="known", parameters="backbone"), [], id="parameters match"),
        pytest.param(dict(rule="LRD301", reason="known", until="2027-01-31"), [], id="last day"),
        pytest.param(dict(rule="LRD301", reason="known", until="2027-01-30"), ["LRD301", "LRD903"], id="a day late"),
        pytest.param(dict(rule="LRD301"), ["LRD301", "LRD902"], id="no reason"),
        pytest.param(dict(rule="LRD301", reason=" "), ["LRD301", "LRD902"], id="blank reason"),
        pytest.param(
            dict(rule="LRD301", reason="known", parameters="neck.*"), ["LRD301", "LRD901"], id="other parameters"
        ),
        pytest.param(dict(rule="LRD3", reason="known"), ["LRD301", "LRD904"], id="prefix"),
        pytest.param(dict(rule="LRD399", reason="known"), ["LRD301", "LRD904"], id="unknown code"),
    ],
)
def test_counting(suppression: dict[str, str], counting: list[str]) -> None:
    result = checked(suppress(**suppression))
    assert codes(result) == counting
    assert {finding.config for finding in result.counting() if finding.code > "LRD9"} <= {"lrdecay.toml"}


def test_a_suppressed_finding_stays_with_its_reason() -> None:
    (finding,) = checked(suppress(rule="LRD301", reason="known", until="2027-06-30")).findings
    assert finding.suppressed is not None
    assert (finding.suppressed.reason, finding.suppressed.until) == ("known", "2027-06-30")
    assert finding.suppressed.source == "lrdecay.toml: suppress[0]"
    assert finding.parameters == FAST


def test_a_part_of_a_finding() -> None:
    whole = checked("").findings[0]
    kept_back, left = checked(suppress(rule="LRD301", reason="known", parameters="backbone.stages.2.2.*")).findings
    assert kept_back.suppressed is not None
    assert left.suppressed is None
    assert (kept_back.parameters, left.parameters) == (FAST[1:], FAST[:1])
    assert (kept_back.patterns, left.patterns) == (("backbone.stages.2.2.*",), (FAST[0],))
    assert left.message == f"{whole.message} (here for 1 of 3 tensors)"
    assert len({whole.fingerprint, kept_back.fingerprint, left.fingerprint}) == 3


def test_a_config_is_matched_by_its_path_in_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lrdecay.toml").touch()
    (tmp_path / "configs" / "small").mkdir(parents=True)
    (tmp_path / "configs" / "small" / "a.py").touch()
    text = suppress(rule="LRD301", reason="known", config="configs/*/a.py")
    for folder, name in ((".", "configs/small/a.py"), ("configs", "small/a.py"), ("configs/small", "./a.py")):
        monkeypatch.chdir(tmp_path / folder)
        assert codes(checked(text, config=name)) == [], folder


def test_two_parts_by_two_suppressions_leave_nothing() -> None:
    text = "".join(suppress(rule="LRD301", reason=f"reason {n}", parameters=f"backbone.stages.2.{n}.*") for n in (1, 2))
    result = checked(text)
    assert codes(result) == []
    assert sorted(name for finding in result.findings for name in finding.parameters) == sorted(FAST)


def test_a_comment_applies_to_its_config_and_is_reported_there() -> None:
    reasoned = StatedSuppression(
        rule=("LRD301",), reason="known", source="configs/a.py:3", place="configs/a.py", line=3
    )
    assert codes(checked("", comments=(reasoned,))) == []
    (idle,) = checked("", comments=(reasoned,), wrong=False).findings
    assert (idle.code, idle.config, idle.option) == ("LRD901", "configs/a.py", "# lrdecay: ignore[LRD301]")
    assert idle.fix == "remove the suppression from configs/a.py:3"


def inherited(text: str, rule: str = "LRD301", **wrong: bool) -> list[Finding]:
    """Return the findings of configs that inherit a comment from ``configs/base.py``; ``wrong`` by config name."""
    stated = StatedSuppression(
        rule=(rule,), reason=text, source="configs/base.py:7", place="configs/base.py", line=7, column=9, end_column=40
    )
    maps = [decay_map(wrong=is_wrong, config=f"configs/{name}.py") for name, is_wrong in wrong.items()]
    comments = {group_map.config.path: (stated,) for group_map in maps}
    return list(check_maps(maps, RUN, comments=comments, today=TODAY).counting())


@pytest.mark.parametrize(
    ("text", "rule", "wrong", "fix"),
    [
        (
            "known",
            "LRD301",
            {"a": False, "b": False},
            "remove the suppression from configs/base.py:7, unless an unchecked config needs it",
        ),
        ("", "LRD301", {"a": False, "b": False}, "remove the unused suppression from configs/base.py:7"),
        ("", "LRD301", {"a": True, "b": False}, "add the reason for the suppression in configs/base.py:7"),
        ("known", "LRD399", {"a": False, "b": True}, "name a rule in configs/base.py:7 (run lrdecay rule LRD3 to list"),
    ],
)
def test_a_comment_in_a_base_is_reported_once_and_there(text: str, rule: str, wrong: dict[str, bool], fix: str) -> None:
    (finding,) = [each for each in inherited(text, rule, **wrong) if each.code > "LRD9"]
    assert (finding.config, finding.place) == ("configs/base.py", Place("configs/base.py", 7, 9, 7, 40))
    assert finding.fix.startswith(fix)


def test_a_comment_in_a_base_is_in_use_if_one_config_uses_it() -> None:
    assert inherited("known", a=True, b=False) == inherited("known", a=False, b=True) == []


def test_an_expired_and_unused_suppression_is_reported_once() -> None:
    (finding,) = checked(suppress(rule="LRD301", reason="known", until="2027-01-30"), wrong=False).findings
    assert finding.code == "LRD903"
    assert finding.fix == "remove the unused suppression from lrdecay.toml: suppress[0]"


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("LRD399", f"run lrdecay rule LRD3 to list the rules LRD301 to {rules_beginning('LRD3')[-1].code}"),
        ("scale-above-on", "did you mean scale-above-one?"),
        ("qqqqqq", "run lrdecay rule --all to list all rules"),
    ],
)
def test_an_unknown_rule_is_reported_with_its_place(rule: str, hint: str) -> None:
    *_, finding = checked(suppress(rule=rule, reason="known")).findings
    assert (finding.code, finding.fix) == ("LRD904", f"name a rule in lrdecay.toml: suppress[0] ({hint})")


@pytest.mark.parametrize(
    ("comment", "fix"),
    [
        ("# lrdecay: ignore LRD301", "write # lrdecay: ignore[LRD301] REASON in configs/a.py:1"),
        ("# lrdecay: ignore LRD301: it is known", "write # lrdecay: ignore[LRD301] it is known in configs/a.py:1"),
        (
            "# lrdecay: ignore LRD301, layer-gap as published",
            "write # lrdecay: ignore[LRD301, layer-gap] as published in configs/a.py:1",
        ),
        ("# lrdecay: disable=LRD301", "write # lrdecay: ignore[LRD301] REASON in configs/a.py:1"),
        ("# lrdecay: ignore (LRD301) known", "write # lrdecay: ignore[LRD301] known in configs/a.py:1"),
        ("# lrdecay: ignore-LRD302", "write # lrdecay: ignore[LRD302] REASON in configs/a.py:1"),
        ("# lrdecay: ignore", "write # lrdecay: ignore[LRD301] REASON in configs/a.py:1"),
        (
            "# lrdecay: ignore[LRD301] until=31.1.2027 known",
            "write # lrdecay: ignore[LRD301] until=YYYY-MM-DD known in configs/a.py:1",
        ),
    ],
)
def test_a_malformed_comment_gets_the_correct_form(comment: str, fix: str) -> None:
    stated = StatedSuppression(rule=(), source="configs/a.py:1", place="configs/a.py", line=1, comment=comment)
    result = checked("", comments=(stated,))
    assert codes(result) == ["LRD301", "LRD904"]
    assert (result.findings[1].fix, result.findings[1].option) == (fix, comment)


def test_rules_that_did_not_run_are_not_reported() -> None:
    settings = parse_settings(suppress(rule="LRD301", reason="known").encode(), "lrdecay.toml")
    assert settings is not None
    result = check_maps([decay_map()], chosen_rules(["LRD7", "LRD9"], []), settings=settings, today=TODAY)
    assert result.findings == ()


def test_a_comment_expires() -> None:
    dated = StatedSuppression(
        rule=("LRD301",), reason="known", source="a.py:3", place="a.py", line=3, until=date(2027, 1, 30)
    )
    assert codes(checked("", comments=(dated,))) == ["LRD301", "LRD903"]
