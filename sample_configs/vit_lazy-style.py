# An image classifier in mmengine's lazy config style, which imports types, with mmpretrain's layer-wise decay.
# Result: the backbone's get_layer_depth returns the layer ids, so they fit any depth; every group has one tensor.
from mmengine.optim import OptimWrapper
from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from mmpretrain.models import ImageClassifier, LinearClsHead, VisionTransformer
from torch.optim import AdamW

default_scope = "mmpretrain"

model = dict(
    type=ImageClassifier,
    backbone=dict(type=VisionTransformer, arch="deit-tiny", img_size=224, patch_size=16, out_type="avg_featmap"),
    neck=None,
    head=dict(type=LinearClsHead, num_classes=10, in_channels=192),
)

optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=1e-3, weight_decay=0.05),
    constructor=LearningRateDecayOptimWrapperConstructor,
    paramwise_cfg=dict(layer_decay_rate=0.75, norm_decay_mult=0.0, flat_decay_mult=0.0),
)
