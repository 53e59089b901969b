# MMDetection's layer-wise decay: Mask R-CNN on ConvNeXt-T, num_layers=6 for depths 3,3,9,3.
# Result: 8 layers, from 0.70 of the base lr at the stem to 1.0 at the head; backbone.norm0..3 train at the head's lr.
_base_ = "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
