"""The config that every rule's examples build on: a small real ConvNeXt classifier with MMDetection's decay."""

from lrdecay_cli.constructors.facts import MMDET_LAYER_DECAY

BASE = f"""\
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch=dict(depths=[3, 3, 9, 3], channels=[4, 8, 16, 32])),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32))
optim_wrapper = dict(
    constructor='mmdet.{MMDET_LAYER_DECAY}',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(num_layers=6, decay_rate=0.7, decay_type='layer_wise'))
train_cfg = dict(by_epoch=True, max_epochs=12)
"""
