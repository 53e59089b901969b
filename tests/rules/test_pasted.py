"""Settings in fix texts can be pasted into the config: it builds, and the finding is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import map_of

OURS = "LayerDecayOptimWrapperConstructor"
MMDET = "mmdet.LearningRateDecayOptimizerConstructor"
RESNET = "_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'\n"
SWIN = (
    "model = dict(backbone=dict(_delete_=True, type='SwinTransformer', img_size=64,\n"
    "    arch=dict(embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 1, 1])), head=dict(in_channels=64))\n"
)
OLD = (
    "optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.1, constructor='LearningRateDecayOptimizerConstructor',\n"
    "    paramwise_cfg=dict(decay_rate=0.8, decay_type='layer_wise', num_layers=6))"
)
PASTED = re.compile(
    r"custom_imports=dict\(imports=\[[^]]*\](?:, \w+=\w+)?\); optim_wrapper=dict\(.*?\)\)(?=;|$)|"
    r"(?<=optim_wrapper\.)paramwise_cfg=.*?\)(?=;|$)"
)


def built(config: str, folder: Path) -> GroupMap:
    folder.mkdir()
    if not config.startswith("_base_"):
        return map_of(Example(config), folder)
    (folder / "config.py").write_text(config, encoding="utf-8")
    return audit(str(folder / "config.py"), device="meta")


@pytest.mark.parametrize(
    ("code", "config", "constructor", "options"),
    [
        pytest.param(
            "LRD201",
            "model = dict(backbone=dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False))\n"
            "custom_imports = dict(imports=['colorsys'], allow_failed_imports=False)",
            OURS,
            {"decay_rate": 0.7},
            id="norms at the head rate, beside other imports",
        ),
        pytest.param(
            "LRD303",
            "optim_wrapper = dict(paramwise_cfg=None)",
            MMDET,
            {"decay_rate": 0.7, "num_layers": 6},
            id="no options",
        ),
        pytest.param(
            "LRD303",
            "optim_wrapper = dict(paramwise_cfg=dict(_delete_=True))",
            MMDET,
            {"decay_rate": 0.7, "num_layers": 6},
            id="options deleted",
        ),
        pytest.param(
            "LRD303",
            f"{SWIN}optim_wrapper = dict(paramwise_cfg=None)",
            OURS,
            {"decay_rate": 0.7},
            id="no options on Swin",
        ),
        pytest.param(
            "LRD501",
            f"{RESNET}optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.8, num_layers=6))",
            OURS,
            {"decay_rate": 0.8},
            id="backbone not served",
        ),
        pytest.param("LRD510", f"{RESNET}{OLD}", OURS, {"decay_rate": 0.8}, id="MMCV 1"),
    ],
)
def test_pasted(code: str, config: str, constructor: str, options: dict[str, float], tmp_path: Path) -> None:
    findings = findings_of(built(config, tmp_path / "wrong"), RULES)
    fix = next(finding.fix for finding in findings if finding.code == code)
    (pasted,) = PASTED.findall(fix)
    if pasted.startswith("paramwise_cfg"):
        pasted = f"optim_wrapper=dict({pasted})"
    repaired = built(f"{config.replace('optimizer = ', 'unused = ')}\n{pasted}\n", tmp_path / "pasted")
    assert (repaired.constructor.type, repaired.constructor.options) == (constructor, options)
    assert code not in {each.code for each in findings_of(repaired, RULES)}
    assert ("colorsys" in config) == ("['colorsys', 'lrdecay_cli.training'], allow_failed_imports=False" in pasted)


@pytest.mark.parametrize("options", ["None", "dict(_delete_=True)"])
def test_a_constructor_without_options_is_reported_once(options: str, tmp_path: Path) -> None:
    group_map = built(f"optim_wrapper = dict(paramwise_cfg={options})", tmp_path / "config")
    assert [(each.code, each.severity) for each in findings_of(group_map, RULES)] == [("LRD303", "warning")]
    weight_decay = [rule for rule in RULES if rule.code.startswith("LRD4")]
    fixes = {each.fix for each in findings_of(group_map, weight_decay)}
    (fix,) = fixes
    assert "builds one group and exempts no parameter" in fix
