"""Compare every formula of every known constructor with a real build of a model with all types of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from tests.recomputing import assert_explained, assert_recomputes


@MODELS.register_module(force=True)
class EveryKind(nn.Module):
    """Norms, depth-wise and deformable convolutions with their offsets, flat and scalar parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, 4))
        self.temperature = nn.Parameter(torch.empty(()))
        self.bias = nn.Parameter(torch.empty(4))
        self.stem = nn.Conv2d(4, 4, 3).requires_grad_(False)
        self.backbone = nn.Sequential(
            nn.Conv2d(4, 4, 3, groups=4),
            nn.BatchNorm2d(4),
            nn.GroupNorm(2, 4),
            nn.InstanceNorm2d(4, affine=True),
            nn.LayerNorm(4),
            nn.Conv1d(4, 4, 3, groups=4),
        )
        self.dcn = DeformConv2dPack(4, 4, 3)
        self.dcn2 = ModulatedDeformConv2dPack(4, 4, 3)
        self.dcn2.norm = nn.BatchNorm2d(4)
        self.head = nn.ModuleDict({"fc": nn.Linear(4, 4), "norm": nn.LayerNorm(4)})

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        return (int(name.split(".")[1]) + 1 if name.startswith("backbone.") else 7 * ("head" in name)), 8


PRETRAIN = "mmpretrain.LearningRateDecayOptimWrapperConstructor"
ALL = {
    "bias_lr_mult": 2.0,
    "bias_decay_mult": 0.25,
    "norm_decay_mult": 0.0,
    "dwconv_decay_mult": 0.1,
    "flat_decay_mult": 0.3,
    "dcn_offset_lr_mult": 0.7,
}
MMENGINE: dict[str, dict[str, Any]] = {
    "no options": {},
    **{f"{option} alone": {option: value} for option, value in ALL.items()},
    "all multipliers": ALL,
    "integers": {"bias_lr_mult": 3, "norm_decay_mult": 0},
    "keys": {
        "custom_keys": {"backbone": {"lr_mult": 0.1}, "norm": {"decay_mult": 0.0}, "head.norm": {"lr_mult": 1 / 3}}
    },
    "keys and multipliers": {**ALL, "custom_keys": {"backbone.1": {"lr_mult": 0.1}, "dcn": {"decay_mult": 0.7}}},
    "keys of equal length": {"custom_keys": {"bias": {"lr_mult": 0.1}, "fc.b": {"lr_mult": 0.2}, "norm": {}}},
    "a key with the numbers themselves": {
        "custom_keys": {"head": {"lr": 0.5, "weight_decay": 0.0, "betas": (0.8, 0.9)}}
    },
    "a key for the model's own": {"custom_keys": {".pos_embed": {"lr_mult": 0.1}, ".bias": {"decay_mult": 0.0}}},
    "negative": {"bias_lr_mult": -1.5},
}
MMPRETRAIN: dict[str, dict[str, Any]] = {
    "rate": {"layer_decay_rate": 0.7},
    "no rate": {"norm_decay_mult": 0.0},
    "negative rate": {"layer_decay_rate": -0.7},
    "all multipliers": {"layer_decay_rate": 0.65, **ALL},
    "keys": {
        "layer_decay_rate": 0.65,
        "norm_decay_mult": 0.0,
        "custom_keys": {"backbone.1": {"decay_mult": 0.3}, "head": {"lr_mult": 3.0}, ".pos_embed": {"decay_mult": 0.0}},
    },
    "a key with the numbers themselves": {
        "layer_decay_rate": 0.65,
        "custom_keys": {"head": {"lr": 0.5, "weight_decay": 0.01, "lr_scale": 3.0}},
    },
}
TABLE = [
    *((None, name, options) for name, options in MMENGINE.items()),
    *((PRETRAIN, name, options) for name, options in MMPRETRAIN.items()),
]


def audited(
    folder: Path, constructor: str | None, options: dict[str, Any], model: str = "EveryKind", **optimizer: Any
) -> GroupMap:
    wrapper = {"optimizer": {"type": "AdamW", "lr": 3e-4, **optimizer}, "paramwise_cfg": options}
    if constructor:
        wrapper["constructor"] = constructor
    Config({"model": {"type": model}, "optim_wrapper": wrapper}).dump(str(folder / "config.py"))
    return audit(str(folder / "config.py"))


@pytest.mark.parametrize(("constructor", "name", "options"), TABLE)
def test_every_parameter_recomputes(tmp_path: Path, constructor: str, name: str, options: dict[str, Any]) -> None:
    group_map = audited(tmp_path, constructor, options, weight_decay=0.05)
    assert_recomputes(group_map)
    assert_explained(group_map)


@pytest.mark.parametrize("options", [{}, {"flat_decay_mult": 0.0}, {"custom_keys": {"head": {"lr_mult": 0.1}}}])
def test_without_a_weight_decay_the_optimizer_takes_its_own(tmp_path: Path, options: dict[str, Any]) -> None:
    """mmpretrain's constructor requires this: without it, it raises KeyError."""
    group_map = audited(tmp_path, None, options)
    assert_recomputes(group_map)
    assert {parameter.provenance.weight_decay.result for _, parameter in group_map.grouped()} == {0.01}


def test_integer_rates(tmp_path: Path) -> None:
    assert_recomputes(audited(tmp_path, None, {"bias_lr_mult": 2}, lr=1, weight_decay=0))


def test_frozen_parameters_are_skipped_or_not(tmp_path: Path) -> None:
    for options, frozen in (({}, 0), ({"bias_lr_mult": 2.0}, 2)):
        group_map = audited(tmp_path, None, options)
        assert len(group_map.frozen) == frozen
        assert_explained(group_map)


@MODELS.register_module(force=True)
class InModule(nn.Module):
    """A classifier inside ``.module``, as in a wrapper for distributed training."""

    def __init__(self) -> None:
        super().__init__()
        backbone = {
            "type": "ConvNeXt",
            "arch": {"depths": [1, 1, 4, 1], "channels": [8, 8, 8, 8]},
            "out_indices": [0, 1, 2, 3],
        }
        head = {"type": "LinearClsHead", "num_classes": 2, "in_channels": 8}
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            self.module = MODELS.build({"type": "ImageClassifier", "backbone": backbone, "head": head})


@pytest.mark.parametrize(
    ("constructor", "options"),
    [
        ("mmdet.LearningRateDecayOptimizerConstructor", {"num_layers": 6, "decay_rate": 0.7}),
        (PRETRAIN, {"layer_decay_rate": 0.7}),
        (None, {"custom_keys": {"backbone": {"lr_mult": 0.1}, "module": {"lr_mult": 0.5}}}),
    ],
)
def test_a_wrapped_model_is_explained_by_the_names_that_the_constructor_sees(
    tmp_path: Path, constructor: str | None, options: dict[str, Any]
) -> None:
    group_map = audited(tmp_path, constructor, options, model="InModule", weight_decay=0.05)
    assert_recomputes(group_map)
    assert_explained(group_map)
    assert all(parameter.name.startswith("module.") for _, parameter in group_map.grouped())


@pytest.mark.parametrize(("model", "observed"), [("EveryKind", True), ("InModule", False)])
def test_layer_ids_that_only_the_model_knows_are_observed(tmp_path: Path, model: str, observed: bool) -> None:
    """For ConvNeXt, lrdecay has a formula for the result of get_layer_depth."""
    group_map = audited(tmp_path, PRETRAIN, {"layer_decay_rate": 0.7}, model=model, weight_decay=0.05)
    for explanation in Explainer(group_map).explain(select(group_map, None)):
        if explanation.groups:
            assert ("the layer id comes from the model's get_layer_depth()" in explanation.certainty_reason) == observed
