# Faster R-CNN on ResNet-50 with defaults: no paramwise_cfg.
# Result: one group, which also contains the frozen stem and first stage.
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
