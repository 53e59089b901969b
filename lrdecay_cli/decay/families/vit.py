"""Layer ids of plain vision transformers: a single row of blocks after a patch embedding.

Source: mmpretrain 1.2.0, ``VisionTransformer.get_layer_depth``. Blocks are in the module ``layers`` or ``blocks``
(timm, ViTDet, HiViT). mmpretrain's function looks only for ``layers``, so mmpretrain reduces only the lr of HiViT's
stem. For backbones of timm 1.0.31, the layers are those of the backbone's ``group_matcher``. MViT has the layers of
mmaction2 1.2.0's layer-decay constructor, but the norm after each stage has the layer id of this stage. ViT-Adapter's
backbones have the layers of their own constructor. Parameters that the adapter adds have the head's layer id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import pairwise

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

TOKENS = ("cls_token", "pos_embed")
ROWS = ("layers", "blocks")
# As mmpretrain, timm and CLIP call them.
NORMS_BEFORE = ("pre_norm", "norm_pre", "ln_pre")
NORMS_BEHIND = ("ln1", "ln2", "norm", "fc_norm", "ln_post")

# Full names, because a name with "ViT" or "VisionTransformer" often is another architecture: LeViT, T2T_ViT, MobileViT,
# PyramidVisionTransformer.
CLASSES = ClassNames(
    (
        # mmpretrain
        "VisionTransformer",
        "DistilledVisionTransformer",
        "DeiT3",
        "BEiTViT",
        "BEiTPretrainViT",
        "CAEPretrainViT",
        "MAEViT",
        "MFFViT",
        "MILANViT",
        "MaskFeatViT",
        "MoCoV3ViT",
        "ViTEVA02",
        "ViTSAM",
        "HiViT",
        "MAEHiViT",
        "iTPNHiViT",
        # mmdet's ViTDet project, then mmsegmentation
        "ViT",
        "BEiT",
        "MAE",
        # EVA-02's for segmentation, then timm
        "EVA2",
        "Eva",
        "Beit",
        "Hiera",
        "VisionTransformerDistilled",
        "VisionTransformerRelPos",
    )
)


def layer_wise(
    name: str,
    num_layers: int,
    depths: tuple[int, ...] = (),
    prefix: str = BACKBONE_PREFIX,
    *,
    tokens: tuple[str, ...] = TOKENS,
) -> Formula:
    """Return the layer id of a parameter. Each block has its own layer id.

    Parameters outside stem and blocks, such as a mask token, have the head's layer id.

    Raises:
        DecayError: the block index is missing, is not an integer, or is outside 0 to ``num_layers - 1``.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own in tokens:
        return by_name(name, "0", "0", 0)
    if own.startswith("patch_embed"):
        return by_name(f"{prefix}patch_embed*", "0", "0", 0)
    if parts[0] in ROWS:
        block = index_part(name, parts, 1, "block")
        if not 0 <= block < num_layers:
            raise outside(name, "block", block, num_layers)
        return by_name(f"{prefix}{parts[0]}.<block>", "block + 1", f"{block} + 1", block + 1, {"block": block})
    return with_the_head(num_layers)


def placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the layer id of tokens, position embeddings and norms outside the blocks; None for all other names.

    Tokens, position embeddings and the norm before the blocks have the stem's layer id. Norms after the blocks have the
    layer id of the last block.
    """
    module = name.removeprefix(prefix).partition(".")[0] if name.startswith(prefix) else ""
    if module in NORMS_BEFORE:
        return by_name(f"{prefix}{module}", "0", "0", 0)
    if module in NORMS_BEHIND:
        return by_name(f"{prefix}{module}", "num_layers", f"{num_layers}", num_layers, {"num_layers": num_layers})
    return with_the_stem(name, prefix)


def _mvit_depths(names: Iterable[str], prefix: str) -> tuple[int, ...]:
    """Return the number of blocks in each stage of an MViT.

    A stage begins with a block that widens its input. Such a block has a module ``proj``: ``blocks.1.proj.weight``.
    """
    listed = tuple(names)
    blocks = sum(_ROW(listed, prefix))
    matcher = re.compile(rf"{re.escape(prefix)}blocks\.(\d+)\.proj\.", re.ASCII)
    widening = {int(found[1]) for name in listed if (found := matcher.match(name))}
    ends = [0, *sorted(widening - {0}), blocks]
    return tuple(end - start for start, end in pairwise(ends)) if blocks else ()


def mvit_placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the layer id of the norm after a stage (``norm<i>``): the id of the last block in the stage.

    Tokens and position embeddings get the stem's layer id. The result is None for all other names.
    """
    found = re.match(rf"{re.escape(prefix)}norm(\d+)\.", name, re.ASCII)
    if found is None:
        return with_the_stem(name, prefix)
    ending = depths[: int(found[1]) + 1]
    symbols = " + ".join(map(str, ending)) or "0"
    return by_name(f"{prefix}norm<stage>", "blocks_so_far", symbols, sum(ending), {"blocks_so_far": sum(ending)})


def adapter_placement(
    name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
) -> Formula | None:
    """Return the head's layer id for parameters that the adapter adds. For other names, see :func:`placement`."""
    if name.startswith(prefix) and name.removeprefix(prefix).partition(".")[0] in _ADDED:
        return with_the_head(num_layers)
    return placement(name, decay_type, num_layers, depths, prefix)


_ROW = depths_by(rf"(?:{'|'.join(ROWS)})\.(\d+)\.")

FAMILY = Family(
    name="vit",
    classes=CLASSES,
    rules={"layer_wise": layer_wise},
    depths=_ROW,
    fitting_num_layers=sum,
    placement=placement,
)

MVIT_FAMILY = replace(
    FAMILY,
    name="mvit",
    classes=ClassNames(("MViT",)),
    depths=_mvit_depths,
    placement=mvit_placement,
    output_norms=True,
)

_ADDED = ("level_embed", "spm", "interactions", "up", "norm1", "norm2", "norm3", "norm4")

ADAPTER_FAMILY = replace(
    FAMILY,
    name="vit-adapter",
    classes=ClassNames(("ViTAdapter", "BEiTAdapter", "UniPerceiverAdapter")),
    rules={"layer_wise": partial(layer_wise, tokens=(*TOKENS, "mask_token", "visual_embed"))},
    placement=adapter_placement,
    added=_ADDED,
)
