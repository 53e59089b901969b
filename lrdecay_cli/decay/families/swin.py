"""Swin Transformer and Swin Transformer V2, of mmpretrain and of mmdet: both name their parameters alike.

Source: mmpretrain 1.2.0, ``SwinTransformer.get_layer_depth``. For V2 there is no source: its stages begin with the
downsampling instead of ending with it, so there the downsampling goes with the blocks before it, as it does in V1.
timm (1.0.31, ``SwinTransformer.group_matcher``) calls the stages ``layers``, and the downsampling that they begin with
goes with the first block behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from lrdecay_cli.decay.depths import blocks_per_stage
from lrdecay_cli.decay.families.interface import BACKBONE_PREFIX, ClassNames, Family
from lrdecay_cli.decay.families.parts import index_part, outside, with_the_head, with_the_stem
from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.domain.provenance import Formula, by_name


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Layer id by block, counted through the stages; a stage's downsampling shares the id of its last block.

    Raises:
        DecayError: a stage that ``depths`` does not have, a block that its stage does not have, or an index that is
            missing or no integer.
    """
    return _layer_id(name, num_layers, depths, prefix)


def layer_wise_v2(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Like :func:`layer_wise`, but a stage's downsampling shares the id of the last block of the stage before.

    Raises:
        DecayError: as :func:`layer_wise`.
    """
    return _layer_id(name, num_layers, depths, prefix, downsample="before")


def layer_wise_timm(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Like :func:`layer_wise`, but a stage's downsampling shares the id of the stage's first block.

    Raises:
        DecayError: as :func:`layer_wise`.
    """
    return _layer_id(name, num_layers, depths, prefix, stages="layers", downsample="behind")


def _layer_id(
    name: str,
    num_layers: int,
    depths: tuple[int, ...],
    prefix: str,
    *,
    stages: str = "stages",
    downsample: Literal["after", "before", "behind"] = "after",
) -> Formula:
    """``downsample``: with the last block of its stage, with that of the stage before, or with its stage's first."""
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own.startswith("patch_embed"):
        return by_name(f"{prefix}patch_embed*", "0", "0", 0)
    if parts[0] != stages:
        return with_the_head(num_layers)
    stage = index_part(name, parts, 1, "stage")
    if not 0 <= stage < len(depths):
        raise outside(name, "stage", stage, len(depths))
    stage_pattern = f"{prefix}{stages}.{stage}"
    if parts[2:3] == ["downsample"]:
        if downsample == "before":
            return _summed(f"{stage_pattern}.downsample", "blocks_before", depths[:stage])
        if downsample == "behind":
            return _first_block(f"{stage_pattern}.downsample", sum(depths[:stage]))
        return _summed(f"{stage_pattern}.downsample", "blocks_so_far", depths[: stage + 1])
    block = index_part(name, parts, 3, "block")
    if not 0 <= block < depths[stage]:
        raise outside(name, "block", block, depths[stage])
    before = sum(depths[:stage])
    return by_name(
        f"{stage_pattern}.{parts[2]}.<block>",
        "blocks_before + block + 1",
        f"{before} + {block} + 1",
        before + block + 1,
        {"blocks_before": before, "block": block},
    )


def placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """``norm<i>``, behind stage i, goes with that stage's last block, ``norm`` with the last one of all."""
    found = re.match(rf"{re.escape(prefix)}norm(\d*)\.", name, re.ASCII)
    stage = int(found.group(1) or len(depths) - 1) if found else -1
    if not found or not 0 <= stage < len(depths):
        return with_the_stem(name, prefix)
    return _summed(f"{prefix}norm{found.group(1)}", "blocks_so_far", depths[: stage + 1])


def _first_block(pattern: str, before: int) -> Formula:
    return by_name(pattern, "blocks_before + 1", f"{before} + 1", before + 1, {"blocks_before": before})


def _summed(pattern: str, symbol: str, depths: tuple[int, ...]) -> Formula:
    blocks = sum(depths)
    return by_name(pattern, symbol, " + ".join(map(str, depths)) or "0", blocks, {symbol: blocks})


def _depths(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    return blocks_per_stage(names, rf"{re.escape(prefix)}stages\.(\d+)\.blocks\.(\d+)\.")


def _timm_depths(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    return blocks_per_stage(names, rf"{re.escape(prefix)}layers\.(\d+)\.blocks\.(\d+)\.")


FAMILY = Family(
    name="swin",
    classes=ClassNames(("SwinTransformer", "SimMIMSwinTransformer")),
    rules={"layer_wise": layer_wise},
    depths=_depths,
    fitting_num_layers=sum,
    placement=placement,
)

V2_FAMILY = Family(
    name="swin-v2",
    classes=ClassNames(("SwinTransformerV2",)),
    rules={"layer_wise": layer_wise_v2},
    depths=_depths,
    fitting_num_layers=sum,
    placement=placement,
)

TIMM_FAMILY = Family(
    name="swin-timm",
    classes=ClassNames(("timm.SwinTransformer", "timm.SwinTransformerV2")),
    rules={"layer_wise": layer_wise_timm},
    depths=_timm_depths,
    fitting_num_layers=sum,
    placement=placement,
)
