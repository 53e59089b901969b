default_scope = "mmpretrain"
model = dict(
    type="mmpretrain.ImageClassifier",
    backbone=dict(
        type="mmpretrain.ConvNeXt",
        arch=dict(depths=[1, 1, 4, 1], channels=[4, 4, 4, 8]),
        out_indices=(0, 3),
        gap_before_final_norm=False,
        frozen_stages=1,
    ),
    head=dict(type="mmpretrain.LinearClsHead", in_channels=8, num_classes=2),
)
optim_wrapper = dict(
    constructor="mmdet.LearningRateDecayOptimizerConstructor",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(decay_rate=0.7, decay_type="layer_wise", num_layers=6),
)
param_scheduler = [dict(type="CosineAnnealingLR", T_max=3)]
train_cfg = dict(by_epoch=True, max_epochs=3)
