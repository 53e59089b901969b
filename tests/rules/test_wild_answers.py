"""Right answers to what users reported, on small models: each kind of report with siblings of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lrdecay_cli.analysis.suggesting.options import layers_to_list
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.fix import apply_edits
from lrdecay_cli.domain.group_map import GroupMap
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


def mended(finding: Finding, folder: Path) -> tuple[GroupMap, list[Finding]]:
    """The map of the config of :func:`found` with the first fix of a finding, and what is found in it."""
    fixed = audit(str(folder / "config.py"), change=lambda config: apply_edits(config._cfg_dict, finding.fix[0].edits))
    return fixed, list(findings_of(fixed, RULES))


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


def adapted(new: tuple[str, ...], **wrapper: object) -> str:
    return (
        f"model = dict(backbone=dict(type='ToyAdapted', new={new}))\n"
        "optim_wrapper = dict(constructor='ToyRowDecay', paramwise_cfg=dict(layer_decay_rate=0.8, num_layers=4))\n"
    )


@pytest.mark.parametrize(
    "new",
    [
        # ViT-Adapter
        ("level_embed", "spm", "interactions", "up"),
        ("prompt_tokens",),
        ("adapter_query", "side_adapter"),
        ("simple_fpn", "lora_a"),
    ],
)
def test_what_is_added_to_a_pretrained_backbone_is_new(new: tuple[str, ...], tmp_path: Path) -> None:
    assert found(adapted(new), tmp_path, "LRD201") == []


@pytest.mark.parametrize("pretrained", ["cls_token", "register_tokens"])
def test_what_is_pretrained_is_found_beside_what_is_new(pretrained: str, tmp_path: Path) -> None:
    (finding,) = found(adapted(("spm", pretrained)), tmp_path, "LRD201")
    assert finding.severity == "warning"
    assert {name.split(".")[1] for name in finding.parameters} == {pretrained}


@pytest.mark.parametrize(
    ("backbone", "listed"),
    [
        (
            "type='ToyAdapted'",
            ["(?:pos_embed|patch_embed)", r"blocks\.(\d+)", r"(?:level_embed|spm|interactions\.(?:\d+)|up)"],
        ),
        ("type='ToyStages', depths=(1, 2)", ["patch_embed", r"levels\.(\d+)"]),
    ],
)
def test_the_list_of_layers_keeps_the_order_of_blocks(backbone: str, listed: list[str], tmp_path: Path) -> None:
    found(f"model = dict(backbone=dict({backbone}))\n", tmp_path)
    group_map = audit(str(tmp_path / "config.py"))
    remedy = layers_to_list(group_map)
    assert ast.literal_eval(remedy.partition("layers=")[2]) == listed
    # With the list each block is one rate below the next.
    ours = (
        "custom_imports = dict(imports=['tests.rules.wild_toys', 'lrdecay_cli.training'])\n"
        f"model = dict(backbone=dict({backbone}))\n"
        "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructor',\n"
        f"    paramwise_cfg=dict(decay_rate=0.5, layers={listed!r}))\n"
    )
    assert found(ours, tmp_path, "LRD2") == []
    decayed = audit(str(tmp_path / "config.py"))
    blocks = {
        tensor.name.partition(".norm1")[0]: tensor.group.lr_scale
        for tensor in decayed.tensors()
        if tensor.group and tensor.name.endswith("norm1.weight")
    }
    scales = list(dict.fromkeys(blocks.values()))
    assert scales == sorted(scales)
    assert scales[-1] == (0.25 if "Adapted" in backbone else 0.5)


NO_WEIGHT_DECAY = "optim_wrapper = dict(optimizer=dict(_delete_=True, type='{}', lr=1e-4){})\n"
SLOW_BACKBONE = ", paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)})"


@pytest.mark.parametrize(
    ("optimizer", "wrapper", "first"),
    [
        # yolov5 pull 8592
        pytest.param("AdamW", "", "set optim_wrapper.optimizer.weight_decay=0.01, then ", id="AdamW's own"),
        pytest.param("AdamW", SLOW_BACKBONE, "set optim_wrapper.optimizer.weight_decay=0.01, then ", id="beside a key"),
        pytest.param("NAdam", "", None, id="one that has none"),
        pytest.param(
            "AdamW", ", paramwise_cfg=dict(bypass_duplicate=True)", "set optim_wrapper.", id="beside an option"
        ),
    ],
)
def test_a_multiplier_needs_a_weight_decay(optimizer: str, wrapper: str, first: str | None, tmp_path: Path) -> None:
    findings = found(NO_WEIGHT_DECAY.format(optimizer, wrapper), tmp_path, "LRD4")
    assert {one.code for one in findings} == ({"LRD401", "LRD402", "LRD403"} if first else set())
    blamed = {name for one in findings for name in one.parameters}
    for one in findings:
        assert one.remedy.startswith(str(first))
        before = audit(str(tmp_path / "config.py"))
        after, left = mended(one, tmp_path)
        assert one.code not in {other.code for other in left}
        # Nothing but the weight decay of what was found is another: bias_decay_mult reaches the biases of norms too.
        old, new = ({t.name: t.group for t in each.tensors() if t.group} for each in (before, after))
        changed = {name for name in old if new[name].weight_decay != old[name].weight_decay}
        assert {*one.parameters} <= changed <= blamed
        assert {new[name].weight_decay for name in changed} == {0}
        assert {name: group.lr for name, group in old.items()} == {name: group.lr for name, group in new.items()}
