"""Layer ids of norm layers, tokens and heads that the family's layer rule would give the head or the stem."""

from __future__ import annotations

import pytest

from lrdecay_cli.decay.families import ALL_FAMILIES, swin
from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.domain.provenance import Formula, arrow, by_name

FAMILIES = {family.name: family for family in ALL_FAMILIES}
DEPTHS = {"convnext": (3, 3, 9, 3), "vit": (12,), "resnet": (3, 4, 6, 3)}
LAST = {"num_layers": 6}


def stem(own: str) -> Formula:
    return by_name(f"backbone.{own}", "0", "0", 0)


def summed(own: str, formula: str, blocks: int) -> Formula:
    return by_name(f"backbone.{own}", "blocks_so_far", formula, blocks, {"blocks_so_far": blocks})


PLACES: dict[str, dict[str, Formula | None]] = {
    "convnext": {
        "norm0.weight": by_name("backbone.norm0", "1", "1", 1),
        "norm2.bias": by_name("backbone.norm2", "3 + block // 3", "3 + 8 // 3", 5, {"block": 8}),
        "norm3.weight": by_name("backbone.norm3", "num_layers", "6", 6, LAST),
        "mask_token": stem("mask_token"),
        **dict.fromkeys(("norm4.weight", "norm.weight", "norm3x.weight", "norm٣.weight", "stages.0.0.gamma"), None),
    },
    "swin": {
        "norm0.weight": summed("norm0", "2", 2),
        "norm2.weight": summed("norm2", "2 + 2 + 6", 10),
        "norm.weight": summed("norm", "2 + 2 + 6 + 2", 12),
        "absolute_pos_embed": stem("absolute_pos_embed"),
        **dict.fromkeys(("norm4.weight", "normx.weight", "norm٣.weight", "stages.0.blocks.0.norm1.weight"), None),
    },
    "vit": {
        "ln_pre.weight": stem("ln_pre"),
        "ln1.weight": by_name("backbone.ln1", "num_layers", "6", 6, LAST),
        "dist_token": stem("dist_token"),
        **dict.fromkeys(("ln3.weight", "layers.0.ln1.weight", "patch_embed.norm.weight"), None),
    },
    "resnet": {
        "fc.weight": arrow("fallback", "everything else", "num_layers + 1", "6 + 1", 7, LAST),
        **dict.fromkeys(("fcx.weight", "layer1.0.fc.weight", "fc", "bn1.weight"), None),
    },
}
TABLE = [(family, own, step) for family, places in PLACES.items() for own, step in places.items()]


@pytest.mark.parametrize(("family", "own", "step"), TABLE)
def test_place(family: str, own: str, step: Formula | None) -> None:
    placement = FAMILIES[family].placement
    assert placement is not None
    depths = DEPTHS.get(family, (2, 2, 6, 2))
    assert placement(f"backbone.{own}", "layer_wise", 6, depths, "backbone.") == step
    for elsewhere in (own, f"neck.{own}"):
        assert placement(elsewhere, "layer_wise", 6, depths, "backbone.") is None
    moved = placement(f"student.backbone.{own}", "layer_wise", 6, depths, "student.backbone.")
    assert (moved and moved.result) == (step and step.result)


@pytest.mark.parametrize(("own", "result"), [("norm0.weight", 1), ("norm3.weight", 4), ("norm4.weight", None)])
def test_convnext_by_stage(own: str, result: int | None) -> None:
    decay_type: DecayType = "stage_wise"
    placement = FAMILIES["convnext"].placement
    assert placement is not None
    step = placement(f"backbone.{own}", decay_type, 6, (3, 3, 9, 3), "backbone.")
    assert (step and step.result) == result
    assert step is None or step.rule == "backbone.norm<stage> -> stage + 1"


def test_a_norm_of_no_blocks_has_no_place() -> None:
    assert swin.placement("backbone.norm.weight", "layer_wise", 6, (), "backbone.") is None


def test_the_downsampling_that_a_stage_of_timm_begins_with() -> None:
    step = swin.layer_wise_timm("backbone.layers.1.downsample.norm.weight", 4, (2, 1, 1))
    assert step == by_name("backbone.layers.1.downsample", "blocks_before + 1", "2 + 1", 3, {"blocks_before": 2})
