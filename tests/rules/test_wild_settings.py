"""Real mistakes in weight decay, options and schedules: each finding has the right subject, and a fix removes it.

Each pair is one change away from a correct config without findings of these rules, so exactly the expected codes
appear, and no other rule reports the same cause.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import built, write
from tests.rules.fixes import ABOUT_MAPS, edits_not_named, fixed
from tests.rules.wild_configs import Wild
from tests.rules.wild_options import OPTIONS
from tests.rules.wild_schedules import SCHEDULES
from tests.rules.wild_weight_decay import WEIGHT_DECAY

RULES_HERE = [rule for rule in RULES if rule.code[3] in "456"]
WILD = {**WEIGHT_DECAY, **OPTIONS, **SCHEDULES}
# Their fixes need a decision of the user, so ``check --fix`` does not apply them.
REFUSED = {"equal length follows the alphabet": "stages.0 to 2 are at the head's rate then, which LRD205 reports"}


def judged(config: str, plugin: str) -> tuple[GroupMap, tuple[Finding, ...]]:
    """Return the map, and its findings of the rules on weight decay, options and schedules."""
    group_map = built(Example(config, plugin))
    return group_map, findings_of(group_map, RULES_HERE)


@pytest.mark.parametrize("wild", WILD.values(), ids=WILD)
def test_found_and_repaired(wild: Wild) -> None:
    group_map, found = judged(wild.wrong, wild.plugin)
    assert sorted(finding.code for finding in found) == sorted(wild.code.split()), found
    if wild.about:
        (finding,) = found
        expected = {name for name in group_map.names(duplicates=True) if re.fullmatch(wild.about, name)}
        assert wild.about == finding.option.removeprefix("optim_wrapper.paramwise_cfg.") or expected == {
            *finding.parameters
        }, finding
        assert wild.severity in ("", finding.severity)
    assert judged(wild.repaired, wild.plugin)[1] == ()


@pytest.mark.parametrize("name", WILD)
def test_fixes(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """After each fix, with the fixes of new findings, no finding above info remains."""
    example = Example(WILD[name].wrong, WILD[name].plugin)
    before = findings_of(built(example), ABOUT_MAPS)
    tried, objections = 0, []
    for finding in before:
        assert edits_not_named(finding) == []
        for fix in finding.fixes if finding.code[3] in "456" else ():
            tried += 1
            folder = tmp_path / str(tried)
            folder.mkdir()
            write(example, folder)
            objections.append(fixed(example, folder, finding, fix, before))
    record_property("fixes", tried)
    assert any(objections) == (name in REFUSED), objections
