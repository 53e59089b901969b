"""Mistakes in weight decay, each with its corrected version."""

from __future__ import annotations

from tests.rules.wild_configs import (
    CONVNEXT_TOKENS,
    DEFAULT,
    DROPPING,
    EXEMPT,
    GRN_4D,
    LISTED,
    MMDET,
    MMPRETRAIN,
    REGISTERS,
    RMS,
    TABLES,
    WEIGHTS,
    Wild,
    convnext,
    vit,
)

WEIGHT_DECAY: dict[str, Wild] = {
    "norms decayed beside exempt biases": Wild(
        vit("bias_decay_mult=0.0, custom_keys={'_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}"),
        vit(EXEMPT),
        "LRD401",
        r"backbone\..*ln\d\.weight",
    ),
    "custom norm that norm_decay_mult does not know": Wild(
        vit(
            "norm_decay_mult=0.0, bias_decay_mult=0.0,"
            " custom_keys={'_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}",
            more="model['neck'] = dict(type='RMSNorm', dims=8)\n",
        ),
        vit(EXEMPT, more="model['neck'] = dict(type='RMSNorm', dims=8)\n"),
        "LRD401",
        "neck.weight",
        RMS,
    ),
    "GRN with dimensions of 1": Wild(
        "model = dict(backbone=dict(type='ConvNeXtGRN'))\n" + convnext("norm_decay_mult=0.0, flat_decay_mult=0.0"),
        "model = dict(backbone=dict(type='ConvNeXtGRN'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys=dict(response=dict(decay_mult=0.0))"),
        "LRD401",
        "backbone.response.gamma",
        GRN_4D,
    ),
    "in_proj_bias and the like": Wild(
        vit(
            "norm_decay_mult=0.0, custom_keys={'.cls_token': dict(decay_mult=0.0), '.pos_embed': dict(decay_mult=0.0),"
            " 'ffn': dict(decay_mult=0.0)}"
        ),
        vit(EXEMPT),
        "LRD402",
        r".*(projection|qkv|proj|fc)\.bias",
    ),
    "position embedding": Wild(
        vit("flat_decay_mult=0.0, custom_keys={'.cls_token': dict(decay_mult=0.0)}"),
        vit(EXEMPT),
        "LRD403",
        "backbone.pos_embed",
    ),
    "relative position table": Wild(
        vit(EXEMPT, backbone="TableViT"),
        vit(EXEMPT[:-1] + ", 'rel_pos_table': dict(decay_mult=0.0)}", backbone="TableViT"),
        "LRD403",
        r"backbone\.layers\.\d\.attn\.rel_pos_table",
        TABLES.format(name="rel_pos_table"),
    ),
    "reg_token": Wild(
        vit(EXEMPT, backbone="RegisterViT"),
        vit(EXEMPT[:-1] + ", 'reg_token': dict(decay_mult=0.0)}", backbone="RegisterViT"),
        "LRD404",
        "backbone.reg_token",
        REGISTERS.format(name="reg_token"),
    ),
    "register_tokens under MMPretrain's constructor": Wild(
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN, backbone="RegisterViT"),
        vit(
            f"layer_decay_rate=0.75, {EXEMPT[:-1]}, 'register_tokens': dict(decay_mult=0.0)}}",
            constructor=MMPRETRAIN,
            backbone="RegisterViT",
        ),
        "LRD404",
        "backbone.register_tokens",
        REGISTERS.format(name="register_tokens"),
    ),
    "gammas": Wild(
        convnext("norm_decay_mult=0.0, bias_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD405",
        r"backbone\.stages\..*\.gamma",
    ),
    "pos_embed compared with backbone.pos_embed": Wild(
        f"{MMDET}model = dict(backbone=dict(type='ConvNeXtTokens', flat=False))",
        f"{MMDET}model = dict(backbone=dict(type='ConvNeXtTokens', flat=True))",
        "LRD406",
        "backbone.pos_embed",
        CONVNEXT_TOKENS,
    ),
    "list of a constructor of one's own": Wild(
        vit("no_decay_names=['pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        "LRD406",
        "backbone.pos_embed",
        LISTED,
    ),
    "all of the model at 0": Wild(
        convnext("families=['stages.']").replace(DEFAULT, "KnownFamilies"),
        convnext("families=['backbone.', 'head.']").replace(DEFAULT, "KnownFamilies"),
        "LRD407",
        WEIGHTS,
        DROPPING,
    ),
    "a head that the constructor does not know": Wild(
        convnext("families=['backbone.']").replace(DEFAULT, "KnownFamilies"),
        convnext("families=['backbone.', 'head.']").replace(DEFAULT, "KnownFamilies"),
        "LRD407",
        "head.fc.weight",
        DROPPING,
        "warning",
    ),
    "a key that is in every name": Wild(
        convnext("custom_keys={'weight': dict(decay_mult=0.0), 'gamma': dict(decay_mult=0.0)}, flat_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD407",
        WEIGHTS,
    ),
    "no weight decay for MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1))",
        f"{MMDET}optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, weight_decay=1e-4))",
        "LRD408",
        WEIGHTS,
    ),
}
