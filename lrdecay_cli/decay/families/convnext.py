"""Layer ids of ConvNeXt, as mmdet's layer-decay constructor computes them.

Source: mmdet 3.3.0, ``mmdet/engine/optimizers/layer_decay_optimizer_constructor.py``. Parameter names that a ConvNeXt
does not have also get the layer ids that mmdet computes. If mmdet's functions fail for a name, the functions here raise
a :class:`DecayError`.
"""

from __future__ import annotations

import re
from dataclasses import replace

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
from lrdecay_cli.domain.provenance import FALLBACK, Formula, arrow, by_name

TOKENS = ("cls_token", "mask_token", "pos_embed")
STAGES = 4
_DOWNSAMPLING_IDS = {0: 0, 1: 2, 2: 3}
_STAGE_IDS = {0: 1, 1: 2}
"""Layer ids of stages 0 and 1. In stage 2, the layer id depends on the block. Stage 3 has layer id ``num_layers``."""


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Return the layer id of a parameter for ``decay_type="layer_wise"``.

    In the long third stage, every three consecutive blocks share one layer id. Each other stage has one layer id.

    Raises:
        DecayError: the stage is not 0 to 3, or a stage or block index is missing or not an integer.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    # No dot after the module names, as in mmdet: backbone.stages_extra.1.2 counts as a stage.
    if own in TOKENS:
        return by_name(name, "0", "0", 0)
    if not own.startswith(("downsample_layers", "stages")):
        return with_the_head(num_layers)
    stage = index_part(name, parts, 1, "stage")
    pattern, ids = f"{prefix}{parts[0]}.{stage}", _DOWNSAMPLING_IDS
    if own.startswith("stages"):
        block = index_part(name, parts, 2, "block")
        pattern, ids = f"{pattern}.<block>", _STAGE_IDS
        if stage == 2:
            return by_name(pattern, "3 + block // 3", f"3 + {block} // 3", 3 + block // 3, {"block": block})
    if stage in ids:
        return by_name(pattern, f"{ids[stage]}", f"{ids[stage]}", ids[stage])
    if stage == STAGES - 1:
        return by_name(pattern, "num_layers", f"{num_layers}", num_layers, {"num_layers": num_layers})
    raise outside(name, "stage", stage, STAGES)


def stage_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Return the layer id of a parameter for ``decay_type="stage_wise"``.

    Each stage has one layer id. All downsampling layers have the stem's layer id.

    Raises:
        DecayError: the stage index is missing or not an integer. Any integer is accepted, as in mmdet.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own in TOKENS:
        return by_name(name, "0", "0", 0)
    if own.startswith("downsample_layers"):
        return by_name(f"{prefix}{parts[0]}", "0", "0", 0)
    if own.startswith("stages"):
        stage = index_part(name, parts, 1, "stage")
        return by_name(f"{prefix}{parts[0]}.<stage>", "stage + 1", f"{stage} + 1", stage + 1, {"stage": stage})
    top = (num_layers + 2) - 1
    return arrow(
        "fallback", FALLBACK, "(num_layers + 2) - 1", f"({num_layers} + 2) - 1", top, {"num_layers": num_layers}
    )


def placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the layer id of the norm after a stage, such as ``norm3``: the layer id of the last block in the stage.

    mmdet gives these norms the head's layer id instead. Tokens and position embeddings get the stem's layer id. For all
    other names, the result is None.
    """
    found = re.match(rf"{re.escape(prefix)}norm(\d+)\.", name, re.ASCII)
    stage = int(found.group(1)) if found else -1
    if not 0 <= stage < len(depths):
        return with_the_stem(name, prefix)
    if decay_type == "stage_wise":
        return by_name(f"{prefix}norm<stage>", "stage + 1", f"{stage} + 1", stage + 1, {"stage": stage})
    of_block = layer_wise(f"{prefix}stages.{stage}.{depths[stage] - 1}", num_layers, depths, prefix)
    assert isinstance(of_block.result, int)
    return by_name(f"{prefix}norm{stage}", of_block.expression, of_block.formula, of_block.result, of_block.inputs)


def _fitting_num_layers(depths: tuple[int, ...]) -> int:
    """Return the ``num_layers`` that fits the depth of the third stage: 6 for 9 blocks, 12 for 27 blocks."""
    blocks = depths[2] if len(depths) > 2 else 0
    return 3 + (blocks - 1) // 3 + 1


FAMILY = Family(
    name="convnext",
    classes=ClassNames(("ConvNeXt",), within=True),
    rules={"layer_wise": layer_wise, "stage_wise": stage_wise},
    depths=depths_by(r"stages\.(\d+)\.(\d+)\."),
    fitting_num_layers=_fitting_num_layers,
    must_fit=False,
    placement=placement,
    stages=STAGES,
    output_norms=True,
)

UNIREPLKNET_FAMILY = replace(FAMILY, name="unireplknet", classes=ClassNames(("UniRepLKNet", "UniRepLKNetBackbone")))
"""UniRepLKNet. Its constructor uses mmdet's layer ids. Source: AILab-CVC/UniRepLKNet, 2025-08."""
