# Mask R-CNN on Swin-T with mmengine's default constructor and custom_keys.
# Shows: no layers and no group names, but a group for each tensor; position tables and norms without weight decay.
_base_ = "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py"
