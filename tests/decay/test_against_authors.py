"""Families without layer depths in mmpretrain, compared with the constructors of their authors (tests/family)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from mmpretrain.registry import MODELS

from lrdecay_cli.decay.families import find_family
from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.files.map_file import read_map
from tests.family import mutations
from tests.family.test_family import MAPS
from tests.openmmlab.constructing import build

PREFIX = "backbone."
# By key of tests/family/mutations.py: the depths in the options of the recorded rows.
DEPTHS: dict[str, tuple[str, DecayType, tuple[int, ...]]] = {
    "internimage_detection": ("InternImage", "layer_wise", (2, 2, 4, 2)),
    "unireplknet": ("UniRepLKNet", "layer_wise", (3, 3, 9, 3)),
    "unireplknet by stage": ("UniRepLKNet", "stage_wise", (3, 3, 9, 3)),
    "vit_adapter_detection": ("ViTAdapter", "layer_wise", (12,)),
    "eva_02": ("EVA2", "layer_wise", (12,)),
}
# Names with other layer ids in lrdecay: it finds only the level of ``post_norms``, and no EVA-02 mask token.
_OURS = ("post_norms", "mask_token")


def layer_ids(key: str, decay_type: DecayType, depths: tuple[int, ...]) -> Iterator[tuple[str, int, int]]:
    """Return names of the backbone, their layer ids, and the given ``num_layers``."""
    for row in json.loads(mutations.RECORDED.read_text())[key]:
        options, names = row["options"], list(mutations.MODELS[row["model"]][1])
        recorded = options.get("decay_type", "layer_wise"), tuple(options.get("depths", depths))
        if isinstance(row["made"], str) or recorded != (decay_type, depths):
            continue
        for group, *_, places in row["made"]:
            found = re.match(r"layer_(-?\d+)_", group)
            assert found is not None
            yield from ((names[place], int(found[1]), options["num_layers"]) for place in places)


@pytest.mark.parametrize("key", DEPTHS)
def test_every_parameter_of_the_backbone(key: str) -> None:
    backbone, decay_type, depths = DEPTHS[key]
    family = find_family(backbone)
    assert family is not None
    compared = [
        (name, family.rules[decay_type](name, num_layers, depths).result, layer_id)
        for name, layer_id, num_layers in layer_ids(key.partition(" ")[0], decay_type, depths)
        # If num_layers is too small, blocks have other ids there; lrdecay raises an error.
        if name.startswith(PREFIX)
        and not any(part in name for part in _OURS)
        and num_layers >= family.fitting(decay_type, depths)
    ]
    assert len({layer_id for _, _, layer_id in compared}) > 3
    assert [each for each in compared if each[1] != each[2]] == []


@pytest.mark.parametrize("recorded", ["mmaction_mvit", "mmaction_videomae"])
def test_mmaction(recorded: str) -> None:
    group_map = read_map(str(next(path for path in MAPS if path.stem == recorded)))
    family, num_layers = find_family(group_map.model.backbone or ""), group_map.constructor.options["num_layers"]
    assert family is not None
    names = group_map.names(duplicates=True)
    depths = family.depths(names, PREFIX)
    assert family.fitting("layer_wise", depths) == num_layers
    for group, parameter in group_map.grouped():
        assert family.rules["layer_wise"](parameter.name, num_layers, depths).result == group.layer_id, parameter.name


def test_mvit_of_mmpretrain() -> None:
    """The norm after a stage has the layer id of that stage's last block, from the model's ``stage_indices``."""
    arch = {"embed_dims": 8, "num_layers": 7, "num_heads": 1, "downscale_indices": [1, 3, 6]}
    model = build({"type": "MViT", "arch": arch, "out_scales": [0, 1, 2, 3], "img_size": 32}, "mmpretrain")
    assert "MViT" in MODELS.module_dict
    family = find_family("MViT")
    assert family is not None
    assert family.placement is not None
    depths = family.depths([f"{PREFIX}{name}" for name, _ in model.named_parameters()], PREFIX)
    assert depths == (1, 2, 3, 1)
    for block, stage in model.stage_indices.items():
        placed = family.placement(f"{PREFIX}norm{stage}.weight", "layer_wise", 7, depths, PREFIX)
        assert placed is not None
        assert placed.result == block + 1


def test_video_swin_is_decayed_as_the_one_for_images() -> None:
    video, image = find_family("SwinTransformer3D"), find_family("SwinTransformer")
    assert video is not None
    assert image is not None
    for own in ("patch_embed.proj.weight", "{}.0.blocks.1.norm1.weight", "{}.0.downsample.norm.weight",
                "{}.2.blocks.2.attn.qkv.weight", "norm3.weight"):  # fmt: skip
        theirs = image.rules["layer_wise"](f"{PREFIX}{own.format('stages')}", 8, (2, 1, 3, 2)).result
        assert video.rules["layer_wise"](f"{PREFIX}{own.format('layers')}", 8, (2, 1, 3, 2)).result == theirs
