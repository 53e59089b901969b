# Mask R-CNN on Swin-T with mmengine's default constructor and custom_keys.
# Result: one group per tensor, without layer ids and group names; position tables and norms have no weight decay.
_base_ = "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py"
