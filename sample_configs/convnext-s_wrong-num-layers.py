# ConvNeXt-S has depths 3,3,27,3 and needs num_layers=12. Here it has the 6 that was meant for ConvNeXt-T.
# Shows: blocks 15 to 26 of stage 2 overflow the head and train at up to 4.2 times the base lr. Nothing warns.
_base_ = "convnext-t_layer-wise.py"

model = dict(backbone=dict(arch="small"))
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7, num_layers=6))
