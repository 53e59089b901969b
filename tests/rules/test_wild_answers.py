"""Correct findings for reports of users, on small models: each type of report with variants."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from mmengine.config import Config

from lrdecay_cli.analysis.suggesting.options import layers_to_list
from lrdecay_cli.constructors import PUBLISHED
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.fix import Edit, apply_edits
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES, find_rule
from lrdecay_cli.rules.running import findings_of

BASE = """\
custom_imports = dict(imports=['tests.rules.wild_toys'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='ToyDetector', backbone=dict(type='ToyRow'))
train_cfg = dict(by_epoch=True, max_epochs=12)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.05))
"""


def found(config: str, folder: Path, codes: str = "LRD") -> list[Finding]:
    """Return the findings of a config in addition to ``BASE``."""
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    (folder / "config.py").write_text(f"_base_ = './base.py'\n{config}", encoding="utf-8")
    return [each for each in findings_of(audit(str(folder / "config.py")), RULES) if each.code.startswith(codes)]


def with_edits(config: Config, edits: Sequence[Edit]) -> None:
    apply_edits(config._cfg_dict, edits)


def after_fix(finding: Finding, folder: Path) -> tuple[GroupMap, list[Finding]]:
    """Return the map of the config of :func:`found` with the first fix of a finding, and its findings."""
    fixed = audit(str(folder / "config.py"), change=partial(with_edits, edits=finding.fixes[0].edits))
    return fixed, list(findings_of(fixed, RULES))


def depths_of(depths: list[int], num_layers: int, option: str) -> str:
    return (
        f"model = dict(backbone=dict(type='ToyStages', depths={depths}))\n"
        "optim_wrapper = dict(constructor='ToyDepthsDecay',\n"
        f"    paramwise_cfg=dict(layer_decay_rate=0.9, num_layers={num_layers}, depths={option}))\n"
    )


@pytest.mark.parametrize(
    ("config", "severity", "fix"),
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
def test_depths_of_another_model(config: str, severity: str, fix: str, tmp_path: Path) -> None:
    findings = [each for each in found(config, tmp_path) if each.code[3] in "23" and each.severity != "info"]
    assert [(finding.code, finding.severity, finding.fix) for finding in findings] == [("LRD210", severity, fix)]
    fixed, left = after_fix(findings[0], tmp_path)
    assert [each.code for each in left if each.code[3] in "23" and each.severity != "info"] == []
    options = ", ".join(
        f"{option}={fixed.constructor.options[option]!r}"
        for option in ("depths", "depth", "num_layers")
        if f"{option}=" in fix
    )
    assert fix.removeprefix("set ").replace(" and ", ", ") == options


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
def test_modules_added_to_a_pretrained_backbone_are_new(new: tuple[str, ...], tmp_path: Path) -> None:
    assert found(adapted(new), tmp_path, "LRD201") == []


@pytest.mark.parametrize("pretrained", ["cls_token", "register_tokens"])
def test_pretrained_tensors_are_reported_next_to_new_ones(pretrained: str, tmp_path: Path) -> None:
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
    fix = layers_to_list(group_map)
    assert ast.literal_eval(fix.partition("layers=")[2]) == listed
    # With the list, each block is one decay rate below the next.
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
        # yolov5 pull request 8592
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
    assert {finding.code for finding in findings} == ({"LRD401", "LRD402", "LRD403"} if first else set())
    blamed = {name for finding in findings for name in finding.parameters}
    for finding in findings:
        assert finding.fix.startswith(str(first))
        before = audit(str(tmp_path / "config.py"))
        after, left = after_fix(finding, tmp_path)
        assert finding.code not in {other.code for other in left}
        # Only the weight decay of the reported parameters changes: bias_decay_mult also affects the biases of norms.
        old, new = ({t.name: t.group for t in each.tensors() if t.group} for each in (before, after))
        changed = {name for name in old if new[name].weight_decay != old[name].weight_decay}
        assert {*finding.parameters} <= changed <= blamed
        assert {new[name].weight_decay for name in changed} == {0}
        assert {name: group.lr for name, group in old.items()} == {name: group.lr for name, group in new.items()}


def test_a_key_that_sets_the_weight_decay_is_named(tmp_path: Path) -> None:
    """lrdecay's constructor exempts biases, but a custom key overrides this exemption."""
    config = (
        "custom_imports = dict(imports=['tests.rules.wild_toys', 'lrdecay_cli.training'])\n"
        "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructor', paramwise_cfg=dict(decay_rate=0.9,\n"
        r"    layers=['p.*_embed', r'blocks\.(\d+)'],"
        " custom_keys={'backbone.blocks': dict(lr_mult=0.5, decay_mult=0.5)}))"
    )
    (finding,) = found(config, tmp_path, "LRD402")
    assert finding.option == "optim_wrapper.paramwise_cfg.custom_keys['backbone.blocks']"
    assert "each with dict(lr_mult=0.5, decay_mult=0)" in finding.fix
    before = numbers(audit(str(tmp_path / "config.py")))
    after, left = after_fix(finding, tmp_path)
    assert "LRD402" not in {each.code for each in left}
    exempt = {name: (lr, 0.0 if name in finding.parameters else decay) for name, (lr, decay) in before.items()}
    assert numbers(after) == exempt


def keys(given: str, optimizer: str = "") -> str:
    return f"optim_wrapper = dict({optimizer}paramwise_cfg=dict({given}))\n"


def numbers(group_map: GroupMap) -> dict[str, tuple[float | None, float | None]]:
    return {t.name: (t.group.lr, t.group.weight_decay) for t in group_map.tensors() if t.group}


@pytest.mark.parametrize(
    ("outside", "fix", "inside"),
    [
        # For mmaction2's SwinOptimWrapperConstructor, which applies the settings of all matching keys to a tensor.
        pytest.param(
            "pos_embed=dict(decay_mult=0.), norm=dict(decay_mult=0.), backbone=dict(lr_mult=0.1)",
            "move backbone, norm, pos_embed into custom_keys, and write 'pos_embed': dict(lr_mult=0.1, decay_mult=0.0)",
            "custom_keys={'backbone': dict(lr_mult=0.1), '.norm1.weight': dict(lr_mult=0.1, decay_mult=0.),"
            " '.norm1.bias': dict(lr_mult=0.1, decay_mult=0.), 'backbone.pos_embed': dict(lr_mult=0.1, decay_mult=0.)}",
            id="all of them",
        ),
        pytest.param(
            "custom_keys=dict(head=dict(lr_mult=2.)), neck=dict(lr_mult=5.)",
            "move neck into custom_keys",
            "custom_keys=dict(head=dict(lr_mult=2.), neck=dict(lr_mult=5.))",
            id="one beside",
        ),
        pytest.param(
            "**{'blocks.0': dict(lr_mult=0.1)}",
            "move blocks.0 into custom_keys",
            "custom_keys={'blocks.0': dict(lr_mult=0.1)}",
            id="with a dot",
        ),
    ],
)
def test_keys_outside_custom_keys(outside: str, fix: str, inside: str, tmp_path: Path) -> None:
    (finding,) = found(keys(outside), tmp_path, "LRD501")
    assert (finding.severity, finding.fix.startswith(fix)) == ("error", True)
    fixed, left = after_fix(finding, tmp_path)
    assert [each.code for each in left if each.code[3] == "5" and each.severity != "info"] == []
    (tmp_path / "config.py").write_text(f"_base_ = './base.py'\n{keys(inside)}")
    assert numbers(fixed) == numbers(audit(str(tmp_path / "config.py")))


SLOW = "'backbone': dict(lr_mult=0.1), 'blocks': dict(lr_mult=0.3)"


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize(
    ("custom_keys", "exempt"),
    [
        (f"{SLOW}, 'norm1.weight': dict(decay_mult=0.)", "norm1.weight"),
        (f"{SLOW}, 'norm': dict(decay_mult=0.)", "norm"),
        (f"{SLOW}, 'norm': dict(decay_mult=0.), 'blocks.1.norm': dict(decay_mult=0.)", "norm"),
    ],
)
def test_fixes_of_several_shadowed_keys_agree(custom_keys: str, exempt: str, last_first: bool, tmp_path: Path) -> None:
    """No tensor is in two findings, and in any order, the fixes restore the same settings."""
    findings = found(keys(f"custom_keys={{{custom_keys}}}"), tmp_path, "LRD506")
    lost = [name for finding in findings for name in finding.parameters]
    assert len(lost) == len({*lost})
    edits: list[Edit] = []
    for _ in range(6):
        fixed = audit(str(tmp_path / "config.py"), change=partial(with_edits, edits=edits))
        findings = [each for each in findings_of(fixed, [find_rule("LRD506")]) if each.severity != "info"]
        if not findings:
            break
        edits += findings[-1 if last_first else 0].fixes[0].edits
    assert numbers(fixed) == {
        name: (
            pytest.approx(2e-4 * (0.3 if ".blocks." in name else 0.1 if "backbone" in name else 1)),
            0 if exempt in name else 0.05,
        )
        for name in numbers(fixed)
    }


def test_two_options_that_one_key_overrides(tmp_path: Path) -> None:
    """Only the fix for the weight decay has edits: an lr_mult of 2.0 in the same keys would drop the key's 0.1."""
    options = "bias_lr_mult=2., bias_decay_mult=0., custom_keys={'backbone': dict(lr_mult=0.1)}"
    decay, lr = found(keys(options), tmp_path, "LRD508")
    assert (decay.severity, lr.severity, lr.fixes) == ("warning", "info", ())
    assert {*decay.parameters} > {*lr.parameters}
    assert "change nothing if lr_mult 0.1 is intended; otherwise set lr_mult=0.2 in longer keys" in lr.fix
    after, left = after_fix(decay, tmp_path)
    assert all(numbers(after)[name] == (pytest.approx(2e-5), 0.0) for name in lr.parameters)
    assert {each.severity for each in left if each.code == "LRD508"} <= {"info"}


def test_tensors_of_another_finding_are_counted(tmp_path: Path) -> None:
    config = keys(f"bias_lr_mult=2., custom_keys={{{SLOW}}}")
    (finding,) = found(config, tmp_path, "LRD508")
    reported = {name for each in found(config, tmp_path, "LRD506") for name in each.parameters}
    biases = {name for name in numbers(audit(str(tmp_path / "config.py"))) if name.endswith(".bias")}
    others = len({name for name in biases & reported if ".norm" not in name})
    assert f"for {len(finding.parameters)} tensor, besides {others} that LRD506 reports: " in finding.message


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("blocks.[0-2]", r"blocks\.[012]\."),
        ("backbone.blocks.[0,1].", r"blocks\.[01]\."),
        ("blocks.{0,11}", r"blocks\.(0|11)\."),
        (r"blocks\.(1|3)\.mlp", r"blocks\.[13]\.mlp"),
        ("backbone.blocks.*.mlp", r"blocks\.\d+\.mlp"),
        ("^(?!backbone)", r"^(?!backbone)"),
        (r"mlp\.weight$", r"mlp\.weight$"),
    ],
)
def test_patterns_are_expanded_as_intended(key: str, expected: str, tmp_path: Path) -> None:
    config = f"model = dict(backbone=dict(depth=12))\n{keys(f'custom_keys={{{key!r}: dict(lr_mult=0.5)}}')}"
    (finding,) = found(config, tmp_path, "LRD505")
    fixed, left = after_fix(finding, tmp_path)
    assert "LRD505" not in {each.code for each in left}
    assert {name for name, (lr, _) in numbers(fixed).items() if lr == 1e-4} == {
        name for name in numbers(fixed) if re.search(expected, name)
    }
    replaced = fixed.constructor.options["custom_keys"]
    assert key not in replaced
    assert all(re.search("[a-z]", new) for new in replaced)


@pytest.mark.parametrize(
    ("config", "code", "severity", "fix"),
    [
        pytest.param(
            keys("layer_decay=0.8"), "LRD501", "error", "paramwise_cfg=dict(decay_rate=0.8)", id="timm's rate"
        ),
        pytest.param(keys("lr_mult=0.1"), "LRD501", "warning", "'backbone': dict(lr_mult=0.1)", id="of no key"),
        pytest.param(
            keys("custom_keys=dict(norm_decay_mult=0.)"),
            "LRD505",
            "warning",
            "move it to optim_wrapper.paramwise_cfg.norm_decay_mult",
            id="an option among keys",
        ),
        pytest.param(
            "paramwise_options = dict(norm_decay_mult=0.)\n",
            "LRD510",
            "error",
            "move it to optim_wrapper.paramwise_cfg",
            id="of early MMCV",
        ),
        pytest.param("max_epochs = 36\n", "LRD510", "warning", "move it to train_cfg.max_epochs", id="a length"),
        pytest.param(
            "train_cfg = dict(_delete_=True, by_epoch=True, total_epochs=12)\n",
            "LRD512",
            "error",
            "did you mean train_cfg.max_epochs=12?",
            id="total_epochs",
        ),
        pytest.param(
            "optim_wrapper = dict(clip_grad=dict(_delete_=True, max_norm=1.))\n",
            "LRD513",
            "error",
            "remove optim_wrapper.clip_grad._delete_",
            id="clip_grad of no base",
        ),
        pytest.param(
            keys("_delete_=True, norm_decay_mult=0."),
            "LRD513",
            "info",
            "remove optim_wrapper.paramwise_cfg._delete_",
            id="options of no base",
        ),
        # mmpretrain's Twins
        pytest.param(
            keys("_delete=True, norm_decay_mult=0."), "LRD513", "warning", "did you mean _delete_,", id="_delete"
        ),
        pytest.param(
            "param_scheduler = [dict(_delete_=True, type='CosineAnnealingLR', T_max=12)]\n",
            "LRD513",
            "error",
            "remove param_scheduler[0]._delete_",
            id="in a list",
        ),
    ],
)
def test_options_in_their_place(config: str, code: str, severity: str, fix: str, tmp_path: Path) -> None:
    (finding,) = [each for each in found(config, tmp_path) if each.code[3] in "56"]
    assert (finding.code, finding.severity) == (code, severity)
    assert fix in finding.fix
    if finding.fixes and "did you mean _delete_" not in fix:
        assert [each.code for each in after_fix(finding, tmp_path)[1] if each.code[3] in "56"] == []


def test_options_of_forks_are_not_misspelt(tmp_path: Path) -> None:
    """InternImage's ``offset_lr_scale`` and ``backbone_small_lr``."""
    forks = [option for spec in PUBLISHED for option in spec.options]
    assert "backbone_small_lr" in forks
    options = ", ".join(f"{option}=1" for option in dict.fromkeys(forks))
    assert "LRD503" not in {each.code for each in found(keys(options), tmp_path)}


@pytest.mark.parametrize("rate", [0.95, 0.8])
def test_a_fix_names_the_rate_of_the_groups(rate: float, tmp_path: Path) -> None:
    """For a checkpoint without options, or a constructor with another name for the rate."""
    config = adapted(("cls_token",)).replace("0.8", str(rate))
    (finding,) = found(config, tmp_path, "LRD201")
    known = audit(str(tmp_path / "config.py"))
    for constructor in (Constructor("unknown", {}), Constructor("Own", {"speed": rate, "num_layers": 4})):
        changed = msgspec.structs.replace(known, constructor=constructor)
        (other,) = findings_of(changed, [find_rule("LRD201")])
        for each in (finding, other):
            assert f"decay_rate={rate}" in each.fix


def test_the_optimizers_default_weight_decay_is_named(tmp_path: Path) -> None:
    """YOLO-World issue 190."""
    (norms,) = found("optim_wrapper = dict(constructor='ToyKindsDecay')\n", tmp_path, "LRD401")
    assert (
        "have weight decay 0.01, the default of AdamW, because ToyKindsDecay ignores the config's weight decay 0.05"
        in norms.message
    )
