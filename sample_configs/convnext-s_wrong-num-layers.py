# ConvNeXt-S has depths 3,3,27,3 and needs num_layers=12. This config has the num_layers=6 of ConvNeXt-T.
# Result: blocks 15 to 26 of stage 2 train faster than the head, at up to 4.2 times the base lr, without a warning.
_base_ = "convnext-t_layer-wise.py"

model = dict(backbone=dict(arch="small"))
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7, num_layers=6))
