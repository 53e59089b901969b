"""Mistakes from real projects, and variants of them: wrong configs, and the same configs corrected.

Rules on coverage, layers and rates; every config is built for real.
"""

from __future__ import annotations

import pytest

from lrdecay_cli.rules import Example
from lrdecay_cli.text.name_patterns import matches
from tests.rules.examples import built
from tests.rules.layer_configs import (
    ALL_STAGES,
    HIVIT,
    SWIN,
    Pair,
    convnext,
    default,
    findings_in,
    mmpretrain,
    plain_decay,
    wrapped,
)
from tests.rules.wild_groups import GROUPS
from tests.rules.wild_layers import LAYERS

PAIRS = {**LAYERS, **GROUPS}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_wrong_and_repaired(pair: Pair) -> None:
    found = [finding for finding in findings_in(pair.wrong) if finding.code == pair.code]
    assert found
    names = {*built(pair.wrong).registered}
    expected = {name for name in names if any(matches(pattern, name) for pattern in pair.patterns)}
    reported = {name for finding in found for name in finding.parameters}
    assert reported & names == expected
    assert pair.code not in {finding.code for finding in findings_in(pair.repaired)}


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(plain_decay(), id="four layers"),
        pytest.param(plain_decay(backbone=dict(frozen_stages=1)), id="a frozen stage"),
        pytest.param(plain_decay(without_ids=True), id="no layer ids"),
        pytest.param(plain_decay(12, 0.65, 12), id="twelve layers"),
        pytest.param(plain_decay(layers=4, backbone=dict(with_cls_token=False)), id="no token"),
        pytest.param(wrapped("student", "student.backbone."), id="in a student"),
        pytest.param(wrapped("module", "backbone."), id="in a module"),
        pytest.param(default("None"), id="no paramwise_cfg"),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(example: Example) -> None:
    assert [finding.message for finding in findings_in(example)] == []


@pytest.mark.parametrize(
    "backbone",
    [
        dict(),
        dict(type="BEiTViT", use_rel_pos_bias=True),
        dict(type="SwinTransformer", **SWIN),
        dict(type="ConvNeXt", arch=dict(depths=[1, 1, 9, 1], channels=[4, 4, 4, 8])),
        dict(type="ResNet", depth=50),
    ],
    ids=["vit", "beit", "swin", "convnext", "resnet"],
)
def test_backbones_that_mmpretrain_serves_have_nothing_but_notes(backbone: dict[str, object]) -> None:
    assert {finding.code for finding in findings_in(mmpretrain(**backbone))} <= {"LRD308", "LRD309"}


OURS = "custom_imports = dict(imports=['plugin', 'lrdecay_cli.training'])\n"


def ours(example: Example, **options: object) -> Example:
    """Return the model of an example with lrdecay's own constructor."""
    model = example.config.partition("optim_wrapper")[0]
    given = dict(_delete_=True, decay_rate=0.7) | options
    wrapper = f"optim_wrapper = dict(constructor='mmengine.LayerDecayOptimWrapperConstructor', paramwise_cfg={given!r})"
    return Example(f"{OURS}{model}{wrapper}", example.plugin)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(ours(convnext([1, 1, 9, 1], **ALL_STAGES)), id="convnext"),
        pytest.param(ours(convnext([2, 2, 6, 2], **ALL_STAGES)), id="convnext-atto"),
        pytest.param(ours(convnext([1, 1, 3, 1], **ALL_STAGES), decay_type="stage_wise"), id="stage-wise"),
        pytest.param(ours(mmpretrain(type="WithRegisters", placed=True)), id="register tokens"),
        pytest.param(ours(mmpretrain(**HIVIT)), id="hivit"),
        pytest.param(
            ours(mmpretrain(type="SwinTransformer", use_abs_pos_embed=True, out_indices=(0, 1, 2, 3), **SWIN)),
            id="swin",
        ),
        pytest.param(ours(mmpretrain(type="ResNet", depth=50)), id="resnet"),
        pytest.param(ours(wrapped("student", ""), backbone="student.backbone"), id="in a student"),
        pytest.param(
            ours(plain_decay(), custom_keys={"head": dict(lr_mult=10.0), "ln2": dict(lr_mult=2.0)}), id="custom keys"
        ),
        pytest.param(
            ours(convnext([6], type="ConvNeXtOfBlocks"), layers=["downsample_layers", r"blocks\.(\d+)"]),
            id="layers by pattern",
        ),
    ],
)
def test_our_own_constructor_has_nothing_but_notes(example: Example) -> None:
    found = [f"{finding.code}: {finding.message}" for finding in findings_in(example) if finding.severity != "info"]
    assert found == []


@pytest.mark.parametrize(
    ("example", "fix"),
    [
        pytest.param(convnext([3, 3, 27, 3]), "set num_layers=12, which fits the depths 3,3,27,3", id="overflow"),
        pytest.param(convnext([3, 3, 9, 3], 12), "set num_layers=6, which fits depths 3,3,9,3", id="gap"),
        pytest.param(convnext([2, 2, 6, 2]), "set num_layers=5, which fits depths 2,2,6,2", id="gap of one"),
        pytest.param(
            convnext([3, 3, 9, 3], 6, 0.9, "stage_wise"), "set num_layers=4, which fits 4 stages", id="stage-wise"
        ),
        pytest.param(convnext([3, 3, 9]), "set num_layers=5, so that every layer id is used", id="three stages"),
        pytest.param(
            plain_decay(decay_rate=1.25),
            "set decay_rate between 0 and 1, such as 0.8, the inverse of 1.25",
            id="rate above 1",
        ),
    ],
)
def test_fixes_have_their_value(example: Example, fix: str) -> None:
    assert fix in [finding.fix for finding in findings_in(example)]
