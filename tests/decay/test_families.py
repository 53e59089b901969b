"""The registry of families: which family supports a backbone, how deep the backbone is, and how to add a family."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from lrdecay_cli.decay.families import ALL_FAMILIES, BACKBONE_PREFIX, MMDET_FAMILIES, ClassNames, Family, find_family
from lrdecay_cli.decay.options import DecayError, DecayOptions
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.domain.provenance import Formula, arrow, by_name
from tests.decay.plain import one_line, plan_groups

FAMILIES = {family.name: family for family in ALL_FAMILIES}


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        *(("ConvNeXt", "convnext"), ("MyConvNeXtV2", "convnext"), ("ConvNext", None), ("convnext", None)),
        *(("VisionTransformer", "vit"), ("MAEViT", "vit"), ("HiViT", "vit"), ("ViT", "vit"), ("BEiT", "vit")),
        *((name, None) for name in ("LeViT", "T2T_ViT", "MobileViT", "PyramidVisionTransformer", "vit", "")),
        *(("SwinTransformer", "swin"), ("SimMIMSwinTransformer", "swin"), ("SwinTransformerV2", "swin-v2")),
        *((name, None) for name in ("MySwinTransformer", "SwinTransformerV3", "CSPResNet", "timm.ResNet")),
        *(("timm.SwinTransformer", "swin-timm"), ("ResNet", "resnet"), ("RegNet", "resnet")),
    ],
)
def test_which_family_serves_a_class(class_name: str, expected: str | None) -> None:
    found = find_family(class_name)
    assert (found.name if found else None) == expected
    assert (find_family(class_name, MMDET_FAMILIES) is not None) == (expected == "convnext")


def test_no_family_hides_another() -> None:
    assert len(FAMILIES) == len(ALL_FAMILIES)
    assert all(family in ALL_FAMILIES for family in MMDET_FAMILIES)
    for family in ALL_FAMILIES:
        assert [find_family(name) for name in family.classes.names] == [family] * len(family.classes.names)


def stages(prefix: str, *depths: int) -> list[str]:
    """Return the last block of each stage; a depth of zero omits the stage."""
    return [f"{prefix.format(stage)}.{depth - 1}.weight" for stage, depth in enumerate(depths) if depth]


CONVNEXT, SWIN = "backbone.stages.{}", "backbone.stages.{}.blocks"
# Family, parameter names, depths, matching num_layers.
DEPTHS: dict[str, tuple[str, list[str], tuple[int, ...], int]] = {
    "convnext-t": ("convnext", [*stages(CONVNEXT, 3, 3, 9, 3), "backbone.stages.2.4.bias"], (3, 3, 9, 3), 6),
    "convnext-s": ("convnext", stages(CONVNEXT, 3, 3, 27, 3), (3, 3, 27, 3), 12),
    "convnext-atto": ("convnext", stages(CONVNEXT, 2, 2, 6, 2), (2, 2, 6, 2), 5),
    "third stage not in threes": ("convnext", stages(CONVNEXT, 3, 3, 10, 3), (3, 3, 10, 3), 7),
    "a stage missing": ("convnext", stages(CONVNEXT, 3, 3, 0, 3), (3, 3), 3),
    "the last stage missing": ("convnext", stages(CONVNEXT, 3, 3, 9), (3, 3, 9), 6),
    "the first stage missing": ("convnext", stages(CONVNEXT, 0, 3), (), 3),
    "no stages but lookalikes": ("convnext", ["backbone.stagesx.0.1.w", "neck.backbone.stages.0.1.w"], (), 3),
    "no block but lookalikes": ("convnext", ["backbone.stages.0.x.w", "backbone.stages.0.1", "stages.0.0.w"], (), 3),
    "dots are dots": ("convnext", ["backbone_stages.0.1.w", "backbone.stages.0_1.w"], (), 3),
    "digits of other scripts": ("convnext", ["backbone.stages.0.٣.w"], (), 3),
    "swin-t": ("swin", stages(SWIN, 2, 2, 6, 2), (2, 2, 6, 2), 12),
    "swin without blocks": ("swin", ["backbone.stages.0.downsample.0.weight"], (), 0),
    "swin-v2-b": ("swin-v2", stages(SWIN, 2, 2, 18, 2), (2, 2, 18, 2), 24),
    "swin-t of timm": ("swin-timm", stages("backbone.layers.{}.blocks", 2, 2, 6, 2), (2, 2, 6, 2), 12),
    "resnet-50": ("resnet", [f"backbone.layer{n}.{d - 1}.w" for n, d in enumerate((3, 4, 6, 3), 1)], (3, 4, 6, 3), 6),
    "resnet-101": (
        *("resnet", [f"backbone.layer{n}.{d - 1}.w" for n, d in enumerate((3, 4, 23, 3), 1)], (3, 4, 23, 3), 12),
    ),
    "resnet without": ("resnet", ["backbone.layer0.1.w", "backbone.layers.1.w", "backbone.layer1x.1.w"], (), 0),
    "vit-b": ("vit", ["backbone.layers.11.ln1.bias", "backbone.layers.2.ln1.bias"], (12,), 12),
    "vit with blocks": ("vit", ["backbone.blocks.31.norm1.bias"], (32,), 32),
    "vit without": ("vit", ["backbone.layers.x.w", "head.layers.7.w", "backbone.layers_x.3.w"], (), 0),
}


@pytest.mark.parametrize(("family", "names", "depths", "num_layers"), DEPTHS.values(), ids=DEPTHS)
def test_depths(family: str, names: list[str], depths: tuple[int, ...], num_layers: int) -> None:
    served = FAMILIES[family]
    assert served.depths(iter(names), BACKBONE_PREFIX) == depths
    assert served.fitting_num_layers(depths) == num_layers
    moved = [f"detector.{name}" for name in names]
    assert served.depths(moved, "detector.backbone.") == depths
    assert served.depths(moved, BACKBONE_PREFIX) == ()


@pytest.mark.parametrize("prefix", ["", "neck.", "backbone_2.", "student.backbone."])
@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.name)
def test_parameters_outside_the_backbone_are_with_the_head(family: Family, prefix: str) -> None:
    for own in ("stages.0.0.w", "stages.0.blocks.0.w", "layers.0.w", "layer1.0.w", "downsample_layers.0.w", "conv1.w"):
        for name in (f"{prefix}{own}", f"{prefix}patch_embed.w", f"{prefix}cls_token"):
            for rule in family.rules.values():
                assert rule(name, 5, (1, 1, 1, 1)).result == 6, name


# A family as a separate file would define it: floors from the ground up, each with its own layer id.
def floor_by_floor(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    if not name.startswith(f"{prefix}floor"):
        inputs = {"num_layers": num_layers}
        return arrow("fallback", "everything else", "num_layers + 1", f"{num_layers} + 1", num_layers + 1, inputs)
    floor = int(name.removeprefix(f"{prefix}floor").partition(".")[0])
    return by_name(f"{prefix}floor<floor>", "floor", f"{floor}", floor, {"floor": floor})


def floors(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    return (len({name.split(".")[1] for name in names if name.startswith(f"{prefix}floor")}),)


TOWER = Family("tower", ClassNames(("Tower",), within=True), {"stage_wise": floor_by_floor}, floors, sum)
TOWER_NAMES = [
    "backbone.floor2.weight",
    "head.weight",
    "backbone.floor1.weight",
    "backbone.floor1.bias",
    "backbone.floor3.weight",
]


def test_a_family_that_is_added() -> None:
    """A frozen floor is in no group, but is counted."""
    groups = plan_groups(
        [TrainingParameter(name, (2,) if "bias" in name else (2, 2), "floor3" not in name) for name in TOWER_NAMES],
        DecayOptions(3, 0.5, "stage_wise"),
        backbone_class="HighTower",
        base_lr=1.0,
        base_weight_decay=0.05,
        families=(*ALL_FAMILIES, TOWER),
    )
    assert [(group.name, group.lr, group.weight_decay) for group in groups] == [
        ("layer_2_decay", 0.25, 0.05),
        ("layer_4_decay", 1.0, 0.05),
        ("layer_1_decay", 0.125, 0.05),
        ("layer_1_no_decay", 0.125, 0.0),
    ]
    (floor,) = groups[0].parameters
    assert one_line(floor.name, floor.provenance) == "floor2 → 2 → 0.5 ** (5 - 2 - 1) = 0.25"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            DecayOptions(3, 0.5),
            "paramwise_cfg.decay_type: 'layer_wise' is not defined for Tower; allowed: 'stage_wise'",
        ),
        (
            DecayOptions(2, 0.5, "stage_wise"),
            "paramwise_cfg.num_layers: num_layers=2 does not fit this Tower, which has 3 blocks; set num_layers to 3",
        ),
    ],
    ids=["decay type", "num_layers"],
)
def test_an_added_family_is_checked_like_the_others(options: DecayOptions, line: str) -> None:
    with pytest.raises(DecayError) as caught:
        plan_groups(
            [TrainingParameter(name, (2, 2)) for name in TOWER_NAMES],
            options,
            backbone_class="Tower",
            base_lr=1.0,
            families=(TOWER,),
        )
    assert str(caught.value) == line
