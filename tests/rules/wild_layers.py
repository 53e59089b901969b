"""Layer ids and rates that do not fit the backbone's depth, each with its corrected version."""

from __future__ import annotations

from tests.rules.layer_configs import (
    ALL_STAGES,
    HIVIT,
    SWIN,
    Pair,
    by_layer,
    convnext,
    default,
    mmpretrain,
    plain_decay,
    wrapped,
)

LAYERS: dict[str, Pair] = {
    # Layers beyond the head.
    "overflow-27": Pair(
        convnext([3, 3, 27, 3]),
        convnext([3, 3, 27, 3], 12),
        "LRD301",
        ["backbone.stages.2.{15-26}.*"],
    ),
    "overflow-36": Pair(
        convnext([1, 1, 36, 1], 12),
        convnext([1, 1, 36, 1], 15),
        "LRD301",
        ["backbone.stages.2.{33-35}.*"],
    ),
    "overflow-18": Pair(convnext([2, 2, 18, 2]), convnext([2, 2, 18, 2], 9), "LRD301", ["backbone.stages.2.{15-17}.*"]),
    "overflow-stage-wise": Pair(
        convnext([1, 1, 3, 1], 2, kind="stage_wise"),
        convnext([1, 1, 3, 1], 4, kind="stage_wise"),
        "LRD301",
        ["backbone.stages.3.*"],
    ),
    "overflow-frozen-stem": Pair(
        convnext([3, 3, 27, 3], frozen_stages=1),
        convnext([3, 3, 27, 3], 12, frozen_stages=1),
        "LRD301",
        ["backbone.stages.2.{15-26}.*"],
    ),
    "overflow-custom": Pair(plain_decay(2), plain_decay(4), "LRD301", ["backbone.layers.3.*"]),
    "overflow-without-ids": Pair(
        plain_decay(2, without_ids=True),
        plain_decay(4, without_ids=True),
        "LRD301",
        ["backbone.layers.3.*"],
    ),
    "overflow-by-another-option": Pair(
        plain_decay(2, rate_is="gamma", gamma=0.6),
        plain_decay(4, rate_is="gamma", gamma=0.6),
        "LRD301",
        ["backbone.layers.3.*"],
    ),
    "overflow-rate-1": Pair(
        convnext([3, 3, 27, 3], rate=1.0),
        convnext([3, 3, 27, 3], 12, rate=1.0),
        "LRD203",
        ["backbone.stages.2.{9-26}.*"],
    ),
    # Layers that end at the last stage or the head.
    "too-few-layers": Pair(
        convnext([3, 3, 12, 3]), convnext([3, 3, 12, 3], 7), "LRD203", ["backbone.stages.2.{9-11}.*"]
    ),
    "too-few-layers-head": Pair(
        convnext([3, 3, 15, 3]),
        convnext([3, 3, 15, 3], 8),
        "LRD203",
        ["backbone.stages.2.{9-14}.*"],
    ),
    "too-few-layers-vit": Pair(plain_decay(3), plain_decay(4), "LRD203", ["backbone.layers.3.*"]),
    # Gaps and jumps.
    "gap-tiny-12": Pair(
        convnext([3, 3, 9, 3], 12),
        convnext([3, 3, 9, 3]),
        "LRD203",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "gap-atto": Pair(
        convnext([2, 2, 6, 2]),
        convnext([2, 2, 6, 2], 5),
        "LRD203",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "gap-vit": Pair(
        plain_decay(8),
        plain_decay(4),
        "LRD203",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "gap-three-stages": Pair(
        convnext([3, 3, 9]),
        convnext([3, 3, 9], 5),
        "LRD204",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    "gap-head-too-high": Pair(
        plain_decay(head=3),
        plain_decay(),
        "LRD204",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "gap-in-the-middle": Pair(
        plain_decay(6, ids=dict(b2=5, b3=6)),
        plain_decay(4),
        "LRD203",
        ["backbone.{cls_token,pos_embed}", "backbone.patch_embed.*", "backbone.layers.{0,1}.*"],
    ),
    "gap-mmpretrain": Pair(
        mmpretrain(type="ConvNeXt", arch=dict(depths=[2, 2, 6, 2], channels=[4, 4, 4, 8])),
        mmpretrain(type="ConvNeXt", arch=dict(depths=[2, 2, 9, 2], channels=[4, 4, 4, 8])),
        "LRD204",
        ["backbone.{downsample_layers,stages}.{0-2}.*"],
    ),
    "cliff-without-ids": Pair(
        plain_decay(8, layers=6, without_ids=True, ids=dict(b3=6, b4=7, b5=8)),
        plain_decay(6, layers=6, without_ids=True),
        "LRD204",
        ["backbone.layers.{0-2}.*"],
    ),
    # Stages with a number of layers.
    "stage-wise-6": Pair(
        convnext([3, 3, 9, 3], 6, 0.9, "stage_wise"),
        convnext([3, 3, 9, 3], 4, 0.9, "stage_wise"),
        "LRD206",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    "stage-wise-12": Pair(
        convnext([3, 3, 9, 3], 12, 0.9, "stage_wise"),
        convnext([3, 3, 9, 3], 4, 0.9, "stage_wise"),
        "LRD206",
        ["backbone.{downsample_layers,stages}.*"],
    ),
    # Parameters of the backbone at the head's lr.
    "norms-at-head-rate": Pair(
        convnext([1, 1, 9, 1], **ALL_STAGES),
        convnext([1, 1, 9, 1]),
        "LRD201",
        ["backbone.{norm0,norm1,norm2}.*"],
    ),
    "norms-at-head-rate-overflow": Pair(
        convnext([1, 1, 27, 1], **ALL_STAGES),
        convnext([1, 1, 27, 1], 12),
        "LRD201",
        ["backbone.{norm0,norm1,norm2}.*"],
    ),
    "norms-at-head-rate-stage-wise": Pair(
        convnext([1, 1, 3, 1], 4, kind="stage_wise", **ALL_STAGES),
        convnext([1, 1, 3, 1], 4, kind="stage_wise"),
        "LRD201",
        ["backbone.{norm0,norm1,norm2}.*"],
    ),
    "norms-at-head-rate-two": Pair(
        convnext([1, 1, 9, 1], out_indices=(1, 2), gap_before_final_norm=False),
        convnext([1, 1, 9, 1]),
        "LRD201",
        ["backbone.{norm1,norm2}.*"],
    ),
    "register-tokens": Pair(
        mmpretrain(type="WithRegisters"),
        mmpretrain(type="WithRegisters", placed=True),
        "LRD201",
        ["backbone.register_tokens"],
    ),
    "swin-positions-and-norms": Pair(
        mmpretrain(type="SwinTransformer", use_abs_pos_embed=True, out_indices=(0, 1, 2, 3), **SWIN),
        mmpretrain(type="SwinTransformer", **SWIN),
        "LRD201",
        ["backbone.absolute_pos_embed", "backbone.{norm0,norm1,norm2}.*"],
    ),
    "custom-forgets-tokens": Pair(
        plain_decay(unknown=["cls_token"]),
        plain_decay(),
        "LRD201",
        ["backbone.cls_token"],
    ),
    "custom-key-without-lr": Pair(
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1), downsample_layers=dict(decay_mult=0.0)))"),
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1), downsample_layers=dict(lr_mult=0.1)))"),
        "LRD201",
        ["backbone.downsample_layers.*"],
    ),
    # Names that the constructor does not recognise.
    "student": Pair(
        wrapped("student", "backbone."),
        wrapped("student", "student.backbone."),
        "LRD207",
        ["student.backbone.*"],
    ),
    "img_backbone": Pair(
        wrapped("img_backbone", "backbone."),
        wrapped("img_backbone", "img_backbone."),
        "LRD207",
        ["img_backbone.*"],
    ),
    "hivit-mmpretrain": Pair(
        mmpretrain(**HIVIT),
        mmpretrain(),
        "LRD208",
        ["backbone.blocks.*"],
    ),
    "convnext-of-blocks": Pair(
        convnext([1, 1, 9, 1], type="ConvNeXtOfBlocks"),
        convnext([1, 1, 9, 1], type="ConvNeXtOfBlocks", renamed=False),
        "LRD208",
        ["backbone.blocks.*"],
    ),
    "convnext-of-one-stage": Pair(
        convnext([6], 2, out_indices=-1),
        convnext([1, 1, 9, 1]),
        "LRD208",
        ["backbone.stages.*"],
    ),
    # Order.
    "swapped-blocks": Pair(
        plain_decay(ids=dict(b1=3, b2=2)),
        plain_decay(),
        "LRD205",
        ["backbone.layers.1.*"],
    ),
    "last-block-with-the-head": Pair(
        plain_decay(ids=dict(b3=5)),
        plain_decay(),
        "LRD205",
        ["backbone.layers.3.*"],
    ),
    "key-in-longer-numbers": Pair(
        by_layer("backbone.layers.0", "backbone.layers.1"),
        by_layer("backbone.layers.0.", "backbone.layers.1."),
        "LRD205",
        ["backbone.layers.{10,11}.*"],
    ),
}
