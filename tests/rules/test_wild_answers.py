"""Right answers to what users reported, on small models: each kind of report with siblings of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of

BASE = """\
custom_imports = dict(imports=['tests.rules.wild_toys'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='ToyDetector', backbone=dict(type='ToyRow'))
train_cfg = dict(by_epoch=True, max_epochs=12)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.05))
"""


def found(config: str, folder: Path, codes: str = "LRD") -> list[Finding]:
    """What is found in a config beyond ``BASE``."""
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    (folder / "config.py").write_text(f"_base_ = './base.py'\n{config}", encoding="utf-8")
    return [one for one in findings_of(audit(str(folder / "config.py")), RULES) if one.code.startswith(codes)]


def depths_of(depths: list[int], num_layers: int, told: str) -> str:
    return (
        f"model = dict(backbone=dict(type='ToyStages', depths={depths}))\n"
        "optim_wrapper = dict(constructor='ToyDepthsDecay',\n"
        f"    paramwise_cfg=dict(layer_decay_rate=0.9, num_layers={num_layers}, depths={told}))\n"
    )


@pytest.mark.parametrize(
    ("config", "severity", "remedy"),
    [
        # InternImage issue 223, mmdetection issue 10773
        pytest.param(
            depths_of([4, 4, 8, 4], 37, "[5, 5, 22, 5]"),
            "warning",
            "set depths=[4, 4, 8, 4] and num_layers=20",
            id="of a larger one",
        ),
        pytest.param(
            depths_of([4, 4, 8, 4], 8, "(3, 3, 3, 3)"),
            "error",
            "set depths=[4, 4, 8, 4] and num_layers=20",
            id="of a smaller one, past the head",
        ),
        pytest.param(
            depths_of([2, 2, 6, 2], 12, "[2, 2, 2, 2]"), "warning", "set depths=[2, 2, 6, 2]", id="num_layers is right"
        ),
        pytest.param(
            "model = dict(backbone=dict(depth=6))\noptim_wrapper = dict(constructor='ToyRowDecay',\n"
            "    paramwise_cfg=dict(layer_decay_rate=0.9, num_layers=12, depth=12))\n",
            "warning",
            "set depth=6 and num_layers=6",
            id="one number for a row",
        ),
    ],
)
def test_depths_of_another_model(config: str, severity: str, remedy: str, tmp_path: Path) -> None:
    findings = [one for one in found(config, tmp_path) if one.code[3] in "23" and one.severity != "info"]
    assert [(one.code, one.severity, one.remedy) for one in findings] == [("LRD210", severity, remedy)]
    for told in remedy.removeprefix("set ").split(" and "):
        config = f"{config}optim_wrapper['paramwise_cfg'].update(dict({told}))\n"
    assert [one.code for one in found(config, tmp_path) if one.code[3] in "23" and one.severity != "info"] == []
