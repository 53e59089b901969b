"""Mistakes as people made them, of weight decay, options and schedules: found by what they are about, gone if mended.

Each pair is one change away from one of the clean configs, on which no such rule has anything to say: so that exactly
the codes that are expected come up, and nothing else shouts about the same cause.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from lrdecay_cli.analysis.standing import parameter_names
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import map_of

RULES_HERE = [rule for rule in RULES if rule.code[3] in "456"]

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
    """A ViT under the default constructor, with these options."""
    return VIT.format(options=options, constructor=constructor, backbone=backbone) + more


def convnext(options: str, more: str = "") -> str:
    """A ConvNeXt under the default constructor, with these options."""
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
    """More than one where one change makes several mistakes."""
    about: str
    """A regular expression for just the parameters that are named; else the option, below paramwise_cfg or in full."""
    plugin: str = ""
    severity: str = ""


WILD: dict[str, Wild] = {
    # Weight decay.
    "norms decayed beside exempt biases": Wild(
        vit("bias_decay_mult=0.0, custom_keys={'_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}"),
        vit(EXEMPT),
        "LRD401",
        r"backbone\..*ln\d\.weight",
    ),
    "custom norm that norm_decay_mult does not know": Wild(
        vit(
            "norm_decay_mult=0.0, bias_decay_mult=0.0,"
            " custom_keys={'_token': dict(decay_mult=0.0), 'pos_embed': dict(decay_mult=0.0)}",
            more="model['neck'] = dict(type='RMSNorm', dims=8)\n",
        ),
        vit(EXEMPT, more="model['neck'] = dict(type='RMSNorm', dims=8)\n"),
        "LRD401",
        "neck.weight",
        RMS,
    ),
    "GRN with dimensions of 1": Wild(
        "model = dict(backbone=dict(type='ConvNeXtGRN'))\n" + convnext("norm_decay_mult=0.0, flat_decay_mult=0.0"),
        "model = dict(backbone=dict(type='ConvNeXtGRN'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys=dict(response=dict(decay_mult=0.0))"),
        "LRD401",
        "backbone.response.gamma",
        GRN_4D,
    ),
    "in_proj_bias and the like": Wild(
        vit(
            "norm_decay_mult=0.0, custom_keys={'.cls_token': dict(decay_mult=0.0), '.pos_embed': dict(decay_mult=0.0),"
            " 'ffn': dict(decay_mult=0.0)}"
        ),
        vit(EXEMPT),
        "LRD402",
        r".*(projection|qkv|proj|fc)\.bias",
    ),
    "position embedding": Wild(
        vit("flat_decay_mult=0.0, custom_keys={'.cls_token': dict(decay_mult=0.0)}"),
        vit(EXEMPT),
        "LRD403",
        "backbone.pos_embed",
    ),
    "relative position table": Wild(
        vit(EXEMPT, backbone="TableViT"),
        vit(EXEMPT[:-1] + ", 'rel_pos_table': dict(decay_mult=0.0)}", backbone="TableViT"),
        "LRD403",
        r"backbone\.layers\.\d\.attn\.rel_pos_table",
        TABLES.format(name="rel_pos_table"),
    ),
    "reg_token": Wild(
        vit(EXEMPT, backbone="RegisterViT"),
        vit(EXEMPT[:-1] + ", 'reg_token': dict(decay_mult=0.0)}", backbone="RegisterViT"),
        "LRD404",
        "backbone.reg_token",
        REGISTERS.format(name="reg_token"),
    ),
    "register_tokens under MMPretrain's constructor": Wild(
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN, backbone="RegisterViT"),
        vit(
            f"layer_decay_rate=0.75, {EXEMPT[:-1]}, 'register_tokens': dict(decay_mult=0.0)}}",
            constructor=MMPRETRAIN,
            backbone="RegisterViT",
        ),
        "LRD404",
        "backbone.register_tokens",
        REGISTERS.format(name="register_tokens"),
    ),
    "gammas": Wild(
        convnext("norm_decay_mult=0.0, bias_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD405",
        r"backbone\.stages\..*\.gamma",
    ),
    "pos_embed compared with backbone.pos_embed": Wild(
        f"{MMDET}model = dict(backbone=dict(type='ConvNeXtTokens', flat=False))",
        f"{MMDET}model = dict(backbone=dict(type='ConvNeXtTokens', flat=True))",
        "LRD406",
        "backbone.pos_embed",
        CONVNEXT_TOKENS,
    ),
    "list of a constructor of one's own": Wild(
        vit("no_decay_names=['pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        "LRD406",
        "backbone.pos_embed",
        LISTED,
    ),
    "all of the model at 0": Wild(
        convnext("families=['stages.']").replace(DEFAULT, "KnownFamilies"),
        convnext("families=['backbone.', 'head.']").replace(DEFAULT, "KnownFamilies"),
        "LRD407",
        WEIGHTS,
        DROPPING,
    ),
    "a head that the constructor does not know": Wild(
        convnext("families=['backbone.']").replace(DEFAULT, "KnownFamilies"),
        convnext("families=['backbone.', 'head.']").replace(DEFAULT, "KnownFamilies"),
        "LRD407",
        "head.fc.weight",
        DROPPING,
        "warning",
    ),
    "a key that is in every name": Wild(
        convnext("custom_keys={'weight': dict(decay_mult=0.0), 'gamma': dict(decay_mult=0.0)}, flat_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD407",
        WEIGHTS,
    ),
    "no weight decay for MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1))",
        f"{MMDET}optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, weight_decay=1e-4))",
        "LRD408",
        WEIGHTS,
    ),
    # Options.
    "custom_keys beside MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(custom_keys={{'head': dict(lr_mult=10.0)}}))",
        MMDET,
        "LRD501",
        r"head\.fc\..*",
    ),
    "a multiplier that is done anyway": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))",
        MMDET,
        "LRD501",
        "norm_decay_mult",
        "",
        "info",
    ),
    "bias_lr_mult beside MMDetection's constructor": Wild(
        f"{MMDET}optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0))",
        MMDET,
        "LRD501",
        WEIGHTS.replace("weight", "bias"),
    ),
    "decay_rate beside the default constructor": Wild(
        convnext("decay_rate=0.7, num_layers=6, flat_decay_mult=0.0"),
        convnext("flat_decay_mult=0.0"),
        "LRD501",
        "decay_rate",
    ),
    "decay_rate beside MMPretrain's constructor": Wild(
        vit(f"decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD501",
        "decay_rate",
    ),
    "an option that a constructor of one's own does not read": Wild(
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token'], freeze=2", constructor="NoDecayList"),
        vit("no_decay_names=['backbone.pos_embed', 'backbone.cls_token']", constructor="NoDecayList"),
        "LRD501",
        "freeze",
        LISTED,
        "warning",
    ),
    "half of a custom key that a constructor of one's own does not read": Wild(
        convnext("custom_keys=dict(head=dict(lr_mult=10.0, decay_mult=0.0))").replace(DEFAULT, "LrOnly"),
        convnext("custom_keys=dict(head=dict(lr_mult=10.0))").replace(DEFAULT, "LrOnly"),
        "LRD501",
        "custom_keys.head.decay_mult",
        LR_ONLY,
    ),
    "inherited into the default constructor": Wild(
        f"{MMDET}optim_wrapper = dict(constructor='{DEFAULT}', paramwise_cfg=dict(flat_decay_mult=0.0))",
        convnext("flat_decay_mult=0.0"),
        "LRD502",
        "optim_wrapper.paramwise_cfg",
    ),
    "norm_decay_mul": Wild(
        vit(EXEMPT.replace("flat_decay_mult", "flat_decay_mul") + ", norm_decay_mult=0.0, bias_decay_mult=0.0"),
        vit(EXEMPT + ", norm_decay_mult=0.0, bias_decay_mult=0.0"),
        "LRD503",
        "flat_decay_mul",
    ),
    "bypass_duplicates": Wild(
        convnext("flat_decay_mult=0.0, bypass_duplicates=True"),
        convnext("flat_decay_mult=0.0, bypass_duplicate=True"),
        "LRD503",
        "bypass_duplicates",
    ),
    "decay_multi": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(decay_multi=0.5)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(decay_mult=0.5)}"),
        "LRD504",
        "head.fc.weight",
    ),
    "an option that the optimizer does not have": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(momentum=0.5)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(betas=(0.5, 0.9))}"),
        "LRD504",
        "head.fc.weight",
        "",
        "warning",
    ),
    ".backbone": Wild(
        vit(EXEMPT[:-1] + ", '.backbone': dict(lr_mult=0.1)}"),
        vit(EXEMPT[:-1] + ", 'head.fc.weight': dict(lr_mult=0.1)}"),
        "LRD505",
        "custom_keys['.backbone']",
        "",
        "error",
    ),
    "a glob": Wild(
        vit(EXEMPT[:-1] + ", 'head.*': dict(lr_mult=10.0)}"),
        vit(EXEMPT[:-1] + ", 'head.fc.weight': dict(lr_mult=10.0)}"),
        "LRD505",
        "custom_keys['head.*']",
        "",
        "error",
    ),
    "a name that is almost there": Wild(
        vit(EXEMPT[:-1] + ", 'back_bone': dict(lr_mult=0.1)}"),
        vit(EXEMPT),
        "LRD505",
        "custom_keys.back_bone",
        "",
        "error",
    ),
    "an exemption of what is not there": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'absolute_pos_embed': dict(decay_mult=0.0)}"),
        convnext("flat_decay_mult=0.0"),
        "LRD505",
        "custom_keys.absolute_pos_embed",
        "",
        "info",
    ),
    "backbone shadows norm": Wild(
        convnext("custom_keys={'backbone': dict(lr_mult=0.1), 'norm': dict(decay_mult=0.0)}", SGD),
        convnext("custom_keys={'stages': dict(lr_mult=0.1), 'norm3': dict(decay_mult=0.5)}", SGD),
        "LRD506",
        r"backbone\.(stages\.\d\.\d\.norm|norm\d)\..*",
    ),
    "norms decayed because backbone shadows norm": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'backbone.norm': dict(), 'norm3': dict(decay_mult=0.0)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'backbone.norm3': dict(decay_mult=0.0)}"),
        "LRD506",
        r"backbone\.norm3\..*",
    ),
    "a finer key drops the lr of the coarser one": Wild(
        convnext("custom_keys={'backbone': dict(lr_mult=0.1), 'backbone.norm3': dict(decay_mult=0.5)}", SGD),
        convnext(
            "custom_keys={'backbone': dict(lr_mult=0.1), 'backbone.norm3': dict(lr_mult=0.1, decay_mult=0.5)}", SGD
        ),
        "LRD506",
        r"backbone\.norm3\..*",
    ),
    "equal length goes by alphabet": Wild(
        convnext("custom_keys={'stages.3': dict(lr_mult=0.1), 'backbone': dict(decay_mult=0.5)}", SGD),
        convnext("custom_keys={'stages.3.': dict(lr_mult=0.1, decay_mult=0.5), 'backbone': dict(decay_mult=0.5)}", SGD),
        "LRD506",
        r"backbone\.stages\.3\..*",
    ),
    "backbone switches norm_decay_mult off": Wild(
        convnext("norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'head.fc.weight': dict(lr_mult=10.0)}"),
        "LRD508 LRD405 LRD402",
        "",
    ),
    "backbone switches flat_decay_mult off": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'stages.3': dict(lr_mult=0.1)}"),
        convnext("flat_decay_mult=0.0, custom_keys={'stages.3.2.pointwise_conv2.weight': dict(lr_mult=0.1)}"),
        "LRD508",
        r"backbone\.stages\.3\.\d\.(.*\.bias|norm\..*|gamma)",
    ),
    "MMPretrain's norm_decay_mult switched off": Wild(
        vit(f"layer_decay_rate=0.75, norm_decay_mult=0.0, {EXEMPT[:-1]}, 'ln1': dict()}}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, norm_decay_mult=0.0, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD508",
        r"backbone\.(layers\.\d\.)?ln1\..*",
    ),
    "bottleneck": Wild(
        "model = dict(head=dict(type='BottleneckHead'), neck=dict(type='OneLinear'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys={'neck': dict(lr_mult=10.0)}"),
        "model = dict(head=dict(type='BottleneckHead'), neck=dict(type='OneLinear'))\n"
        + convnext("flat_decay_mult=0.0, custom_keys={'neck.proj': dict(lr_mult=10.0)}"),
        "LRD507",
        "head.bottleneck.weight",
        NECK,
    ),
    "flat_decay_mult without a weight decay": Wild(
        convnext("flat_decay_mult=0.0", "optim_wrapper['optimizer'] = dict(_delete_=True, type='SGD', lr=0.1)\n"),
        convnext("bias_lr_mult=2.0", "optim_wrapper['optimizer'] = dict(_delete_=True, type='SGD', lr=0.1)\n"),
        "LRD509",
        "flat_decay_mult",
    ),
    "lr_mult in MMPretrain's constructor": Wild(
        vit(f"layer_decay_rate=0.75, {EXEMPT[:-1]}, 'head.fc.weight': dict(lr_mult=10.0)}}", constructor=MMPRETRAIN),
        vit(f"layer_decay_rate=0.75, {EXEMPT}", constructor=MMPRETRAIN),
        "LRD509",
        "head.fc.weight",
        "",
        "error",
    ),
    "paramwise_cfg at the top": Wild(
        f"{MMDET}paramwise_cfg = dict(custom_keys=dict(head=dict(lr_mult=10.0)))",
        MMDET,
        "LRD510",
        "paramwise_cfg",
        "",
        "error",
    ),
    "optimizer of MMCV 1": Wild(
        f"{MMDET}optimizer = dict(type='SGD', lr=0.02)",
        f"{MMDET}optimizer = dict(type='AdamW', lr=2e-4, weight_decay=0.05)\noptim_wrapper = dict(optimizer=optimizer)",
        "LRD510",
        "optimizer",
        "",
        "warning",
    ),
    "lr_config of MMCV 1": Wild(
        f"{MMDET}lr_config = dict(policy='step', step=[8, 11])", MMDET, "LRD510", "lr_config", "", "warning"
    ),
    "a tied weight by its later name": Wild(
        "model = dict(head=dict(type='TiedHead'))\n"
        + convnext("flat_decay_mult=0.0, bypass_duplicate=True, custom_keys={'later.weight': dict(lr_mult=0.1)}"),
        "model = dict(head=dict(type='TiedHead'))\n"
        + convnext("flat_decay_mult=0.0, bypass_duplicate=True, custom_keys={'first.weight': dict(lr_mult=0.1)}"),
        "LRD511",
        "head.later.weight",
        TIED,
    ),
    # Schedules, of which test_schedules_against_mmengine.py has more.
    "eta_min above the lowest layers": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=2e-5)",
        f"{MMDET}param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-7)",
        "LRD601",
        r"backbone\.(downsample_layers|stages)\.[01]\..*",
    ),
    "eta_min wakes what lr_mult=0 was to hold": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'downsample_layers.0.0.weight': dict(lr_mult=0.0)}")
        + "param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-8)",
        convnext("flat_decay_mult=0.0, custom_keys={'downsample_layers.0.0.weight': dict(lr_mult=0.0)}"),
        "LRD601",
        "backbone.downsample_layers.0.0.weight",
    ),
    "milestones of a longer schedule": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='MultiStepLR', milestones=[27, 33])",
        f"{MMDET}param_scheduler[1] = dict(type='MultiStepLR', milestones=[8, 11])",
        "LRD603",
        "param_scheduler[1].milestones",
        "",
        "error",
    ),
    "500 epochs of warm-up": Wild(
        f"{MMDET}del param_scheduler[0]['by_epoch']",
        MMDET,
        "LRD605",
        "param_scheduler[0].end",
        "",
        "error",
    ),
    "one lr for all layers": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='OneCycleLR', eta_max=1e-3)",
        MMDET,
        "LRD607",
        ".*",
        "",
        "error",
    ),
}


def judged(config: str, plugin: str, folder: Path) -> tuple[GroupMap, tuple[Finding, ...]]:
    """The map, and what the rules of weight decay, options and schedules find in it."""
    folder.mkdir()
    group_map = map_of(Example(config, plugin), folder)
    return group_map, findings_of(group_map, RULES_HERE)


@pytest.mark.parametrize("wild", WILD.values(), ids=WILD)
def test_found_and_repaired(wild: Wild, tmp_path: Path) -> None:
    group_map, found = judged(wild.wrong, wild.plugin, tmp_path / "wrong")
    assert sorted(finding.code for finding in found) == sorted(wild.code.split()), found
    if wild.about:
        (finding,) = found
        meant = {name for name in parameter_names(group_map) if re.fullmatch(wild.about, name)}
        assert wild.about == finding.option.removeprefix("optim_wrapper.paramwise_cfg.") or meant == {
            *finding.parameters
        }, finding
        assert wild.severity in ("", finding.severity)
    assert judged(wild.repaired, wild.plugin, tmp_path / "repaired")[1] == ()
