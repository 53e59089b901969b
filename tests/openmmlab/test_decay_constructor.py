"""lrdecay's constructor, compared with mmdet's: the same groups with strict_compat, and additional features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from mmdet.engine.optimizers import LearningRateDecayOptimizerConstructor
from mmengine.config import Config
from torch import nn

import lrdecay_cli.training
import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from lrdecay_cli.analysis.verification import disagreements
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.decay_constructor import explain_groups, plan_for
from tests.openmmlab.constructing import (
    OPTIMIZER,
    RATE,
    Detector,
    Reporting,
    assert_recomputes,
    build,
    by_parameter,
    groups_of,
    our_groups,
)
from tests.openmmlab.plain import MMDET_ZOO
from tests.openmmlab.test_plain_builds import DECAY_CONFIGS

OURS = lrdecay_cli.training.LayerDecayOptimWrapperConstructor
THEIRS = LearningRateDecayOptimizerConstructor
WITH_OURS = f"optim_wrapper.constructor={OURS.__name__}"


class ToyBackbone(nn.Module):
    """One block in each of four stages, and parameters of every type in mmdet's own test."""

    def __init__(self) -> None:
        super().__init__()
        for token in ("cls_token", "mask_token", "pos_embed"):
            self.register_parameter(token, nn.Parameter(torch.ones(1)))
        self.stem_norm = nn.Parameter(torch.ones(1))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.stages = nn.ModuleList(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1))) for _ in range(4))
        self.norm0 = nn.BatchNorm2d(2)
        self.downsample_layers = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 4, 1)) for _ in range(4))


ToyConvNeXt = type("ToyConvNeXt", (ToyBackbone,), {})


class Wrapper(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


# In the order of the groups, from mmdet's own test of its constructor.
EXPECTED = {
    "stage_wise": [128, 1, 64, 64, 32, 32, 16, 16, 8, 8, 128, 1],
    "layer_wise": [128, 1, 64, 64, 32, 32, 16, 16, 2, 2, 128, 1],
}


@pytest.mark.parametrize("strict_compat", [True, False])
@pytest.mark.parametrize("decay_type", EXPECTED)
def test_attributes_that_mmdet_expects(decay_type: str, strict_compat: bool) -> None:
    model = Wrapper(Detector(ToyConvNeXt()))
    config = {"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 1, "weight_decay": 0.05}}
    options = {"decay_rate": 2, "decay_type": decay_type, "num_layers": 6, "strict_compat": strict_compat}
    optimizer = OURS(config, options)(model).optimizer
    groups = optimizer.param_groups
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (1, 0.05)
    assert [group["lr_scale"] for group in groups] == [group["lr"] for group in groups] == EXPECTED[decay_type]
    kinds = [group["weight_decay"] for group in groups]
    assert kinds == [0.0, 0.0, 0.05, 0.0, 0.05, 0.0, 0.05, 0.0, 0.05, 0.0, 0.05, 0.05]
    assert "backbone.frozen" not in by_parameter(groups, "lr")
    assert by_parameter(groups, "lr_scale")["backbone.norm0.weight"] == (1 if strict_compat else 64)


def assert_as_mmdet(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our["group_name"] == f"layer_{our.pop('layer_id')}_{their['group_name'].split('_', 2)[2]}"
        # The repr of a number shows every bit.
        assert repr(our) == repr({key: their[key] for key in our})


VARIANTS: dict[str, dict[str, Any]] = {
    **{arch: {"arch": arch} for arch in ("atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "xlarge")},
    "huge": {"arch": "huge"},
    "v2": {"arch": "base", "use_grn": True, "layer_scale_init_value": 0.0},
    "isotropic": {"arch": {"depths": [18], "channels": [384]}, "out_indices": [0]},
    "two stages": {"arch": {"depths": [2, 5], "channels": [8, 16]}, "out_indices": [0, 1]},
    "partly frozen": {"arch": "tiny", "frozen_stages": 2},
    "all outputs": {"arch": "tiny", "out_indices": [0, 1, 2, 3], "gap_before_final_norm": False},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_convnext_as_mmdet_has_it(variant: str) -> None:
    model = Detector(build({"type": "ConvNeXt", **VARIANTS[variant]}, "mmpretrain"))
    for decay_type in EXPECTED:
        for num_layers in (6, 12):
            options = {"num_layers": num_layers, "decay_rate": RATE, "decay_type": decay_type}
            assert_as_mmdet(our_groups(model, **options, strict_compat=True), groups_of(model, THEIRS, **options))


def test_explanation_of_a_wrapped_model() -> None:
    model = Wrapper(Detector(ToyConvNeXt()))
    config = Config({"optim_wrapper": {"optimizer": OPTIMIZER, "paramwise_cfg": {"decay_rate": RATE}}})
    explained = explain_groups(config, model, OURS)
    assert set(explained) == {name for name, tensor in model.named_parameters() if tensor.requires_grad}
    assert {name.partition(".")[0] for name in explained} == {"module"}


@pytest.mark.parametrize("path", DECAY_CONFIGS, ids=lambda path: Path(path).stem)
def test_a_config_that_only_changes_the_constructor(path: str, tmp_path: Path) -> None:
    theirs = audit(path, device="meta")
    ours = audit(path, device="meta", cfg_options=(WITH_OURS, "optim_wrapper.paramwise_cfg.strict_compat=True"))
    assert ours.groups == theirs.groups
    assert list(disagreements(ours)) == []
    # mmdet gives the norms after the stages the head's lr, and no other tensor of the backbone.
    expected = audit(_without_what_is_never_read(path, tmp_path), device="meta", cfg_options=(WITH_OURS,))
    placed, left = _layer_ids(expected), _layer_ids(theirs)
    moved = {name for name in placed if placed[name] != left[name]}
    assert moved == {name for name in placed if name.startswith("backbone.norm")}
    assert {left[name] for name in moved} == {max(left.values())}
    assert list(disagreements(expected)) == []
    assert all(parameter.provenance for _, parameter in expected.grouped())
    for group, parameter in expected.grouped():
        assert_recomputes(parameter.provenance, msgspec.structs.asdict(group))


def _layer_ids(group_map: Any) -> dict[str, int]:
    return {parameter.name: group.layer_id for group, parameter in group_map.grouped()}


def _without_what_is_never_read(path: str, folder: Path) -> str:
    """The base of the RTMDet config has options of mmengine's constructor, which lrdecay's constructor rejects."""
    if "rtmdet" not in path:
        return path
    with pytest.raises(LrdecayError, match=r"'norm_decay_mult' is an option of mmengine's default constructor"):
        audit(path, device="meta", cfg_options=(WITH_OURS,))
    fixed = folder / "rtmdet.py"
    options = "dict(_delete_=True, decay_rate=0.8, num_layers=12)"
    fixed.write_text(f"_base_ = {path!r}\noptim_wrapper = dict(paramwise_cfg={options})\n")
    return str(fixed)


@pytest.mark.parametrize(
    ("arch", "decay_type", "num_layers", "norms"),
    [
        ("tiny", "layer_wise", 6, [1, 2, 5, 6]),
        ("small", "layer_wise", 12, [1, 2, 11, 12]),
        ("atto", "layer_wise", 5, [1, 2, 4, 5]),
        ("small", "stage_wise", 4, [1, 2, 3, 4]),
    ],
)
def test_convnext_as_deep_as_it_is(arch: str, decay_type: str, num_layers: int, norms: list[int]) -> None:
    model = Detector(build({"type": "ConvNeXt", "arch": arch, "out_indices": [0, 1, 2, 3]}, "mmpretrain"))
    groups = our_groups(model, decay_type=decay_type)
    ids = by_parameter(groups, "layer_id")
    assert set(ids.values()) == set(range(num_layers + 2))
    assert [ids[f"backbone.norm{stage}.weight"] for stage in range(4)] == norms
    assert len(groups) == 2 * (num_layers + 2)
    assert max(group["lr_scale"] for group in groups) == 1


SOFT_TEACHER = f"{MMDET_ZOO}/soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py"
RTMDET = f"{MMDET_ZOO}/rtmdet/rtmdet_tiny_8xb32-300e_coco.py"


def test_a_backbone_of_a_student() -> None:
    options = (WITH_OURS, "optim_wrapper.paramwise_cfg.decay_rate=0.7")
    with pytest.raises(LrdecayError) as caught:
        audit(SOFT_TEACHER, device="meta", cfg_options=options)
    assert str(caught.value).endswith(
        ": paramwise_cfg.backbone: the model has no module 'backbone'; did you mean 'student.backbone'?"
    )
    group_map = audit(
        SOFT_TEACHER,
        device="meta",
        cfg_options=(*options, "optim_wrapper.paramwise_cfg.backbone=student.backbone"),
    )
    assert group_map.model.backbone == "ResNet"
    ids = _layer_ids(group_map)
    assert ids["student.backbone.layer2.0.conv1.weight"] == 2
    assert ids["student.backbone.layer4.0.conv1.weight"] == 6
    assert {ids[name] for name in ids if not name.startswith("student.backbone.")} == {7}
    assert not any(name.startswith("teacher.") for name in ids)
    assert list(disagreements(group_map)) == []


LAYERS = r"['stem', r'stage(\d+)']"


def test_layers_listed_by_hand(tmp_path: Path) -> None:
    config = tmp_path / "rtmdet.py"
    config.write_text(
        f"_base_ = {RTMDET!r}\n"
        f"optim_wrapper = dict(_delete_=True, constructor={OURS.__name__!r}, "
        f"optimizer=dict(type='AdamW', lr=0.004), paramwise_cfg=dict(decay_rate=0.5, layers={LAYERS}))\n"
    )
    group_map = audit(str(config), device="meta")
    ids, named = _layer_ids(group_map), dict.fromkeys(group.name for group in group_map.groups)
    assert ids["backbone.stem.0.conv.weight"] == 0
    assert [ids[f"backbone.stage{stage}.0.conv.weight"] for stage in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert {ids[name] for name in ids if not name.startswith("backbone.")} == {5}
    assert len(named) == 12
    # The config has no weight decay, so AdamW's default applies.
    assert {group.weight_decay for group in group_map.groups} == {0.0, torch.optim.AdamW([nn.Parameter()]).defaults["weight_decay"]}  # fmt: skip  # noqa: E501
    assert list(disagreements(group_map)) == []
    assert all(parameter.provenance for _, parameter in group_map.grouped())


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, "AdamW", "SGD"])
def test_a_weight_decay_that_is_not_given_is_the_optimizers_own(kind: Any) -> None:
    """By the class itself, as in a lazy config, and by its name."""
    own = getattr(torch.optim, getattr(kind, "__name__", kind))([nn.Parameter()], lr=1.0).defaults["weight_decay"]
    for given, expected in (({}, own), ({"weight_decay": 0.3}, 0.3)):
        plan = plan_for(Detector(Reporting()), {"type": kind, "lr": 1e-3, **given}, {"decay_rate": RATE})
        decays = {parameter.name: group.weight_decay for group in plan.groups for parameter in group.parameters}
        assert decays["backbone.stem.weight"] == decays["head.weight"] == expected
        assert decays["backbone.norm.weight"] == decays["head.bias"] == 0.0


def test_a_backbone_that_reports_its_layers() -> None:
    groups = our_groups(Detector(Reporting()))
    ids = by_parameter(groups, "layer_id")
    assert [ids[f"backbone.{name}.weight"] for name in ("stem", "norm", "blocks.0", "blocks.1")] == [0, 0, 1, 2]
    assert ids["head.weight"] == 3
    assert [group["group_name"] for group in groups][:2] == ["layer_0_decay", "layer_0_no_decay"]
    assert by_parameter(groups, "weight_decay")["backbone.norm.weight"] == 0.0


def test_custom_keys_come_on_top() -> None:
    model = Detector(build({"type": "ConvNeXt", "arch": "atto", "out_indices": [3]}, "mmpretrain"))
    keys = {
        "backbone": {"lr_mult": 0.5},
        "backbone.stages.3": {"lr_mult": 0.1, "decay_mult": 2.0},
        "head": {"decay_mult": 0.0},
        "head.w": {},
    }
    plain, groups = our_groups(model), our_groups(model, custom_keys=keys)
    scale, scaled = by_parameter(plain, "lr_scale"), by_parameter(groups, "lr_scale")
    decay, decayed = by_parameter(plain, "weight_decay"), by_parameter(groups, "weight_decay")
    for name in scale:
        if name.startswith("backbone.stages.3"):
            assert (scaled[name], decayed[name]) == (scale[name] * 0.1, 0.05 * 2.0)
        elif name.startswith("backbone"):
            assert (scaled[name], decayed[name]) == (scale[name] * 0.5, decay[name])
    # Only the longest matching key applies; parameters with equal settings share a group.
    assert (decayed["head.weight"], decayed["head.bias"]) == (0.05, 0.0)
    assert by_parameter(groups, "group_name")["backbone.stages.3.0.gamma"] == "layer_5_lr_x0.1_decay_x2.0"
    trained_alike = {(group["layer_id"], group["lr_scale"], group["weight_decay"]) for group in groups}
    assert len(trained_alike) == len(groups) == len({group["group_name"] for group in groups})
