"""Fixes with custom keys work: with these keys, the finding is gone and there is no new one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES, Example, find_rule
from lrdecay_cli.rules.fixes import covering_keys
from lrdecay_cli.rules.running import findings_of
from tests.group_maps import group_map
from tests.rules.examples import map_of

NAMES = (
    "backbone.stem.weight",
    "backbone.stages.0.0.norm.weight",
    "backbone.stages.0.0.norm.bias",
    "backbone.stages.0.0.conv.weight",
    "backbone.stages.1.0.norm.weight",
    "backbone.stages.1.0.norm.bias",
    "backbone.stages.1.0.conv.weight",
    "backbone.norm3.weight",
    "backbone.norm3.bias",
    "head.norm.weight",
    "head.fc.weight",
)
SHADOWED = "LRD506"
NOTHING = "LRD505"


def found(code: str, keys: dict[str, Any]) -> tuple[Finding, ...]:
    model = group_map(
        {"all": {"parameters": dict.fromkeys(NAMES, (4,))}},
        constructor=Constructor("DefaultOptimWrapperConstructor", {"custom_keys": keys}),
    )
    return findings_of(model, [find_rule(code)])


def added(fix: str) -> dict[str, Any]:
    """Return the keys that a fix adds, with their values."""
    fix = re.sub("^replace '.*?' by ", "", fix)
    settings = re.search(r"dict\((.*)\)$", fix)
    assert settings, fix
    call = ast.parse(f"dict({settings[1]})", mode="eval").body
    assert isinstance(call, ast.Call)
    values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    return dict.fromkeys(re.findall(r"'([^']*)'", fix[: settings.start()]), values)


@pytest.mark.parametrize(
    ("code", "keys", "fix"),
    [
        pytest.param(
            SHADOWED,
            {"backbone": dict(lr_mult=0.1), "norm": dict(decay_mult=0.0)},
            "add '.0.0.norm', '.1.0.norm' and 'backbone.norm3', each with dict(lr_mult=0.1, decay_mult=0.0)",
            id="several keys",
        ),
        pytest.param(
            SHADOWED,
            {"stages": dict(lr_mult=0.1), "norm": dict(decay_mult=0.0)},
            "add '.0.norm': dict(lr_mult=0.1, decay_mult=0.0)",
            id="one key",
        ),
        # A fix with unknown values is not written a second time.
        pytest.param(
            SHADOWED,
            {"stages": dict(lr_mul=0.1), "norm": dict(decay_mult=0.0)},
            "add '.0.norm': dict(lr_mult=0.1, decay_mult=0.0)",
            id="settings misspelt",
        ),
        pytest.param(
            SHADOWED,
            {"stages": dict(lr_mult=0.1, tag=1), "norm": dict(decay_mult=0.0)},
            "add '.0.norm': dict(lr_mult=0.1, decay_mult=0.0)",
            id="a setting of its own",
        ),
        pytest.param(
            SHADOWED,
            {"head.": dict(lr_mult=2.0), "fc": dict(decay_mult=0.0)},
            "replace 'fc' by 'head.fc': dict(lr_mult=2.0, decay_mult=0.0)",
            id="loser replaced",
        ),
        pytest.param(
            NOTHING,
            {"stages.*.norm": dict(decay_mult=0.0)},
            "replace 'stages.*.norm' by '0.norm': dict(decay_mult=0.0)",
            id="a star",
        ),
        pytest.param(
            NOTHING,
            {"backbone.*.bias": dict(lr_mult=2.0)},
            "replace 'backbone.*.bias' by 'bias': dict(lr_mult=2.0)",
            id="a star before a bias",
        ),
    ],
)
def test_followed(code: str, keys: dict[str, Any], fix: str) -> None:
    (finding,) = found(code, keys)
    assert finding.fix == fix
    old = {key: settings for key, settings in keys.items() if code == SHADOWED and f"replace {key!r}" not in fix}
    new = {**old, **added(fix)}
    assert found(code, new) == ()
    # The new keys are the longest matches only for the intended names.
    winners = {name: max((key for key in new if key in name), key=len, default="") for name in NAMES}
    expected = set(finding.parameters) or {
        name for name in NAMES if re.search(r"stages.*norm|bias", name) and winners[name]
    }
    assert {name for name, key in winners.items() if key in added(fix)} == expected


NORMS = [
    f"backbone.layer{layer}.{block}.bn{norm}.{own}"
    for layer in (1, 2, 3)
    for block in range(4)
    for norm in (1, 2)
    for own in ("weight", "bias")
]


def shadowed_norms(names: list[str], frozen: str = "") -> str:
    """The fix for norms that match ``backbone``; next to each is a convolution."""
    names = [*names, *(f"{name.rpartition('.bn')[0]}.conv{index}.weight" for index, name in enumerate(names))]
    still = tuple(name for name in names if frozen and name.startswith(frozen))
    keys = {"backbone": {"lr_mult": 0.1}, "bn": {"decay_mult": 0.0}}
    model = group_map(
        {"all": {"parameters": {name: (4,) for name in names if name not in still}}},
        frozen=dict.fromkeys(still, (4,)),
        constructor=Constructor("DefaultOptimWrapperConstructor", {"custom_keys": keys}),
    )
    (finding,) = findings_of(model, [find_rule(SHADOWED)])
    return finding.fix


@pytest.mark.parametrize("frozen", ["", "backbone.layer1."])
def test_few_keys_reach_the_norms_of_every_block(frozen: str) -> None:
    """A frozen block has norms with the same names; a key may match them too."""
    assert shadowed_norms(NORMS, frozen) == (
        "replace 'bn' by '.bn1.bias', '.bn2.bias', 'bn1.weight' and 'bn2.weight', each with"
        " dict(lr_mult=0.1, decay_mult=0.0)"
    )


def test_many_keys_have_an_alternative() -> None:
    fix = shadowed_norms([f"{part}.layer{layer}.bn.bias" for part in ("backbone", "head") for layer in range(20)])
    assert re.match(r"add 20 keys longer than 'backbone' \(('[^']*', ){3}…\), each with dict", fix)
    assert fix.endswith(
        "; or use lrdecay's LayerDecayOptimWrapperConstructor, which exempts norms, biases and 1-D tensors by itself"
    )


def test_keys_of_a_large_model_are_not_searched_for() -> None:
    names = [f"layers.{index}.weight" for index in range(5000)]
    assert covering_keys(names, names, "") == []


def test_redundant_keys_are_removed() -> None:
    """``.1.weight`` matches most names, but the keys for the biases override it everywhere."""
    norms = [f"backbone.blocks.{block}.1.{kind}" for block in range(4) for kind in ("weight", "bias")]
    keys = covering_keys(norms, [*norms, "neck.1.bias", *(name.replace(".1.", ".0.") for name in norms)], "backbone")
    assert keys
    for key in keys:
        others = [other for other in keys if other != key]
        assert [name for name in norms if key in name and not any(other in name for other in others)]


def test_no_key_distinguishes_the_names() -> None:
    assert covering_keys(["neck"], ["neck", "bottleneck"], "") == []


MMCV = """
optimizer = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(policy='step', warmup='linear', warmup_iters=500, warmup_ratio=0.001, step=[16, 22])
runner = dict(type='EpochBasedRunner', max_epochs=24)
"""


def test_replacements_of_mmcv_keys_can_be_pasted(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    findings = findings_of(map_of(Example(MMCV), folders[0]), [find_rule("LRD510")])
    assert {finding.option: finding.fix.partition(": ")[0] for finding in findings} == {
        "optimizer": "replace it by",
        "optimizer_config": "apply the fix for optimizer, which also replaces optimizer_config",
        "lr_config": "replace it by",
        "runner": "replace it by",
    }
    pasted = "\n".join(finding.fix.partition(": ")[2] for finding in findings)
    repaired = map_of(Example(pasted), folders[1])
    assert [each.code for each in findings_of(repaired, RULES) if each.code[3] in "56"] == []
    assert (repaired.optimizer.type, repaired.base_lr, repaired.base_weight_decay) == ("SGD", 0.02, 0.0001)
    assert repaired.training.optim_wrapper["clip_grad"] == {"max_norm": 35, "norm_type": 2}
    assert repaired.training.train_cfg == {"by_epoch": True, "max_epochs": 24}
    assert [each["type"] for each in repaired.training.param_scheduler] == ["LinearLR", "MultiStepLR"]


def test_a_config_of_mmcv_gets_its_mmengine_equivalent(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(f"model = dict(type='ImageClassifier')\n{MMCV}")
    with pytest.raises(LrdecayError) as raised:
        audit(str(tmp_path / "config.py"))
    fix = raised.value.fix
    names: dict[str, Any] = {}
    exec(fix.partition("for MMEngine write: ")[2], names)
    assert names["optim_wrapper"]["optimizer"]["type"] == "SGD"
    assert {"optim_wrapper", "param_scheduler", "train_cfg"} <= {*names}


def test_a_misspelt_setting_is_not_copied_into_the_fix(tmp_path: Path) -> None:
    """mmpose's ViTPose configs use ``decay_multi`` in keys, which their constructor never reads (LRD501)."""
    keys = "dict(head=dict(decay_multi=0.0), neck=dict(lr_mult=2.0, momentum=0.9))"
    example = Example(f"optim_wrapper = dict(paramwise_cfg=dict(custom_keys={keys}))")
    (finding,) = (each for each in findings_of(map_of(example, tmp_path), RULES) if each.code == "LRD501")
    assert "custom_keys=dict(head=dict(decay_mult=0.0), neck=dict(lr_mult=2.0, momentum=0.9))" in finding.fix
