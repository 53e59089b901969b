"""Options that are dead or contradict each other, each with its repaired twin."""

from __future__ import annotations

from tests.rules.wild_configs import (
    DEFAULT,
    EXEMPT,
    LISTED,
    LR_ONLY,
    MMDET,
    MMPRETRAIN,
    NECK,
    SGD,
    TIED,
    WEIGHTS,
    Wild,
    convnext,
    vit,
)

OPTIONS: dict[str, Wild] = {
    "custom_keys beside MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(custom_keys={{'head': dict(lr_mult=10.0)}}))",
        MMDET,
        "LRD501",
        r"head\.fc\..*",
    ),
    "a multiplier that is done anyway": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))",
        MMDET,
        "LRD501",
        "norm_decay_mult",
        "",
        "info",
    ),
    "bias_lr_mult beside MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0))",
        MMDET,
        "LRD501",
        WEIGHTS.replace("weight", "bias"),
    ),
    "decay_rate beside the default constructor": Wild(
        convnext("decay_rate=0.7, num_layers=6, flat_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD501",
        "decay_rate",
    ),
    "decay_rate beside MMPretrain's constructor": Wild(
        vit(f"decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD501",
        "decay_rate",
    ),
    "an option that a constructor of one's own does not read": Wild(
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token'], freeze=2", constructor="NoDecayList"),
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        "LRD501",
        "freeze",
        LISTED,
        "warning",
    ),
    "half of a custom key that a constructor of one's own does not read": Wild(
        convnext("custom_keys=dict(head=dict(lr_mult=10.0, decay_mult=0.0))").replace(DEFAULT, "LrOnly"),
        convnext("custom_keys=dict(head=dict(lr_mult=10.0))").replace(DEFAULT, "LrOnly"),
        "LRD501",
        "custom_keys.head.decay_mult",
        LR_ONLY,
    ),
    "inherited into the default constructor": Wild(
        f"{MMDET}optim_wrapper = dict(constructor='{DEFAULT}', paramwise_cfg=dict(flat_decay_mult=0.0))",
        convnext("flat_decay_mult=0.0"),
        "LRD502",
        "optim_wrapper.paramwise_cfg",
    ),
    "norm_decay_mul": Wild(
        vit(EXEMPT.replace("flat_decay_mult", "flat_decay_mul") + ", norm_decay_mult=0.0, bias_decay_mult=0.0"),
        vit(EXEMPT + ", norm_decay_mult=0.0, bias_decay_mult=0.0"),
        "LRD503",
        "flat_decay_mul",
    ),
    "bypass_duplicates": Wild(
        convnext("flat_decay_mult=0.0, bypass_duplicates=True"),
        convnext("flat_decay_mult=0.0, bypass_duplicate=True"),
        "LRD503",
        "bypass_duplicates",
    ),
    "decay_multi": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(decay_multi=0.5)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(decay_mult=0.5)}"),
        "LRD504",
        "head.fc.weight",
    ),
    "an option that the optimizer does not have": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(momentum=0.5)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(betas=(0.5, 0.9))}"),
        "LRD504",
        "head.fc.weight",
        "",
        "warning",
    ),
    ".backbone": Wild(
        vit(EXEMPT[:-1] + ", '.backbone': dict(lr_mult=0.1)}"),
        vit(EXEMPT[:-1] + ", 'head.fc.weight': dict(lr_mult=0.1)}"),
        "LRD505",
        "custom_keys['.backbone']",
        "",
        "error",
    ),
    "a glob": Wild(
        vit(EXEMPT[:-1] + ", 'head.*': dict(lr_mult=10.0)}"),
        vit(EXEMPT[:-1] + ", 'head.fc.weight': dict(lr_mult=10.0)}"),
        "LRD505",
        "custom_keys['head.*']",
        "",
        "error",
    ),
    "a name that is almost there": Wild(
        vit(EXEMPT[:-1] + ", 'back_bone': dict(lr_mult=0.1)}"),
        vit(EXEMPT),
        "LRD505",
        "custom_keys.back_bone",
        "",
        "error",
    ),
    "an exemption of what is not there": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'absolute_pos_embed': dict(decay_mult=0.0)}"),
        convnext("flat_decay_mult=0.0"),
        "LRD505",
        "custom_keys.absolute_pos_embed",
        "",
        "info",
    ),
    "backbone shadows norm": Wild(
        convnext("custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0.0)}", SGD),
        convnext("custom_keys={'stages': dict(lr_mult=0.1), 'norm3': dict(decay_mult=0.5)}", SGD),
        "LRD506",
        r"backbone\.(stages\.\d\.\d\.norm|norm\d)\..*",
    ),
    "norms decayed because backbone shadows norm": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'backbone.norm': dict(), 'norm3': dict(decay_mult=0.0)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'backbone.norm3': dict(decay_mult=0.0)}"),
        "LRD506",
        r"backbone\.norm3\..*",
    ),
    "a finer key drops the lr of the coarser one": Wild(
        convnext("custom_keys={'backbone': dict(lr_mult=0.1), 'backbone.norm3': dict(decay_mult=0.5)}", SGD),
        convnext(
            "custom_keys={'backbone': dict(lr_mult=0.1), 'backbone.norm3': dict(lr_mult=0.1, decay_mult=0.5)}", SGD
        ),
        "LRD506",
        r"backbone\.norm3\..*",
    ),
    "equal length goes by alphabet": Wild(
        convnext("custom_keys={'stages.3': dict(lr_mult=0.1), 'backbone': dict(decay_mult=0.5)}", SGD),
        convnext("custom_keys={'stages.3.': dict(lr_mult=0.1, decay_mult=0.5), 'backbone': dict(decay_mult=0.5)}", SGD),
        "LRD506",
        r"backbone\.stages\.3\..*",
    ),
    "backbone switches norm_decay_mult off": Wild(
        convnext("norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(lr_mult=10.0)}"),
        "LRD508 LRD405 LRD402",
        "",
    ),
    "backbone switches flat_decay_mult off": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'stages.3': dict(lr_mult=0.1)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'stages.3.2.pointwise_conv2.weight': dict(lr_mult=0.1)}"),
        "LRD508",
        r"backbone\.stages\.3\.\d\.(.*\.bias|norm\..*|gamma)",
    ),
    "MMPretrain's norm_decay_mult switched off": Wild(
        vit(f"layer_decay_rate=0.75, norm_decay_mult=0.0, {EXEMPT[:-1]}, 'ln1': dict()}}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, norm_decay_mult=0.0, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD508",
        r"backbone\.(layers\.\d\.)?ln1\..*",
    ),
    "bottleneck": Wild(
        "model = dict(head=dict(type='BottleneckHead'), neck=dict(type='OneLinear'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys={'neck': dict(lr_mult=10.0)}"),
        "model = dict(head=dict(type='BottleneckHead'), neck=dict(type='OneLinear'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys={'neck.proj': dict(lr_mult=10.0)}"),
        "LRD507",
        "head.bottleneck.weight",
        NECK,
    ),
    "flat_decay_mult without a weight decay": Wild(
        convnext("flat_decay_mult=0.0", "optim_wrapper['optimizer'] = dict(_delete_=True, type='SGD', lr=0.1)\n"),
        convnext("bias_lr_mult=2.0", "optim_wrapper['optimizer'] = dict(_delete_=True, type='SGD', lr=0.1)\n"),
        "LRD509",
        "flat_decay_mult",
    ),
    "lr_mult in MMPretrain's constructor": Wild(
        vit(f"layer_decay_rate=0.75, {EXEMPT[:-1]}, 'head.fc.weight': dict(lr_mult=10.0)}}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD509",
        "head.fc.weight",
        "",
        "error",
    ),
    "paramwise_cfg at the top": Wild(
        f"{MMDET}paramwise_cfg = dict(custom_keys=dict(head=dict(lr_mult=10.0)))",
        MMDET,
        "LRD510",
        "paramwise_cfg",
        "",
        "error",
    ),
    "optimizer of MMCV 1": Wild(
        f"{MMDET}optimizer = dict(type='SGD', lr=0.02)",
        f"{MMDET}optimizer = dict(type='AdamW', lr=2e-4, weight_decay=0.05)\noptim_wrapper = dict(optimizer=optimizer)",
        "LRD510",
        "optimizer",
        "",
        "warning",
    ),
    "a name that is nearly the Runner's": Wild(
        f"{MMDET}optim_wraper = dict(optimizer=dict(lr=5e-5))",
        f"{MMDET}my_optim_settings = dict(optimizer=dict(lr=5e-5))",
        "LRD510",
        "optim_wraper",
        "",
        "error",
    ),
    "lr_config of MMCV 1": Wild(
        f"{MMDET}lr_config = dict(policy='step', step=[8, 11])", MMDET, "LRD510", "lr_config", "", "warning"
    ),
    "a tied weight by its later name": Wild(
        "model = dict(head=dict(type='TiedHead'))\n"
        + convnext("flat_decay_mult=0.0, bypass_duplicate=True, custom_keys={'later.weight': dict(lr_mult=0.1)}"),
        "model = dict(head=dict(type='TiedHead'))\n"
        + convnext("flat_decay_mult=0.0, bypass_duplicate=True, custom_keys={'first.weight': dict(lr_mult=0.1)}"),
        "LRD511",
        "head.later.weight",
        TIED,
    ),
}
