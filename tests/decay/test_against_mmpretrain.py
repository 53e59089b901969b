"""Plain vision transformers and Swin: compare with mmpretrain's own layer depths of models that are really built."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.registry import DefaultScope
from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from mmpretrain.registry import MODELS
from torch import nn

import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from lrdecay_cli.decay.families import ALL_FAMILIES, find_family
from lrdecay_cli.decay.options import DecayError, DecayOptions
from lrdecay_cli.decay.rules import TrainingParameter
from tests.decay.plain import plan_groups

RATE, LR = 0.65, 3e-4
ROW = {"embed_dims": 8, "num_layers": 3, "num_heads": 2, "feedforward_channels": 8}
HIGH = {"embed_dims": 32, "depths": [1, 1, 2], "num_heads": 2}
STAGES = {"embed_dims": 8, "depths": [2, 1, 3, 2], "num_heads": [2, 2, 2, 2]}

# Settings that create as many types of parameters as possible. The classes of ViTDet and mmsegmentation have no entry.
BACKBONES: dict[str, dict[str, Any]] = {
    "VisionTransformer": {"arch": ROW, "out_type": "avg_featmap", "pre_norm": True, "layer_scale_init_value": 0.1},
    "DistilledVisionTransformer": {"arch": ROW},
    "DeiT3": {"arch": ROW},
    "BEiTViT": {"arch": ROW, "use_abs_pos_emb": True},
    "BEiTPretrainViT": {"arch": ROW},  # one bias table for all blocks, a mask token
    "CAEPretrainViT": {"arch": ROW, "layer_scale_init_value": 0.1},
    "MAEViT": {"arch": ROW},
    "MFFViT": {"arch": ROW, "out_indices": [0, 1, 2]},
    "MILANViT": {"arch": ROW},
    "MaskFeatViT": {"arch": ROW},
    "MoCoV3ViT": {"arch": ROW, "patch_size": 16},
    "ViTEVA02": {"arch": ROW, "sub_ln": True},
    "ViTSAM": {"arch": {**ROW, "global_attn_indexes": [1]}},
    "HiViT": {"arch": HIGH, "out_indices": [7], "rpe": True},
    "MAEHiViT": {"arch": HIGH, "out_indices": [7]},
    "iTPNHiViT": {"arch": HIGH},
    "SwinTransformer": {"arch": STAGES, "use_abs_pos_embed": True, "out_indices": (0, 1, 2, 3)},
    "SimMIMSwinTransformer": {"arch": STAGES},
}
BLOCKS_MISSED = ["HiViT", "MAEHiViT", "iTPNHiViT"]


@cache
def classifier(backbone_class: str) -> nn.Module:
    backbone = {"type": backbone_class, "img_size": 32, **BACKBONES[backbone_class]}
    head = {"type": "LinearClsHead", "num_classes": 2, "in_channels": 8}
    # A Runner of another test may have left its default scope.
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build({"type": "ImageClassifier", "backbone": backbone, "head": head})
    return model.requires_grad_(True)  # fixed position embeddings have a layer id too


def planned(model: nn.Module, num_layers: int) -> dict[str, tuple[int, float, float]]:
    """Return layer id, lr scale and lr by parameter name."""
    groups = plan_groups(
        [TrainingParameter(name, tuple(parameter.shape)) for name, parameter in model.named_parameters()],
        DecayOptions(num_layers, RATE),
        backbone_class=type(model.backbone).__name__,
        base_lr=LR,
    )
    return {p.name: (group.layer_id, group.lr_scale, group.lr) for group in groups for p in group.parameters}


def theirs(model: nn.Module) -> dict[str, tuple[int, float, float]]:
    groups: list[dict[str, Any]] = []
    constructor = LearningRateDecayOptimWrapperConstructor(
        {"optimizer": {"type": "AdamW", "lr": LR, "weight_decay": 0.05}}, {"layer_decay_rate": RATE}
    )
    constructor.add_params(groups, model)
    return {group["param_name"]: (group["layer_id"], group["lr_scale"], group["lr"]) for group in groups}


def num_layers_of(model: nn.Module) -> int:
    return int(model.get_layer_depth("head.fc.weight")[1]) - 2


def test_every_class_of_mmpretrain_that_is_served_is_compared() -> None:
    families = [family for family in ALL_FAMILIES if family.name != "resnet"]  # with lrdecay's constructor
    served = {name for family in families for name in family.classes.names if name in MODELS.module_dict}
    # Names of mmsegmentation's backbones are names of training methods in mmpretrain. MViT: test_against_authors.
    assert served - {"BEiT", "MAE"} == {*BACKBONES, "SwinTransformerV2", "ConvNeXt", "MViT"}


@pytest.mark.parametrize("backbone_class", [name for name in BACKBONES if name not in BLOCKS_MISSED])
def test_every_parameter(backbone_class: str) -> None:
    model = classifier(backbone_class)
    expected = theirs(model)
    assert {layer_id for layer_id, _, _ in expected.values()} == set(range(num_layers_of(model) + 2))
    assert planned(model, num_layers_of(model)) == expected


@pytest.mark.parametrize("backbone_class", BLOCKS_MISSED)
def test_blocks_that_mmpretrain_misses(backbone_class: str) -> None:
    """HiViT's blocks are in ``blocks``, but its ``get_layer_depth`` uses ``layers``: they train at the head's lr."""
    model = classifier(backbone_class)
    ours, expected = planned(model, num_layers_of(model)), theirs(model)
    differing = {name for name in expected if ours[name] != expected[name]}
    assert differing == {name for name in expected if name.startswith("backbone.blocks.")}
    assert {expected[name][0] for name in differing} == {num_layers_of(model) + 1}
    assert all(ours[name][0] == int(name.split(".")[2]) + 1 for name in differing)


def test_swin_of_mmdet_is_decayed_like_the_one_of_mmpretrain() -> None:
    model = nn.Module()
    stages = {"embed_dims": 8, "depths": (2, 1, 3, 2), "num_heads": (2, 2, 2, 2), "use_abs_pos_embed": True}
    model.backbone = MMDET_MODELS.build({"type": "mmdet.SwinTransformer", "pretrain_img_size": 32, **stages})
    model.head = nn.Linear(2, 2)
    judge = classifier("SwinTransformer")
    assert type(model.backbone) is not type(judge.backbone)
    expected = {name: judge.get_layer_depth(name)[0] for name, _ in model.named_parameters()}
    assert {name: layer_id for name, (layer_id, _, _) in planned(model, 8).items()} == expected


V2_IDS = {
    "backbone.patch_embed": 0,
    "backbone.stages.0.blocks.0": 1,
    "backbone.stages.0.blocks.1": 2,
    "backbone.stages.1.downsample": 2,
    "backbone.stages.1.blocks.0": 3,
    "backbone.stages.2.downsample": 3,
    "backbone.stages.2.blocks.0": 4,
    "backbone.stages.2.blocks.1": 5,
    "backbone.stages.2.blocks.2": 6,
    "backbone.stages.3.downsample": 6,
    "backbone.stages.3.blocks.0": 7,
    "backbone.stages.3.blocks.1": 8,
    "backbone.norm3": 9,
    "head": 9,
}


def test_swin_v2_has_no_depths_in_mmpretrain_and_gets_its_own() -> None:
    """A stage of V2 begins with the downsampling, which has the id of the previous blocks, as in V1."""
    stages = {"arch": {**STAGES, "extra_norm_every_n_blocks": 1}, "window_size": [2, 2, 2, 2]}
    model = nn.Module()
    model.backbone = MODELS.build({"type": "mmpretrain.SwinTransformerV2", "img_size": 32, **stages})
    model.head = nn.Linear(2, 2)
    assert not hasattr(model.backbone, "get_layer_depth")
    ids = {name: layer_id for name, (layer_id, _, _) in planned(model, 8).items()}
    for module, expected in V2_IDS.items():
        inside = {ids.pop(name) for name in list(ids) if name.startswith(f"{module}.")}
        assert inside == {expected}, module
    assert not ids


# Names that no model of mmpretrain has: mmpretrain's id, then lrdecay's; None if lrdecay raises an error.
ODD_NAMES = {
    "a block beyond the last": ("VisionTransformer", "backbone.layers.3.ln1.weight", 4, None),
    "a block below the first": ("VisionTransformer", "backbone.layers.-1.ln1.weight", 0, None),
    "no block, only the same letters": ("VisionTransformer", "backbone.layers_extra.1.weight", 2, 4),
    "blocks called as in timm": ("VisionTransformer", "backbone.blocks.1.norm1.weight", 4, 2),
    "a patch embedding by another name": ("VisionTransformer", "backbone.patch_embedding.weight", 0, 0),
    "another's tokens": ("VisionTransformer", "neck.cls_token", 4, 4),
    "a token of a module": ("VisionTransformer", "backbone.head.cls_token", 4, 4),
    "a block beyond its stage": ("SwinTransformer", "backbone.stages.1.blocks.1.norm1.weight", 4, None),
    "a stage beyond the last": ("SwinTransformer", "backbone.stages.4.blocks.0.norm1.weight", 9, None),
    "a stage below the first": ("SwinTransformer", "backbone.stages.-1.blocks.0.norm1.weight", 7, None),
    "no stage, only the same letters": ("SwinTransformer", "backbone.stages_extra.1.blocks.0.weight", 3, 9),
    "a downsampling in two layers": ("SwinTransformer", "backbone.stages.0.downsample.0.weight", 1, 2),
}


@pytest.mark.parametrize(("backbone_class", "name", "expected", "ours"), ODD_NAMES.values(), ids=ODD_NAMES)
def test_odd_names(backbone_class: str, name: str, expected: int, ours: int | None) -> None:
    """mmpretrain gives any name an id; lrdecay rejects an id of another layer, or beyond the head."""
    model = classifier(backbone_class)
    family = find_family(backbone_class)
    assert family is not None
    depths = family.depths((parameter_name for parameter_name, _ in model.named_parameters()), "backbone.")
    assert model.get_layer_depth(name)[0] == expected
    try:
        result = family.rules["layer_wise"](name, num_layers_of(model), depths).result
    except DecayError:
        result = None
    assert result == ours


@pytest.mark.parametrize("depth", [9, 27])
def test_num_layers_that_fits_convnext(depth: int) -> None:
    backbone = MODELS.build(
        {"type": "mmpretrain.ConvNeXt", "arch": {"depths": [3, 3, depth, 3], "channels": [2, 2, 2, 2]}}
    )
    names = [f"backbone.{name}" for name, _ in backbone.named_parameters()]
    family = find_family("ConvNeXt")
    assert family is not None
    depths = family.depths(names, "backbone.")
    num_layers = family.fitting_num_layers(depths)
    assert depths == (3, 3, depth, 3)
    for name in [*names, "bbox_head.fc_cls.weight"]:
        layer_id = family.rules["layer_wise"](name, num_layers, depths).result
        assert (layer_id, num_layers + 2) == backbone.get_layer_depth(name, "backbone.")
