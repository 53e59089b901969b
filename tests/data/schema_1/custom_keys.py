default_scope = "mmpretrain"
model = dict(
    type="mmpretrain.ImageClassifier",
    backbone=dict(
        type="mmpretrain.ResNet",
        depth=18,
        stem_channels=4,
        base_channels=4,
        frozen_stages=1,
        out_indices=(3,),
    ),
    head=dict(type="mmpretrain.LinearClsHead", in_channels=32, num_classes=2),
)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_lr_mult=2.0,
        custom_keys={"layer4": dict(lr_mult=0.5), "head": dict(lr=0.3), "layer4.1": dict(decay_mult=2.0)},
    ),
)
train_cfg = dict(by_epoch=True, max_epochs=3)
