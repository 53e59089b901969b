"""The only place that imports torch, mmengine, mmcv and mmdet: from a config to the groups that it makes."""
