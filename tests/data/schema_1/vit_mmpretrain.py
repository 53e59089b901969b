default_scope = "mmpretrain"
model = dict(
    type="mmpretrain.ImageClassifier",
    backbone=dict(
        type="mmpretrain.VisionTransformer",
        img_size=32,
        patch_size=16,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8),
    ),
    head=dict(type="mmpretrain.VisionTransformerClsHead", in_channels=8, num_classes=2),
)
optim_wrapper = dict(
    constructor="mmpretrain.LearningRateDecayOptimWrapperConstructor",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay_rate=0.6, flat_decay_mult=0.0, custom_keys={".cls_token": dict(decay_mult=0.0)}),
)
train_cfg = dict(by_epoch=True, max_epochs=3)
