"""Every rule reports its bad example and not its good one; its documentation has the required parts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.rules import RULES, Rule, find_rule
from tests.golden import Golden
from tests.rules.examples import FOUND, found_by, judged, rows_of
from tests.rules.fixes import NO_EDIT, edits_not_named, objections, strays, write_fix

by_code = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


@by_code
def test_fires_on_the_bad_example_and_its_fixes_work(
    rule: Rule, tmp_path: Path, golden: Golden, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "bad").mkdir()
    bad = judged(rule, rule.bad, tmp_path / "bad")
    assert bad.own
    for finding in bad.own:
        assert finding.message
        assert not finding.message.endswith(".")
        assert finding.fix
        assert finding.parameters or finding.option
        assert len(set(finding.parameters)) == len(finding.parameters)
        assert edits_not_named(finding) == []
    golden.check_rows(FOUND, rule.code, rows_of(bad.own))
    fixes = [(finding, fix) for finding in bad.own for fix in finding.fixes]
    assert (rule.code in NO_EDIT) == (not fixes)
    for number, (finding, fix) in enumerate(fixes):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "bad", folder)
        assert write_fix(str(folder / "config.py"), fix)
        fixed = judged(rule, rule.bad, folder)
        assert objections(finding, fix, bad, fixed) == []
        assert strays(finding, fix, bad.group_map, fixed.group_map) == set()
    record_property("fixes", len(fixes))


@by_code
def test_silent_on_the_good_example(rule: Rule, tmp_path: Path) -> None:
    assert found_by(rule, rule.good, tmp_path) == ()


@by_code
def test_documentation(rule: Rule) -> None:
    assert re.fullmatch(r"LRD[1-9]\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert rule.summary.endswith(".")
    assert len(rule.why) > 40
    assert find_rule(rule.code.lower()) is rule is find_rule(rule.name)
