"""lrdecay's constructor, compared with mmpretrain's ``get_layer_depth`` and timm's ``param_groups_layer_decay``."""

from __future__ import annotations

import re
from typing import Any

import pytest
import timm
from mmpretrain.registry import MODELS
from timm.optim import param_groups_layer_decay
from torch import nn

import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from tests.decay.test_against_mmpretrain import BACKBONES, BLOCKS_MISSED, STAGES, classifier
from tests.openmmlab.constructing import BASE_WEIGHT_DECAY, RATE, Detector, build, by_parameter, our_groups

RESNET_DEPTHS = {
    "ResNet": (34, 50, 101, 152),
    "ResNetV1c": (50,),
    "ResNetV1d": (101,),
    "ResNeXt": (50,),
    "ResNeSt": (200,),
    "Res2Net": (50,),
    "SEResNet": (50,),
    "SEResNeXt": (101,),
    "ResNet_CIFAR": (50,),
    "SparseResNet": (50,),
}
V2_STAGES = {**STAGES, "extra_norm_every_n_blocks": 1}
RESNETS = [(name, depth) for name, depths in RESNET_DEPTHS.items() for depth in depths]
OTHERS: dict[str, dict[str, Any]] = {
    "MixMIMTransformer": {"arch": {"embed_dims": 8, "depths": [1, 1, 2, 1], "num_heads": [2, 2, 2, 2]}},
    "MixMIMPretrainTransformer": {"arch": {"embed_dims": 8, "depths": [1, 1, 2, 1], "num_heads": [2, 2, 2, 2]}},
    "ConvNeXt": {"arch": "tiny", "out_indices": [0, 1, 2, 3]},
    "SparseConvNeXt": {"arch": "small"},
}


def reported(model: nn.Module) -> dict[str, int]:
    """Return the layer id by parameter name, from the backbone's own method."""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    return {name: model.backbone.get_layer_depth(name, "backbone.")[0] for name in names}


def moved(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Return differences from mmpretrain's layer ids: theirs and lrdecay's, by parameter name."""
    theirs = reported(model)
    assert by_parameter(our_groups(model, strict_compat=True), "layer_id") == theirs
    ours = by_parameter(our_groups(model), "layer_id")
    assert ours.keys() == theirs.keys()
    return {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}


def test_every_backbone_of_mmpretrain_that_reports_its_layers_is_compared() -> None:
    from mmengine.model import BaseModule

    reporting = {
        name
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, BaseModule) and hasattr(kind, "get_layer_depth")
        if kind.__module__.startswith("mmpretrain.")
        if not any("Classifier" in base.__name__ or base.__name__ == "BaseSelfSupervisor" for base in kind.__mro__)
    }
    # RegNet inherits a function that does not support its depths. OFAResNet exists only with transformers.
    assert reporting - {"OFAResNet"} == {*BACKBONES, *OTHERS, *RESNET_DEPTHS, "RegNet"}


# Parts of names that train with the head in mmpretrain, but not in lrdecay.
WITH_THE_STEM = r"absolute_pos_embed|mask_token|dist_token|register_tokens?|pre_norm\."
WITH_THE_LAST_BLOCK = r"(ln1|ln2|norm|fc_norm)\."


@pytest.mark.parametrize("backbone_class", [name for name in BACKBONES if name not in BLOCKS_MISSED])
def test_transformers_of_mmpretrain(backbone_class: str) -> None:
    model = classifier(backbone_class)
    head = max(reported(model).values())
    for name, (theirs, ours) in moved(model).items():
        own = name.removeprefix("backbone.")
        assert theirs == head
        if ours == 0:
            assert re.match(WITH_THE_STEM, own)
        elif "Swin" in backbone_class:
            stage = int(re.match(r"norm(\d)\.", own)[1])
            assert ours == sum(STAGES["depths"][: stage + 1])
        else:
            assert ours == head - 1
            assert re.match(WITH_THE_LAST_BLOCK, own)
    left = {name for name, layer_id in by_parameter(our_groups(model), "layer_id").items() if layer_id == head}
    assert not {name for name in left if re.search(r"^backbone\.(ln\d|norm\d*|\w*token|\w*pos_embed)\b", name)}


@pytest.mark.parametrize("backbone_class", BLOCKS_MISSED)
def test_blocks_that_mmpretrain_misses(backbone_class: str) -> None:
    """HiViT's function looks for ``layers``, but HiViT has ``blocks``: lrdecay uses them also with strict_compat."""
    model = classifier(backbone_class)
    theirs = reported(model)
    for strict in (True, False):
        ours = by_parameter(our_groups(model, strict_compat=strict), "layer_id")
        differing = {name for name in theirs if theirs[name] != ours[name]}
        assert {name for name in differing if not re.match(r"backbone\.(norm|fc_norm|ln1)\.|.*absolute_pos", name)} == {
            name for name in theirs if name.startswith("backbone.blocks.")
        }


@pytest.mark.parametrize(("backbone_class", "depth"), RESNETS, ids=lambda value: str(value))
def test_resnets_of_mmpretrain(backbone_class: str, depth: int) -> None:
    config = {"type": backbone_class, "depth": depth}
    if backbone_class == "ResNeXt":
        config |= {"groups": 32, "width_per_group": 4}
    assert moved(Detector(build(config, "mmpretrain"))) == {}


def test_a_resnet_that_ends_before_its_fourth_stage() -> None:
    """mmpretrain counts the missing stage, so the layer below the head is empty."""
    model = Detector(build({"type": "ResNet", "depth": 50}, "mmpretrain"))
    theirs = reported(model)
    del model.backbone.layer4
    ours = by_parameter(our_groups(model, strict_compat=True), "layer_id")
    assert {name: (theirs[name], ours[name]) for name in ours if theirs[name] != ours[name]} == {
        "head.weight": (7, 6),
        "head.bias": (7, 6),
    }


@pytest.mark.parametrize("backbone_class", OTHERS)
def test_other_backbones_of_mmpretrain(backbone_class: str) -> None:
    model = Detector(build({"type": backbone_class, **OTHERS[backbone_class]}, "mmpretrain"))
    differing = moved(model)
    assert all(re.match(r"backbone\.norm\d\.", name) for name in differing)
    assert len(differing) == (8 if backbone_class == "ConvNeXt" else 0)


@pytest.mark.parametrize(
    ("config", "num_layers", "some"),
    [
        ({"type": "ResNet", "depth": 18}, 4, {"layer1.1.conv1": 1, "layer2.1.conv1": 2, "layer3.0.conv1": 3}),
        (
            {
                "type": "ResNet",
                "depth": 50,
                "num_stages": 3,
                "strides": (1, 2, 2),
                "dilations": (1, 1, 1),
                "out_indices": (2,),
            },
            5,
            {"conv1": 0, "layer3.5.conv1": 5},
        ),
        ({"type": "RegNet", "arch": "regnetx_3.2gf"}, 10, {"conv1": 0, "layer2.5.conv1": 4, "layer3.14.conv1": 9}),
        ({"type": "DetectoRS_ResNet", "depth": 50, "output_img": True}, 6, {"layer4.0.conv1": 6}),
    ],
    ids=["ResNet-18", "C4", "RegNet", "DetectoRS"],
)
def test_resnets_of_mmdet(config: dict[str, Any], num_layers: int, some: dict[str, int]) -> None:
    model = Detector(build({**config, "frozen_stages": -1}, "mmdet"))
    ids = by_parameter(our_groups(model), "layer_id")
    assert set(ids.values()) == set(range(num_layers + 2))
    assert {name: ids[f"backbone.{name}.weight"] for name in some} == some
    if num_layers in (4, 10):
        theirs = build(config, "mmpretrain")
        with pytest.raises(NotImplementedError):
            theirs.get_layer_depth("backbone.conv1.weight", "backbone.")
    by_stage = by_parameter(our_groups(model, decay_type="stage_wise"), "layer_id")
    stages = len({name.split(".")[1] for name in by_stage if name.startswith("backbone.layer")})
    assert set(by_stage.values()) == set(range(stages + 2))
    assert all(layer_id == int(name[14]) for name, layer_id in by_stage.items() if name.startswith("backbone.layer"))


# One parameter of each kind that is exempt from weight decay in any shape, in a real backbone.
EXEMPT = [
    *("VisionTransformer", "backbone.pos_embed"),
    *("VisionTransformer", "backbone.cls_token"),
    *("DistilledVisionTransformer", "backbone.dist_token"),
    *("BEiTPretrainViT", "backbone.mask_token"),
    *("BEiTPretrainViT", "backbone.rel_pos_bias.relative_position_bias_table"),
    *("ViTSAM", "backbone.layers.0.attn.rel_pos_h"),
    *("HiViT", "backbone.blocks.6.attn.relative_position_bias_table"),
    *("SwinTransformer", "backbone.absolute_pos_embed"),
    *("SwinTransformer", "backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table"),
    *("SimMIMSwinTransformer", "backbone.mask_token"),
]


@pytest.mark.parametrize(("backbone_class", "name"), zip(EXEMPT[::2], EXEMPT[1::2], strict=True))
def test_exemptions_that_work(backbone_class: str, name: str) -> None:
    model = classifier(backbone_class)
    assert model.get_parameter(name).dim() > 1
    assert by_parameter(our_groups(model), "weight_decay")[name] == 0.0
    # mmdet compares the whole name with 'pos_embed'.
    assert by_parameter(our_groups(model, strict_compat=True), "weight_decay")[name] == BASE_WEIGHT_DECAY


def test_decayed_parameters() -> None:
    """Weights of convolutions and linear layers, and otherwise only the layer weights of MFF."""
    for backbone_class in BACKBONES:
        model = classifier(backbone_class)
        decay = by_parameter(our_groups(model), "weight_decay")
        weights = {
            f"{path}.weight"
            for path, module in model.named_modules()
            if isinstance(module, (nn.Linear, nn.Conv2d)) and module.weight.requires_grad
        }
        decayed = {name for name in decay if decay[name]}
        assert decayed - {"backbone.proj_weights"} == weights, backbone_class


def test_scales_that_are_no_vectors() -> None:
    model = Detector(build({"type": "SwinTransformerV2", "arch": V2_STAGES, "img_size": 32}, "mmpretrain"))
    decay = by_parameter(our_groups(model), "weight_decay")
    attention = "backbone.stages.0.blocks.0.attn.w_msa"
    assert model.get_parameter(f"{attention}.logit_scale").dim() == 3
    assert decay[f"{attention}.logit_scale"] == decay[f"{attention}.cpb_mlp.0.weight"] == 0.0
    assert decay[f"{attention}.qkv.weight"] == BASE_WEIGHT_DECAY
    fcos = build({"type": "FCOSHead", "num_classes": 2, "in_channels": 8}, "mmdet")
    model = Detector(build({"type": "ResNet", "depth": 18}, "mmdet"))
    model.fcos = fcos
    assert model.get_parameter("fcos.scales.0.scale").dim() == 0
    assert by_parameter(our_groups(model), "weight_decay")["fcos.scales.0.scale"] == 0.0


def test_swin_of_mmdet() -> None:
    stages = {"embed_dims": 8, "depths": (2, 1, 3, 2), "num_heads": (2, 2, 2, 2), "use_abs_pos_embed": True}
    model = Detector(build({"type": "SwinTransformer", "pretrain_img_size": 32, **stages}, "mmdet"))
    ids = by_parameter(our_groups(model), "layer_id")
    expected = by_parameter(our_groups(classifier("SwinTransformer")), "layer_id")
    assert {name: ids[name] for name in ids if "head" not in name} == {
        name: expected[name] for name in expected if "head" not in name
    }


TIMM: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": {"depth": 3, "embed_dim": 12, "num_heads": 2, "reg_tokens": 2, "init_values": 0.1},
    "vit_base_patch16_clip_224": {"depth": 3, "embed_dim": 12, "num_heads": 2, "pre_norm": True},
    "eva02_tiny_patch14_224": {"depth": 3, "embed_dim": 16, "num_heads": 2, "global_pool": "token"},
    "beit_base_patch16_224": {"depth": 3, "embed_dim": 12, "num_heads": 2, "global_pool": "token"},
    "deit_tiny_distilled_patch16_224": {"depth": 3, "embed_dim": 12, "num_heads": 2},
    "hiera_tiny_224": {"embed_dim": 8, "num_heads": 1, "stages": (1, 1, 2, 1)},
    "swin_tiny_patch4_window7_224": {"depths": (1, 2, 3, 1), "embed_dim": 8, "num_heads": (1, 1, 2, 2)},
    "swinv2_tiny_window8_256": {"depths": (1, 2, 3, 1), "embed_dim": 8, "num_heads": (1, 1, 2, 2)},
}


@pytest.mark.parametrize("architecture", TIMM)
def test_timm(architecture: str) -> None:
    """The same number of groups, with the same members and the same numbers to the last bit."""
    backbone = timm.create_model(architecture, num_classes=2, **TIMM[architecture])
    names = {id(parameter): f"backbone.{name}" for name, parameter in backbone.named_parameters()}
    theirs = param_groups_layer_decay(
        backbone,
        weight_decay=BASE_WEIGHT_DECAY,
        no_weight_decay_list=backbone.no_weight_decay(),
        layer_decay=RATE,
    )
    expected = {
        frozenset(names[id(parameter)] for parameter in group["params"]): (group["lr_scale"], group["weight_decay"])
        for group in theirs
    }
    model = nn.Module()
    model.backbone = backbone
    ours = {frozenset(group["param_names"]): (group["lr_scale"], group["weight_decay"]) for group in our_groups(model)}
    assert ours == expected


def test_where_timm_differs() -> None:
    """``fc_norm`` follows the blocks like ``norm``; timm's pattern matches only ``norm``."""
    backbone = timm.create_model(
        "vit_tiny_patch16_224", num_classes=2, depth=2, embed_dim=12, num_heads=2, global_pool="avg", fc_norm=True
    )
    model = nn.Module()
    model.backbone = backbone
    scales = by_parameter(our_groups(model), "lr_scale")
    theirs = param_groups_layer_decay(backbone, layer_decay=RATE)
    (their_scale,) = {g["lr_scale"] for g in theirs if any(p is backbone.fc_norm.weight for p in g["params"])}
    assert (scales["backbone.fc_norm.weight"], their_scale) == (RATE, 1.0)


def test_resnet_of_timm() -> None:
    model = nn.Module()
    model.backbone = timm.create_model("resnet18", num_classes=2)
    ids = by_parameter(our_groups(model), "layer_id")
    assert [ids[f"backbone.{name}.weight"] for name in ("conv1", "layer1.0.conv1", "layer4.1.conv2", "fc")] == [
        *(0, 1, 4, 5),
    ]
