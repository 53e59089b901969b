"""The only package that imports torch, mmengine, mmcv and mmdet: builds a config's model and parameter groups."""
