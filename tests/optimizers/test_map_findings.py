"""Findings of ``check`` about an optimizer, from a map alone, equal those of a dry run of the training."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.training import Optimizer, Training
from lrdecay_cli.optimizers import table
from lrdecay_cli.rules import RULES, RuleContext, find_rule
from lrdecay_cli.rules.running import findings_of
from tests.group_maps import group_map
from tests.rules.examples import dry_run_of, map_of

ABOUT_OPTIMIZERS = [rule for rule in RULES if "LRD801" <= rule.code <= "LRD807"]
GROUPS = {
    "norms": {"parameters": {"stem.norm.weight": (8,)}, "lr": 0.01, "weight_decay": 0.0},
    "stem": {"parameters": {"stem.conv.weight": (8, 3, 3, 3)}, "lr": 0.01},
    "head": {"parameters": {"head.weight": (4, 8)}, "lr": 0.1},
    "kept": {"parameters": {"kept.weight": (8, 8)}, "lr": 0.0},
}
CODES = {
    "torch.optim.AdamW": "",
    "torch.optim.SGD": "",
    "torch.optim.Adafactor": "LRD802",
    "torch.optim.Muon": "",  # raises at construction: there is no map
    "torch.optim.Rprop": "LRD802 LRD803 LRD804 LRD807",
    "torch.optim.SparseAdam": "LRD801 LRD803",
    "mmpretrain.Lamb": "LRD806",
    "timm.Lamb": "LRD806",
    "timm.MADGRAD": "LRD802 LRD804 LRD807",
    "dadaptation.DAdaptAdaGrad": "LRD802 LRD804 LRD807",
    "dadaptation.DAdaptAdam": "LRD801",
    "dadaptation.DAdaptLion": "LRD801 LRD804",
    "dadaptation.DAdaptSGD": "LRD801 LRD805",
    "heavyball.AdamC": "LRD805",
    "muon-optimizer.SingleDeviceMuon": "LRD801",
    "prodigyopt.Prodigy": "LRD801 LRD804",
    "pytorch_optimizer.AdaFactor": "LRD802 LRD804 LRD807",
    "pytorch_optimizer.ASGD": "LRD807",
    "schedulefree.AdamWScheduleFree": "LRD801 LRD807",
    "torch-optimizer.RAdam": "LRD802 LRD804",
}
"""Optimizer classes without options."""


@pytest.mark.parametrize("label", CODES)
def test_codes_by_measurement(label: str) -> None:
    distribution, _, name = label.rpartition(".")
    (row,) = (
        row
        for row in table()
        if (row.distribution, row.name, row.options) == (distribution.removesuffix(".optim"), name, {})
    )
    judged = group_map(
        GROUPS,
        optimizer=Optimizer(name, "OptimWrapper", {}, effects={"": row}),
        training=Training({}, ({"type": "CosineAnnealingLR", "T_max": 12},), {"max_epochs": 12}, {}, None, ()),
    )
    found = findings_of(judged, ABOUT_OPTIMIZERS)
    assert [finding.code for finding in sorted(found, key=lambda finding: finding.code)] == CODES[label].split()
    assert all(row.version in finding.message for finding in found)


@pytest.mark.parametrize("code", ["LRD801", "LRD802", "LRD803", "LRD804"])
def test_a_dry_run_finds_the_same(code: str, tmp_path: Path) -> None:
    rule = find_rule(code)
    (tmp_path / "run").mkdir()
    run, _ = dry_run_of(rule.bad, tmp_path / "run")
    alone = map_of(rule.bad, tmp_path)
    (measured,) = findings_of(RuleContext(alone, dry_run=run), [rule])
    (of_map,) = findings_of(RuleContext(alone), [rule])
    assert (measured.severity, measured.option) == (of_map.severity, of_map.option)
    if code in ("LRD803", "LRD804"):
        assert measured.parameters == of_map.parameters


def test_one_lr_satisfies_optimizers_that_require_it() -> None:
    (prodigy,) = (row for row in table() if row.name == "Prodigy" and row.distribution == "prodigyopt")
    alike = group_map(
        {
            "a": {"parameters": {"a": (2, 2)}},
            "b": {"parameters": {"b": (2,)}, "weight_decay": 0.0},
            "c": {"parameters": {"c": (2,)}, "lr": 0.0, "weight_decay": 0.0},
        },
        optimizer=Optimizer("Prodigy", "OptimWrapper", {}, effects={"": prodigy}),
    )
    assert not findings_of(alike, ABOUT_OPTIMIZERS)
