"""Settings that cannot be decayed: one line has the place, the problem, and the allowed values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lrdecay_cli.decay.families import MMDET_FAMILIES
from lrdecay_cli.decay.options import DecayError
from tests.decay.plain import explained

RATE, LAYERS, TYPE = (f"paramwise_cfg.{key}" for key in ("decay_rate", "num_layers", "decay_type"))
LR, WEIGHT_DECAY = "optim_wrapper.optimizer.lr", "optim_wrapper.optimizer.weight_decay"
ALLOWED = "allowed: 'layer_wise', 'stage_wise'"
WHOLE, FINITE = "use an integer such as 12", "use a finite number such as 0.7"
INTEGER = "give the module a name with an integer index"
OTHER = "use another optimizer wrapper constructor"
VIT, SWIN = {"backbone": "VisionTransformer"}, {"backbone": "SwinTransformer"}
RESNET = {"backbone": "ResNet"}
SERVED_BY_MMDET = "it supports *ConvNeXt*"

# Invalid settings: place, problem and fix.
REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # options
    "no paramwise_cfg": ({"paramwise_cfg": None}, "paramwise_cfg", "num_layers is missing", "add num_layers"),
    "no num_layers": (
        {"paramwise_cfg": {"decay_rate": 0.7}},
        *("paramwise_cfg", "num_layers is missing", "add num_layers"),
    ),
    "num_layers misspelt": (
        {"paramwise_cfg": {"num_layer": 12, "decay_rate": 0.7}},
        *("paramwise_cfg", "num_layers is missing", "rename 'num_layer' to num_layers"),
    ),
    "mmpretrain's name of the rate": (
        {"paramwise_cfg": {"num_layers": 12, "layer_decay_rate": 0.7}},
        *("paramwise_cfg", "decay_rate is missing", "rename 'layer_decay_rate' to decay_rate"),
    ),
    "a decay type is no misspelt rate": (
        {"paramwise_cfg": {"num_layers": 12, "decay_type": "layer_wise"}},
        *("paramwise_cfg", "decay_rate is missing", "add decay_rate"),
    ),
    "num_layers None": ({"num_layers": None}, LAYERS, "the value is None", "set a number"),
    "decay_rate None": ({"decay_rate": None}, RATE, "the value is None", "set a number"),
    "num_layers bool": ({"num_layers": True}, LAYERS, "True is not an integer", WHOLE),
    "num_layers float": ({"num_layers": 12.0}, LAYERS, "12.0 is not an integer", WHOLE),
    "num_layers string": ({"num_layers": "12"}, LAYERS, "'12' is not an integer", WHOLE),
    "decay_rate string": ({"decay_rate": "0.7"}, RATE, "'0.7' is not a number", FINITE),
    "decay_rate bool": ({"decay_rate": False}, RATE, "False is not a number", FINITE),
    "decay_rate complex": ({"decay_rate": 1j}, RATE, "1j is not a number", FINITE),
    "decay_rate inf": ({"decay_rate": -math.inf}, RATE, "the number is not finite", FINITE),
    "decay_rate nan": ({"decay_rate": math.nan}, RATE, "the number is not finite", FINITE),
    "decay_rate that no float holds": ({"decay_rate": 10**309}, RATE, "the number is not finite", FINITE),
    "decay_type no string": ({"decay_type": ["layer_wise"]}, TYPE, "['layer_wise'] is not a string", ALLOWED),
    "decay_type None": ({"decay_type": None}, TYPE, "None is not a string", ALLOWED),
    "decay_type unknown": ({"decay_type": "cosine"}, TYPE, "unknown decay type 'cosine'", ALLOWED),
    "decay_type in capitals": (
        {"decay_type": "LAYER_WISE"},
        *(TYPE, "unknown decay type 'LAYER_WISE'", f"did you mean 'layer_wise'? {ALLOWED}"),
    ),
    "decay_type with more around it": (
        {"decay_type": "my_stage_wise"},
        *(TYPE, "unknown decay type 'my_stage_wise'", f"did you mean 'stage_wise'? {ALLOWED}"),
    ),
    "decay_type of another family": (
        {**SWIN, "decay_type": "stage_wise"},
        *(TYPE, "'stage_wise' is not defined for SwinTransformer", "allowed: 'layer_wise'"),
    ),
    # optimizer
    "no lr": (
        {"base_lr": None},
        LR,
        "the constructor needs a base lr, but the config sets none",
        "set the optimizer's lr",
    ),
    "lr string": ({"base_lr": "1e-4"}, LR, "'1e-4' is not a number", FINITE),
    "weight decay inf": ({"base_weight_decay": math.inf}, WEIGHT_DECAY, "the number is not finite", FINITE),
    # backbone
    "no backbone": (
        {"backbone": None},
        *("model.backbone", "layer decay needs a backbone, but the model has none", OTHER),
    ),
    "a backbone that nobody serves, to mmdet": (
        {"backbone": "LeViT", "families": MMDET_FAMILIES},
        *("model.backbone", "mmdet's constructor has no layer decay for LeViT", SERVED_BY_MMDET),
    ),
    "a backbone of ours, to mmdet": (
        {**SWIN, "families": MMDET_FAMILIES},
        "model.backbone",
        "mmdet's constructor has no layer decay for SwinTransformer",
        f"{SERVED_BY_MMDET}; lrdecay's own constructor supports SwinTransformer",
    ),
    "no block": (
        {**SWIN, "names": ["backbone.layers.0.blocks.0.weight"]},
        "model.backbone",
        "no parameter of this SwinTransformer has the name of a swin block",
        f"{OTHER}, because the layers of this backbone are unknown",
    ),
    "num_layers of another depth": (
        {**VIT, "num_layers": 11},
        *(LAYERS, "num_layers=11 does not fit this VisionTransformer, which has 12 blocks", "set num_layers to 12"),
    ),
    # names
    "convnext stage": ({"name": "backbone.stages.4.0.w"}, "", "stage 4 has no layer id", "allowed: stage 0 to 3"),
    "convnext downsampling": (
        {"name": "backbone.downsample_layers.-1.0.w"},
        *("", "stage -1 has no layer id", "allowed: stage 0 to 3"),
    ),
    "a line break in the name": (
        {"name": "backbone.stages.4\n.0.w"},
        *("", "stage 4 has no layer id", "allowed: stage 0 to 3"),
    ),
    "no block index": (
        {"name": "backbone.stages.1"},
        *("", "the name has no block index after 'stages.1'", INTEGER),
    ),
    "no stage index": (
        {"name": "backbone.stages", "decay_type": "stage_wise"},
        *("", "the name has no stage index after 'stages'", INTEGER),
    ),
    "stage index no integer": (
        {"name": "backbone.downsample_layers_x.norm.w"},
        *("", "'norm' after 'downsample_layers_x' is not a stage index", INTEGER),
    ),
    "stage index of a block no integer": (
        {"name": "backbone.stages.x.0.w"},
        *("", "'x' after 'stages' is not a stage index", INTEGER),
    ),
    "stage index no integer, by stage": (
        {"name": "backbone.stages.x.0.w", "decay_type": "stage_wise"},
        *("", "'x' after 'stages' is not a stage index", INTEGER),
    ),
    "vit block": ({**VIT, "name": "backbone.layers.12.w"}, "", "block 12 has no layer id", "allowed: block 0 to 11"),
    "swin stage": (
        {**SWIN, "name": "backbone.stages.3.blocks.0.w"},
        *("", "stage 3 has no layer id", "allowed: stage 0 to 2"),
    ),
    "swin block": (
        {**SWIN, "name": "backbone.stages.0.blocks.2.w"},
        *("", "block 2 has no layer id", "allowed: block 0 to 1"),
    ),
    **{
        f"{what} index of {name} no integer": (
            {**given, "name": f"backbone.{name}"},
            *("", f"'x' after {name.partition('.x')[0]!r} is not a {what} index", INTEGER),
        )
        for given, name, what in (
            (VIT, "layers.x.ln1.w", "block"),
            (SWIN, "stages.x.blocks.0.w", "stage"),
            (SWIN, "stages.0.blocks.x.w", "block"),
            (RESNET, "layer2.x.conv1.w", "block"),
        )
    },
    "resnet stage 0": (
        {**RESNET, "name": "backbone.layer0.0.conv1.w"},
        *("", "stage 0 has no layer id", "allowed: stage 1 to 4"),
    ),
    "resnet stage": (
        {**RESNET, "name": "backbone.layer5.0.conv1.w"},
        *("", "stage 5 has no layer id", "allowed: stage 1 to 4"),
    ),
    "resnet block": (
        {**RESNET, "name": "backbone.layer2.4.conv1.w"},
        *("", "block 4 has no layer id", "allowed: block 0 to 3"),
    ),
    # powers
    "zero to a negative power": (
        {"decay_rate": 0, "num_layers": 1, "name": "backbone.stages.2.0.w"},
        "",
        "decay_rate 0 to the power -1 is a division by zero: layer id 3 is above num_layers + 1 = 2",
        "raise num_layers to fit the backbone, or set another decay_rate",
    ),
    **{
        f"a power too large for a float, of {rate!r}": (
            {"decay_rate": rate, "num_layers": 2_000, "name": "backbone.cls_token"},
            "",
            f"decay_rate {rate!r} to the power 2001 is too large for a float",
            "set a decay_rate closer to 1, and the num_layers that fits the backbone",
        )
        for rate in (2, 2.0)
    },
}


@pytest.mark.parametrize(("given", "where", "problem", "fix"), REFUSED.values(), ids=REFUSED)
def test_invalid_settings_are_refused(given: dict[str, Any], where: str, problem: str, fix: str) -> None:
    with pytest.raises(DecayError) as caught:
        explained(**given)
    error = caught.value
    assert (error.where, error.problem, error.fix) == (where or given["name"], problem, fix)
    assert str(error) == f"{error.where.replace(chr(10), ' ')}: {problem}; {fix}"
    assert len(str(error).splitlines()) == 1


def test_an_unsupported_backbone_gets_the_supported_ones() -> None:
    with pytest.raises(
        DecayError, match=r"^model\.backbone: this constructor has no layer decay for LeViT; it supports "
    ) as caught:
        explained(backbone="LeViT")
    for served in ("*ConvNeXt*", "VisionTransformer", "BEiT", "SwinTransformer", "SwinTransformerV2"):
        assert served in caught.value.fix.removeprefix("it supports ").split(", ")
