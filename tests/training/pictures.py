"""Generated pictures with one box each, as an mmdet dataset, and tiny detectors to train on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch.utils.data import Dataset

SIZE = 32


@DATASETS.register_module()
class GeneratedPictures(Dataset):
    """A bright square on noise: ``inputs`` of shape (3, 32, 32), uint8, and one box of class 0 or 1."""

    def __init__(self, length: int = 4) -> None:
        self.length = length
        self.metainfo = {"classes": ("light", "dark")}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index >= self.length:
            raise IndexError(index)
        noise = torch.Generator().manual_seed(index)
        picture = torch.randint(0, 64, (3, SIZE, SIZE), generator=noise, dtype=torch.uint8)
        left = 2 + index % 4
        picture[:, left : left + 20, left : left + 20] += 128
        sample = DetDataSample(metainfo={"img_shape": (SIZE, SIZE), "img_id": index})
        boxes = torch.tensor([[left, left, left + 20, left + 20]], dtype=torch.float32)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([index % 2]))
        return {"inputs": picture, "data_samples": sample}


BACKBONES = {
    "convnext": (
        "dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 4, 1], channels=[8, 8, 16, 16]),"
        " out_indices=[1, 2, 3], gap_before_final_norm=False)",
        [8, 16, 16],
    ),
    "swin": (
        "dict(type='SwinTransformer', embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=4,"
        " out_indices=(1, 2, 3), use_abs_pos_embed=True, pretrain_img_size=32)",
        [16, 32, 64],
    ),
}

# FCOS needs no compiled operator to train.
TEXT = """
custom_imports = dict(imports=['mmpretrain.models', 'lrdecay_cli.training', 'tests.training.pictures'])
default_scope = 'mmdet'
model = dict(
    type='FCOS',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[64.0] * 3, std=[64.0] * 3, pad_size_divisor=32),
    backbone={backbone},
    neck=dict(type='FPN', in_channels={channels}, out_channels=8, num_outs=3, add_extra_convs='on_output'),
    bbox_head=dict(
        type='FCOSHead', num_classes=2, in_channels=8, stacked_convs=1, feat_channels=8, strides=[8, 16, 32],
        regress_ranges=((-1, 16), (16, 32), (32, 1e8)), norm_cfg=dict(type='GN', num_groups=2)))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='GeneratedPictures'))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(decay_rate=0.7, custom_keys={{'bbox_head': dict(lr_mult=2.0)}}),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=11)]
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=1),
    param_scheduler=dict(type='ParamSchedulerHook'), checkpoint=dict(type='CheckpointHook', interval=1))
custom_hooks = [dict(type='ParamGroupAuditHook')]
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
randomness = dict(seed=0)
log_level = 'INFO'
work_dir = {work_dir!r}
experiment_name = {name!r}
"""


def detector_config(folder: Path, backbone: str) -> Path:
    """Write a config file into ``folder`` that trains a tiny detector for two epochs of two steps."""
    text, channels = BACKBONES[backbone]
    path = folder / f"{backbone}.py"
    name = f"{folder.name}-{backbone}"
    path.write_text(TEXT.format(backbone=text, channels=channels, work_dir=str(folder / "work"), name=name))
    return path


def loaded(path: Path, name: str, **settings: Any) -> Config:
    """Return the config with ``settings`` merged into it, for a run with its own name."""
    config = Config.fromfile(str(path))
    config.merge_from_dict({"experiment_name": name, **settings})
    return config
