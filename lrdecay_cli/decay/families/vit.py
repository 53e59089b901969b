"""Plain vision transformers: one row of blocks behind a patch embedding.

Source: mmpretrain 1.2.0, ``VisionTransformer.get_layer_depth``. Beyond it, blocks may be called ``blocks``
(timm, ViTDet, HiViT) as well as ``layers``. For HiViT this differs from mmpretrain, whose function looks for ``layers``
where HiViT has ``blocks`` and so decays nothing but the stem.
"""

from __future__ import annotations

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

# Whole names, since a name with "ViT" or "VisionTransformer" in it often is no plain one: LeViT, T2T_ViT, MobileViT,
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
    )
)


def layer_wise(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
    """Layer id by block, one each. What is neither stem nor block, such as a mask token, goes with the head.

    Raises:
        DecayError: a block index that is missing, no integer, or outside 0 to ``num_layers - 1``.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    parts = own.split(".")
    if own in TOKENS:
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
    """Every token and the norm before the blocks go with the stem, the norms behind the blocks with the last one."""
    module = name.removeprefix(prefix).partition(".")[0] if name.startswith(prefix) else ""
    if module in NORMS_BEFORE:
        return by_name(f"{prefix}{module}", "0", "0", 0)
    if module in NORMS_BEHIND:
        return by_name(f"{prefix}{module}", "num_layers", f"{num_layers}", num_layers, {"num_layers": num_layers})
    return with_the_stem(name, prefix)


FAMILY = Family(
    name="vit",
    classes=CLASSES,
    rules={"layer_wise": layer_wise},
    depths=depths_by(rf"(?:{'|'.join(ROWS)})\.(\d+)\."),
    fitting_num_layers=sum,
    placement=placement,
)
