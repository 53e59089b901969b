# Mask R-CNN on ConvNeXt-T with stage-wise decay: one lr for each stage.
# Result: all downsample layers have the lowest lr; num_layers is still in the exponent, although ids count stages.
_base_ = "convnext-t_layer-wise.py"

optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.9, decay_type="stage_wise", num_layers=6))
