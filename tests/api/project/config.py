# The config of the Python API's examples: a small ConvNeXt with MMDetection's layer decay.
default_scope = "mmpretrain"
model = dict(
    type="ImageClassifier",
    backbone=dict(type="ConvNeXt", arch=dict(depths=[3, 3, 9, 3], channels=[4, 8, 16, 32])),
    head=dict(type="LinearClsHead", num_classes=2, in_channels=32),
)
optim_wrapper = dict(
    constructor="mmdet.LearningRateDecayOptimizerConstructor",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(num_layers=6, decay_rate=0.7, decay_type="layer_wise"),
)
train_cfg = dict(by_epoch=True, max_epochs=12)
param_scheduler = [dict(type="MultiStepLR", milestones=[8, 11])]
