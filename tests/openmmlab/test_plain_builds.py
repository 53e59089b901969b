"""Maps equal the builds of real constructors: compare with plain builds of configs and code from other projects."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from tests.openmmlab.plain import MMDET_ZOO, plain_config, plain_groups, plain_model, without_memory
from tests.recomputing import assert_explained, assert_recomputes

DECAY_CONFIGS = [
    *sorted(str(path) for path in Path(MMDET_ZOO, "convnext").glob("*.py")),
    f"{MMDET_ZOO}/rtmdet/rtmdet_l_convnext_b_4xb32-100e_coco.py",
]
SMALLEST = "mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco"
SAMPLES = sorted(str(path) for path in Path(__file__, "../../../sample_configs").resolve().glob("*.py"))
ZOO_VARIETY = [
    f"{MMDET_ZOO}/{name}"
    for name in (
        "swin/mask-rcnn_swin-s-p4-w7_fpn_amp-ms-crop-3x_coco.py",  # custom_keys, AMP
        "dino/dino-4scale_r50_8xb2-12e_coco.py",  # lr_mult on the backbone
        "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",  # shared convolutions, bypass_duplicate
        "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",  # keys that match in the middle of a name
        "soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py",  # frozen teacher
        "dcnv2/faster-rcnn_r50-mdconv-group4-c3-c5_fpn_1x_coco.py",  # compiled operators
        "cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py",  # deformable convolution in the head
    )
]
RATES = (0.5, 0.7, 0.95, 1.0, 1.3, 2.0)
"""All variants of the smallest config, and two of the others: the effect of a rate does not depend on the model."""


@cache
def built(path: str) -> tuple[Config, nn.Module]:
    config = plain_config(path)
    return config, without_memory(plain_model(config))


def assert_same(group_map: GroupMap, groups: list[dict]) -> None:
    assert [group.lr for group in group_map.groups] == [group["lr"] for group in groups]
    assert [group.weight_decay for group in group_map.groups] == [group["weight_decay"] for group in groups]
    assert [[p.name for p in group.parameters] for group in group_map.groups] == [group["names"] for group in groups]
    for group, real in zip(group_map.groups, groups, strict=True):
        if "group_name" in real:
            assert group.name == real["group_name"]
        if "lr_scale" in real:
            assert group.lr_scale == real["lr_scale"]
        assert all(p.shape == tuple(t.shape) for p, t in zip(group.parameters, real["params"], strict=True))


def assert_adds_up(group_map: GroupMap, model: nn.Module) -> None:
    named = dict(model.named_parameters())
    grouped = [parameter.name for _, parameter in group_map.grouped()]
    frozen = [parameter.name for parameter in group_map.frozen]
    missing = [parameter.name for parameter in group_map.missing]
    assert sorted([*grouped, *frozen, *missing]) == sorted(named)
    assert all(not named[name].requires_grad for name in frozen)
    assert all(named[name].requires_grad for name in missing)
    totals = group_map.model.totals
    assert totals.tensors == totals.grouped_tensors + totals.frozen_tensors + totals.missing_tensors == len(named)
    assert totals.parameters == totals.grouped_parameters + totals.frozen_parameters + totals.missing_parameters
    assert totals.parameters == sum(parameter.numel() for parameter in named.values())
    assert len(list(model.named_parameters(remove_duplicate=False))) == totals.tensors + totals.duplicate_names


@pytest.mark.parametrize("decay_type", ["layer_wise", "stage_wise"])
@pytest.mark.parametrize("path", DECAY_CONFIGS, ids=lambda path: Path(path).stem)
def test_decay_constructor_for_every_rate(path: str, decay_type: str) -> None:
    config, model = built(path)
    for rate in RATES if Path(path).stem == SMALLEST else (0.7, 1.3):
        options = {**config.optim_wrapper.paramwise_cfg, "decay_rate": rate, "decay_type": decay_type}
        overrides = tuple(f"optim_wrapper.paramwise_cfg.{key}={options[key]}" for key in ("decay_rate", "decay_type"))
        group_map = audit(path, cfg_options=overrides, device="meta")
        assert_same(group_map, plain_groups(config, model, options))
        assert_recomputes(group_map)


@pytest.mark.parametrize("path", [*DECAY_CONFIGS, *SAMPLES, *ZOO_VARIETY], ids=lambda path: Path(path).stem)
def test_map_equals_a_plain_build(path: str) -> None:
    config, model = built(path)
    group_map = audit(path)
    assert_same(group_map, plain_groups(config, model))
    assert_adds_up(group_map, model)
    assert_recomputes(group_map)
    assert_explained(group_map)


def test_deformable_convolutions_are_known_without_compiled_operators() -> None:
    """mmengine treats offsets separately only if it finds mmcv's operators, as in training."""
    group_map = audit(
        f"{MMDET_ZOO}/dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py",
        cfg_options=("optim_wrapper.paramwise_cfg.dcn_offset_lr_mult=0.25",),
        device="meta",
    )
    scales = {parameter.name: group.lr_scale for group, parameter in group_map.grouped()}
    assert {scales[name] for name in scales if "conv_offset" in name} == {0.25}
    assert {scales[name] for name in scales if "conv_offset" not in name} == {1.0}
