# The same model with one rate per stage.
# Shows: all downsample layers share the lowest rate; num_layers still sets the exponent, although ids count stages.
_base_ = "convnext-t_layer-wise.py"

optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.9, decay_type="stage_wise", num_layers=6))
