"""Layer ids of InternImage: four levels of blocks after a patch embedding.

Source: InternImage (OpenGVLab/InternImage, 2025-03), ``custom_layer_decay_optimizer_constructor.py`` in
``detection/mmcv_custom/``. One difference: in lrdecay, the norm after a level has the layer id of the level's last
block. In the source, this norm has the layer id of the next level's first block.
"""

from __future__ import annotations

import re

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

LEVELS = 4
_BETWEEN = ("downsample", "norm")


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Return the layer id of a parameter. Each block has its own layer id, counted through all levels.

    The modules ``downsample`` and ``norm`` between two levels have the layer id of the next block.

    Raises:
        DecayError: a level or block is outside ``depths``, or an index is missing or not an integer.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own.startswith("patch_embed"):
        return by_name(f"{prefix}patch_embed*", "0", "0", 0)
    if parts[0] != "levels":
        return with_the_head(num_layers)
    level = index_part(name, parts, 1, "level")
    if not 0 <= level < len(depths):
        raise outside(name, "level", level, len(depths))
    if parts[2:3] and parts[2] in _BETWEEN:
        before = depths[: min(level + 1, LEVELS - 1)]
        symbols = " + ".join(map(str, (*before, 1)))
        inputs = {"blocks_so_far": sum(before)}
        return by_name(f"{prefix}levels.{level}.{parts[2]}", "blocks_so_far + 1", symbols, sum(before) + 1, inputs)
    block, before = index_part(name, parts, 3, "block"), depths[:level]
    if not 0 <= block < depths[level]:
        raise outside(name, "block", block, depths[level])
    symbols = " + ".join(map(str, (*before, block, 1)))
    inputs = {"blocks_before": sum(before), "block": block}
    pattern = f"{prefix}levels.{level}.{parts[2]}.<block>"
    return by_name(pattern, "blocks_before + block + 1", symbols, sum(before) + block + 1, inputs)


def placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the layer id of the norm after a level: the id of the level's last block.

    Tokens and position embeddings get the stem's layer id. For all other names, the result is None.
    """
    found = re.match(rf"{re.escape(prefix)}levels\.(\d+)\.norm\.", name, re.ASCII)
    if found is None or int(found[1]) >= len(depths):
        return with_the_stem(name, prefix)
    ending = depths[: int(found[1]) + 1]
    symbols, inputs = " + ".join(map(str, ending)), {"blocks_so_far": sum(ending)}
    return by_name(f"{prefix}levels.{found[1]}.norm", "blocks_so_far", symbols, sum(ending), inputs)


FAMILY = Family(
    name="internimage",
    classes=ClassNames(("InternImage",)),
    rules={"layer_wise": layer_wise},
    depths=depths_by(r"levels\.(\d+)\.blocks\.(\d+)\."),
    fitting_num_layers=sum,
    placement=placement,
    stages=LEVELS,
)
