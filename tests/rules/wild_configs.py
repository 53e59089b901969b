"""Configs and plugins for the tables of mistakes."""

from __future__ import annotations

from typing import NamedTuple

MMDET = """\
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', T_max=12, eta_min_ratio=0.01, convert_to_iter_based=True)]
"""
"""MMDetection's decay constructor on ConvNeXt."""

VIT = """\
model = dict(
    backbone=dict(_delete_=True, type='{backbone}', img_size=32, patch_size=16,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)),
    head=dict(in_channels=8))
param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11])]
optim_wrapper = dict(constructor='{constructor}', paramwise_cfg=dict(_delete_=True, {options}))
"""
EXEMPT = "flat_decay_mult=0.0, custom_keys={'.cls_token': dict(decay_mult=0.0), '.pos_embed': dict(decay_mult=0.0)}"
DEFAULT = "DefaultOptimWrapperConstructor"
MMPRETRAIN = "mmpretrain.LearningRateDecayOptimWrapperConstructor"


def vit(options: str, *, constructor: str = DEFAULT, backbone: str = "VisionTransformer", more: str = "") -> str:
    """Return a ViT with the default constructor and these options."""
    return VIT.format(options=options, constructor=constructor, backbone=backbone) + more


def convnext(options: str, more: str = "") -> str:
    """Return a ConvNeXt with the default constructor and these options."""
    return f"{MMDET}optim_wrapper = dict(constructor='{DEFAULT}', paramwise_cfg=dict(_delete_=True, {options}))\n{more}"


REGISTERS = """\
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class RegisterViT(VisionTransformer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.{name} = nn.Parameter(self.cls_token.detach().repeat(1, 4, 1))
"""
TABLES = """\
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class TableViT(VisionTransformer):
    def __init__(self, **settings):
        super().__init__(**settings)
        for layer in self.layers:
            layer.attn.{name} = nn.Parameter(self.cls_token.detach()[0].repeat(9, 1))
"""
RMS = """\
from mmengine.registry import MODELS
import torch
from torch import nn

@MODELS.register_module(force=True)
class RMSNorm(nn.Module):
    def __init__(self, dims, eps=1e-6, **settings):
        super().__init__()
        self.weight = nn.Parameter(nn.LayerNorm(dims).weight.detach())
"""
GRN_4D = """\
from mmpretrain.models import ConvNeXt
from mmpretrain.registry import MODELS
from torch import nn

class ResponseNorm(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.gamma = nn.Parameter(nn.LayerNorm(dims).weight.detach()[None, :, None, None])

@MODELS.register_module(force=True)
class ConvNeXtGRN(ConvNeXt):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.response = ResponseNorm(8)
"""
DROPPING = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class KnownFamilies(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        known = tuple(self.paramwise_cfg['families'])
        for name, parameter in module.named_parameters():
            decayed = parameter.ndim > 1 and name.startswith(known)
            params.append(dict(params=[parameter], weight_decay=self.base_wd if decayed else 0.0))
"""
LISTED = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class NoDecayList(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        exempt = self.paramwise_cfg['no_decay_names']
        for name, parameter in module.named_parameters():
            decayed = parameter.ndim > 1 and name not in exempt
            params.append(dict(params=[parameter], weight_decay=self.base_wd if decayed else 0.0))
"""
LR_ONLY = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class LrOnly(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        keys = self.paramwise_cfg['custom_keys']
        for name, parameter in module.named_parameters():
            mult = next((keys[key]['lr_mult'] for key in keys if key in name), 1.0)
            decay = self.base_wd if parameter.ndim > 1 else 0.0
            params.append(dict(params=[parameter], lr=self.base_lr * mult, weight_decay=decay))
"""
ASKING = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class Asking(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        rate = self.paramwise_cfg.get('stem_rate', 1.0)
        heads = self.paramwise_cfg.get('custom_keys', {}).get('head', {})
        for name, parameter in module.named_parameters():
            mult = heads.get('head_mult', 1.0) if 'head' in name else rate
            decay = self.base_wd if parameter.ndim > 1 else 0.0
            params.append(dict(params=[parameter], lr=self.base_lr * mult, weight_decay=decay))
"""
CONVNEXT_TOKENS = """\
from mmpretrain.models import ConvNeXt
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class ConvNeXtTokens(ConvNeXt):
    def __init__(self, flat, **settings):
        super().__init__(**settings)
        table = nn.Linear(4, 4).weight.detach()
        self.pos_embed = nn.Parameter(table[0] if flat else table)
"""
NECK = """\
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class BottleneckHead(LinearClsHead):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.bottleneck = nn.Linear(4, 4, bias=False)

@MODELS.register_module(force=True)
class OneLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4, bias=False)
"""
TIED = """\
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class TiedHead(LinearClsHead):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.first = nn.Linear(4, 4, bias=False)
        self.later = nn.Linear(4, 4, bias=False)
        self.later.weight = self.first.weight
"""


WEIGHTS = r"backbone\.downsample_layers\.(0\.0|[123]\.1)\.weight|backbone\.stages\..*conv\d?\.weight|head\.fc\.weight"


SGD = "optim_wrapper['optimizer'] = dict(_delete_=True, type='SGD', lr=0.1, weight_decay=1e-4)\n"


class Wild(NamedTuple):
    wrong: str
    repaired: str
    code: str
    """More than one code if one change causes several mistakes."""
    about: str
    """A regular expression for exactly the named parameters; else the option, in full or inside paramwise_cfg."""
    plugin: str = ""
    severity: str = ""
