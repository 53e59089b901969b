"""Swin Transformer and Swin Transformer V2, of mmpretrain and of mmdet: both name their parameters alike.

Source: mmpretrain 1.2.0, ``SwinTransformer.get_layer_depth``. For V2 there is no source: its stages begin with the
downsampling instead of ending with it, so there the downsampling goes with the blocks before it, as it does in V1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lrdecay_cli.decay.depths import blocks_per_stage
from lrdecay_cli.decay.families.interface import BACKBONE_PREFIX, ClassNames, Family
from lrdecay_cli.decay.families.parts import index_part, outside
from lrdecay_cli.domain.provenance import Step


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Step:
    """Layer id by block, counted through the stages; a stage's downsampling shares the id of its last block.

    Raises:
        DecayError: a stage that ``depths`` does not have, a block that its stage does not have, or an index that is
            missing or no integer.
    """
    return _layer_id(name, num_layers, depths, prefix, stage_begins_with_downsample=False)


def layer_wise_v2(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Step:
    """Like :func:`layer_wise`, but a stage's downsampling shares the id of the last block of the stage before.

    Raises:
        DecayError: as :func:`layer_wise`.
    """
    return _layer_id(name, num_layers, depths, prefix, stage_begins_with_downsample=True)


def _layer_id(
    name: str, num_layers: int, depths: tuple[int, ...], prefix: str, *, stage_begins_with_downsample: bool
) -> Step:
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own.startswith("patch_embed"):
        return Step(f"{prefix}patch_embed* -> 0", "0", 0)
    if parts[0] != "stages":
        return Step(
            "everything else -> num_layers + 1", f"{num_layers} + 1", num_layers + 1, {"num_layers": num_layers}
        )
    stage = index_part(name, parts, 1, "stage")
    if not 0 <= stage < len(depths):
        raise outside(name, "stage", stage, len(depths))
    stage_pattern = f"{prefix}stages.{stage}"
    if parts[2:3] == ["downsample"]:
        if stage_begins_with_downsample:
            return _summed(f"{stage_pattern}.downsample -> blocks_before", "blocks_before", depths[:stage])
        return _summed(f"{stage_pattern}.downsample -> blocks_so_far", "blocks_so_far", depths[: stage + 1])
    block = index_part(name, parts, 3, "block")
    if not 0 <= block < depths[stage]:
        raise outside(name, "block", block, depths[stage])
    before = sum(depths[:stage])
    return Step(
        f"{stage_pattern}.{parts[2]}.<block> -> blocks_before + block + 1",
        f"{before} + {block} + 1",
        before + block + 1,
        {"blocks_before": before, "block": block},
    )


def _summed(rule: str, symbol: str, depths: tuple[int, ...]) -> Step:
    blocks = sum(depths)
    return Step(rule, " + ".join(map(str, depths)) or "0", blocks, {symbol: blocks})


def _depths(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    return blocks_per_stage(names, rf"{re.escape(prefix)}stages\.(\d+)\.blocks\.(\d+)\.")


FAMILY = Family(
    name="swin",
    classes=ClassNames(("SwinTransformer", "SimMIMSwinTransformer")),
    rules={"layer_wise": layer_wise},
    depths=_depths,
    fitting_num_layers=sum,
)

V2_FAMILY = Family(
    name="swin-v2",
    classes=ClassNames(("SwinTransformerV2",)),
    rules={"layer_wise": layer_wise_v2},
    depths=_depths,
    fitting_num_layers=sum,
)
