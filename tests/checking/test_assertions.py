"""Assertions: which parameters they check, and the message of a failure."""

from __future__ import annotations

import pytest

from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files.settings_file import parse_settings
from lrdecay_cli.rules import find_rule
from tests.checking.maps import FAST, decay_map
from tests.group_maps import group_map

RULES = [find_rule(code) for code in ("LRD702", "LRD703")]


def found(assertion: str, *maps: GroupMap) -> list[Finding]:
    settings = parse_settings(f"[[assert]]\n{assertion}\n".encode(), "lrdecay.toml")
    assert settings is not None
    return list(check_maps(maps or [decay_map(wrong=True)], RULES, settings=settings).findings)


@pytest.mark.parametrize(
    ("assertion", "failing"),
    [
        ("parameters = 'backbone.*'\nlr_scale = '<= 1'", FAST),
        ("parameters = 'backbone'\nlr_scale = '<= 1'", FAST),
        ("parameters = 'backbone.stages.2.{1,2}.*'\nlr_scale = '<= 1'", FAST),
        ("parameters = '*.bias'\nlr_scale = '<= 1'", FAST[2:]),
        ("parameters = 'backbone.*'\nlr = '0..0.1'", FAST),
        ("parameters = 'head.*'\nlr = 0.1", ()),
        ("parameters = 'head.*'\nweight_decay = 0", ("head.weight",)),
        ("parameters = 'backbone.*'\nlayer_id = '< 2'", ()),
        ("parameters = 'backbone.*'\nlayer_id = 0", FAST),
        ("parameters = 'head.*'\ngroup = 'layer_2_*'", ()),
        ("parameters = 'head.*'\ngroup = 'layer_1_*'", ("head.weight",)),
        ("parameters = 'neck.*'\nfrozen = true", ()),
        ("parameters = 'head.*'\nfrozen = true", ("head.weight",)),
        ("parameters = 'neck.*'\nfrozen = false", ("neck.frozen.weight",)),
        # A frozen parameter in no group has no lr. The head has one.
        ("parameters = '*'\nlr = '> 0'", ()),
        ("parameters = 'backbone.*'\nlr_scale = '<= 1'\nconfig = 'configs/a.py'", FAST),
        ("parameters = 'backbone.*'\nlr_scale = '<= 1'\nconfig = 'a.py'", FAST),
        ("parameters = 'backbone.*'\nlr_scale = '<= 1'\nconfig = 'other/*.py'", ()),
    ],
)
def test_failing_parameters(assertion: str, failing: tuple[str, ...]) -> None:
    findings = found(assertion)
    assert [finding.code for finding in findings] == ["LRD702"] * bool(failing)
    assert [name for finding in findings for name in finding.parameters] == list(failing)


def test_a_trainable_parameter_in_no_group_fails() -> None:
    (finding,) = found(
        "parameters = '*'\nlr = '> 0'", group_map({"g": {"parameters": {"a": (1,)}}}, missing={"b": (1,)})
    )
    assert finding.parameters == ("b",)
    assert finding.message == "asserted lr > 0 for '*', but it is in no group"


def test_a_group_without_the_number_fails() -> None:
    (finding,) = found("parameters = '*'\nlayer_id = '>= 0'", group_map({"g": {"parameters": {"a": (1,)}}}))
    assert finding.message.endswith("but it is not set")


def test_text_of_a_failure() -> None:
    (finding,) = found("parameters = 'backbone.*'\nlr_scale = '<= 1'\nmessage = 'slow'\nseverity = 'warning'")
    assert finding.severity == "warning"
    assert finding.message == "slow: asserted lr_scale <= 1 for 'backbone.*', but it is 2"
    assert finding.fix == "change the config, or change the assertion in lrdecay.toml, [[assert]] number 1"


@pytest.mark.parametrize(("path", "table"), [("lrdecay.toml", "assert"), ("pyproject.toml", "tool.lrdecay.assert")])
def test_the_assertion_is_named_as_its_file_has_it(path: str, table: str) -> None:
    text = f"[[{table}]]\nparameters = 'head.*'\nfrozen = false\n[[{table}]]\nparameters = 'head.*'\nlr = 5"
    settings = parse_settings(text.encode(), path)
    assert settings is not None
    (finding,) = check_maps([decay_map()], RULES, settings=settings).findings
    assert finding.fix.endswith(f"{path}, [[{table}]] number 2")
    assert "tool.lrdecay" not in finding.why


def test_two_aspects_are_two_findings_with_two_fingerprints() -> None:
    findings = found("parameters = 'backbone.*'\nlr_scale = '<= 1'\nlayer_id = 0")
    assert [finding.message.split()[1] for finding in findings] == ["lr_scale", "layer_id"]
    assert len({finding.fingerprint for finding in findings}) == 2


@pytest.mark.parametrize(
    ("assertion", "message"),
    [
        ("parameters = 'backbon.*'\nlr = 1", "no parameter matches 'backbon.*'"),
        ("parameters = 'neck.*'\nlr = 1", "all parameters that match 'neck.*' are frozen and in no group"),
    ],
)
def test_an_unmatched_assertion_is_reported_once_at_the_settings(assertion: str, message: str) -> None:
    findings = found(assertion, decay_map(), decay_map(config="configs/b.py"))
    assert [(finding.code, finding.config, finding.option) for finding in findings] == [
        ("LRD703", "lrdecay.toml", "assert[0]")
    ]
    assert message in findings[0].message


def test_one_config_with_a_comparison_is_enough() -> None:
    other = group_map({"g": {"parameters": {"encoder.weight": (1,)}}})
    assert found("parameters = 'head.*'\nlr = 0.1", other, decay_map()) == []


def test_an_invalid_condition_is_refused_with_its_place() -> None:
    with pytest.raises(LrdecayError, match=r"lrdecay\.toml: assert\[0\]\.lr: invalid condition 'small'"):
        found("parameters = '*'\nlr = 'small'")


@pytest.mark.parametrize(
    ("config", "absent", "messages"),
    [
        ("confgs/*", True, ["no config matches 'confgs/*', so the assertion checks nothing"]),
        # Other configs of the project match.
        ("published/*", False, []),
        ("configs/*", True, []),
    ],
)
def test_an_assertion_about_no_config(config: str, absent: bool, messages: list[str]) -> None:
    settings = parse_settings(f"[[assert]]\nparameters = '*'\nlr = '> 0'\nconfig = '{config}'".encode(), "lrdecay.toml")
    assert settings is not None
    findings = check_maps([decay_map()], RULES, settings=settings, is_absent=lambda _: absent).findings
    assert [finding.message for finding in findings] == messages
    assert [finding.fix for finding in findings] == [
        "use a glob such as 'configs/*.py', or remove the assertion" for _ in messages
    ]
