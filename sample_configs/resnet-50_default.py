# Faster R-CNN on ResNet-50 as most people start: no paramwise_cfg at all.
# Shows: one group, and the frozen stem and first stage are in it all the same.
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
