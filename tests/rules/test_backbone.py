"""Recognise blocks by name, and gaps in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.rules.api import describe_ids, integers, span
from lrdecay_cli.rules.context.backbone import backbone_prefix, block_of, out_of_order


@pytest.mark.parametrize(
    ("own", "series", "place", "rest"),
    [
        ("stages.2.15.depthwise_conv.weight", "stages.#.#", (2, 15), "depthwise_conv.weight"),
        ("stages.0.blocks.1.ffn.layers.0.0.weight", "stages.#.blocks.#", (0, 1), "ffn.layers.0.0.weight"),
        ("stages.0.downsample.norm.weight", "stages.#", (0,), "downsample.norm.weight"),
        ("layers.3.attn.qkv.weight", "layers.#", (3,), "attn.qkv.weight"),
        ("layers.3.ffn.layers.0.0.weight", "layers.#", (3,), "ffn.layers.0.0.weight"),
        ("layer1.0.conv1.weight", "layer#.#", (1, 0), "conv1.weight"),
        ("stage1.1.blocks.0.conv1.conv.weight", "stage#.#", (1, 1), "blocks.0.conv1.conv.weight"),
        ("stage2.0.branches.0.1.conv1.weight", "stage#.#", (2, 0), "branches.0.1.conv1.weight"),
        ("timm_model.blocks.3.norm1.weight", "timm_model.blocks.#", (3,), "norm1.weight"),
        ("downsample_layers.0.1.weight", "downsample_layers.#.#", (0, 1), "weight"),
        ("norm3.weight", "norm#", (3,), "weight"),
    ],
)
def test_block(own: str, series: str, place: tuple[int, ...], rest: str) -> None:
    assert block_of(own) == (series, place, rest)


@pytest.mark.parametrize("own", ["cls_token", "patch_embed.projection.weight", "weight3", "", "a.²b.weight"])
def test_no_block(own: str) -> None:
    assert block_of(own) is None


@given(st.text("a0.#٣²_", max_size=12))
def test_any_name_is_read(own: str) -> None:
    block = block_of(own)
    assert block is None or (own.endswith(block.rest) and block.place)


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        pytest.param(["neck.a.weight", "backbone.a.weight"], "backbone.", id="backbone"),
        pytest.param(["student.backbone.a.weight"], "student.backbone.", id="in a student"),
        pytest.param(["module.module.backbone.a.weight"], "module.module.backbone.", id="in two modules"),
        pytest.param(
            ["head.weight", "img_backbone.a.weight", "pts_backbone.a.weight"], "img_backbone.", id="the first of two"
        ),
        pytest.param(["img_backbone.a.weight", "backbone.a.weight"], "backbone.", id="backbone before others"),
        pytest.param(["encoder.a.weight", "backbone_free"], "backbone.", id="none"),
    ],
)
def test_prefix(names: list[str], prefix: str) -> None:
    assert backbone_prefix(names) == prefix


@pytest.mark.parametrize(
    ("scales", "places"),
    [
        pytest.param([0.1, 0.2, 0.9, 0.4, 0.5], [2], id="one too fast"),
        pytest.param([0.1, 0.2, 0.05, 0.4], [2], id="one too slow"),
        pytest.param([1.0, 1.0, 1.0], [], id="equal"),
        pytest.param([0.1, 0.1 * (1 - 1e-12), 0.2], [], id="equal but for rounding"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_out_of_order(scales: list[float], places: list[int]) -> None:
    assert out_of_order(scales) == places


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=8))
def test_as_few_as_possible_are_out_of_order(scales: list[float]) -> None:
    left_out = set(out_of_order(scales))
    remaining = [scale for place, scale in enumerate(scales) if place not in left_out]
    assert remaining == sorted(remaining)
    subsets = range(2 ** len(scales))
    longest = max(
        (len(run) for chosen in subsets if (run := _chosen(scales, chosen)) == sorted(run)),
        default=0,
    )
    assert len(remaining) == longest


def _chosen(scales: list[float], bits: int) -> list[float]:
    return [scale for place, scale in enumerate(scales) if bits >> place & 1]


def test_numbers_in_words() -> None:
    assert integers([5, 7, 8, 9]) == "5, 7 to 9"
    assert describe_ids([8]) == "layer id 8 is"
    assert describe_ids([8, 9]) == "layer ids 8, 9 are"
    assert span([0.7, 0.0576]) == "0.0576 to 0.7"
    assert span([0.1, 0.1]) == "0.1"
