"""Layer ids of Swin Transformer and Swin Transformer V2. mmpretrain and mmdet use the same parameter names for them.

Source: mmpretrain 1.2.0, ``SwinTransformer.get_layer_depth``, for V1. For V2 there is no source. A stage of V1 ends
with the downsampling, and a stage of V2 begins with the downsampling. In both, the downsampling has the layer id of the
block before it. In timm (1.0.31, ``SwinTransformer.group_matcher``), the stages are called ``layers``. A stage of timm
begins with the downsampling, which has the layer id of the next block. The video Swin of mmaction2 1.2.0 has timm's
parameter names, but the same layer ids as V1.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Literal

from lrdecay_cli.decay.families.interface import (
    BACKBONE_PREFIX,
    ClassNames,
    Family,
    depths_by,
    index_part,
    outside,
    with_the_head,
    with_the_stem,
)
from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.domain.provenance import Formula, by_name


def layer_wise(
    name: str,
    num_layers: int,
    depths: tuple[int, ...] = (),
    prefix: str = BACKBONE_PREFIX,
    *,
    stages: str = "stages",
    downsample: Literal["after", "before", "behind"] = "after",
) -> Formula:
    """Return the layer id of a parameter: the number of its block, counted from 1 through all stages.

    Args:
        name: full parameter name.
        num_layers: number of layers between stem and head.
        depths: blocks per stage.
        prefix: prefix of the backbone's parameter names.
        stages: name of the module with the stages.
        downsample: which block has the same layer id as the downsampling of a stage. ``after``: the last block of the
            same stage. ``before``: the last block of the previous stage. ``behind``: the first block of the same stage.

    Raises:
        DecayError: a stage is outside ``depths``, a block is outside its stage, or an index is missing or not an
            integer.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own.startswith("patch_embed"):
        return by_name(f"{prefix}patch_embed*", "0", "0", 0)
    if parts[0] != stages:
        return with_the_head(num_layers)
    stage = index_part(name, parts, 1, "stage")
    if not 0 <= stage < len(depths):
        raise outside(name, "stage", stage, len(depths))
    stage_pattern, before = f"{prefix}{stages}.{stage}", sum(depths[:stage])
    if parts[2:3] == ["downsample"]:
        pattern = f"{stage_pattern}.downsample"
        if downsample == "before":
            return _summed(pattern, "blocks_before", depths[:stage])
        if downsample == "behind":
            return by_name(pattern, "blocks_before + 1", f"{before} + 1", before + 1, {"blocks_before": before})
        return _summed(pattern, "blocks_so_far", depths[: stage + 1])
    block = index_part(name, parts, 3, "block")
    if not 0 <= block < depths[stage]:
        raise outside(name, "block", block, depths[stage])
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
    """Return the layer id of the norm after a stage (``norm<i>``): the id of the last block in the stage.

    ``norm`` is the norm after the last stage. Tokens and position embeddings get the stem's layer id. The result is
    None for all other names.
    """
    found = re.match(rf"{re.escape(prefix)}norm(\d*)\.", name, re.ASCII)
    stage = int(found.group(1) or len(depths) - 1) if found else -1
    if not found or not 0 <= stage < len(depths):
        return with_the_stem(name, prefix)
    return _summed(f"{prefix}norm{found.group(1)}", "blocks_so_far", depths[: stage + 1])


def _summed(pattern: str, symbol: str, depths: tuple[int, ...]) -> Formula:
    blocks = sum(depths)
    return by_name(pattern, symbol, " + ".join(map(str, depths)) or "0", blocks, {symbol: blocks})


layer_wise_v2 = partial(layer_wise, downsample="before")
layer_wise_timm = partial(layer_wise, stages="layers", downsample="behind")

FAMILY = Family(
    name="swin",
    classes=ClassNames(("SwinTransformer", "SimMIMSwinTransformer")),
    rules={"layer_wise": layer_wise},
    depths=depths_by(r"stages\.(\d+)\.blocks\.(\d+)\."),
    fitting_num_layers=sum,
    placement=placement,
    output_norms=True,
)

V2_FAMILY = replace(
    FAMILY, name="swin-v2", classes=ClassNames(("SwinTransformerV2",)), rules={"layer_wise": layer_wise_v2}
)

TIMM_FAMILY = replace(
    FAMILY,
    name="swin-timm",
    classes=ClassNames(("timm.SwinTransformer", "timm.SwinTransformerV2")),
    rules={"layer_wise": layer_wise_timm},
    depths=depths_by(r"layers\.(\d+)\.blocks\.(\d+)\."),
)

VIDEO_FAMILY = replace(
    TIMM_FAMILY,
    name="swin-3d",
    classes=ClassNames(("SwinTransformer3D",)),
    rules={"layer_wise": partial(layer_wise, stages="layers")},
)
