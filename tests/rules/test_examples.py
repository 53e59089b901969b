"""Every rule fires on its bad example and is silent on its good one; its documentation says what it must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lrdecay_cli.rules import RULES, Rule, find_rule
from tests.golden import Golden
from tests.rules.examples import FOUND, found_by, rows_of

by_code = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


@by_code
def test_fires_on_the_bad_example_alone(rule: Rule, tmp_path: Path, golden: Golden) -> None:
    for kind in ("bad", "good"):
        folder = tmp_path / kind
        folder.mkdir()
        found = found_by(rule, getattr(rule, kind), folder)
        assert bool(found) == (kind == "bad"), found
        for finding in found:
            assert finding.message
            assert not finding.message.endswith(".")
            assert finding.remedy
            assert finding.parameters or finding.option
            assert len(set(finding.parameters)) == len(finding.parameters)
        if kind == "bad":
            golden.check_rows(FOUND, rule.code, rows_of(found))


@by_code
def test_documentation(rule: Rule) -> None:
    assert re.fullmatch(r"LRD[1-9]\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert rule.summary.endswith(".")
    assert len(rule.why) > 40
    assert find_rule(rule.code.lower()) is rule is find_rule(rule.name)
