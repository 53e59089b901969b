"""Configs and plugins for tests of rules 1xx to 3xx: one decay constructor with options for every mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from tests.rules.examples import built

COVERAGE_LAYERS_AND_RATES = tuple(rule for rule in RULES if rule.code < "LRD4")

DECAY = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PlainDecay(DefaultOptimWrapperConstructor):
    '''Layer-wise decay of a plain transformer, groups of the head first; each option but the first two is a mistake.'''

    def add_params(self, params, module, **kwargs):
        cfg = self.paramwise_cfg
        top = cfg['num_layers'] + cfg.get('head', 1)
        named = list(module.named_parameters())
        groups = {}
        for name, tensor in named if cfg.get('stem_first') else named[::-1]:
            if not tensor.requires_grad and not cfg.get('keep_frozen') or name.startswith(cfg.get('drop', 'none')):
                continue
            layer = self.layer(name, top)
            scale = cfg[cfg.get('rate_is', 'decay_rate')] ** (top - layer)
            if name.startswith(cfg.get('still', 'none')):
                scale = 0.0
            key = name if cfg.get('split') else (layer, scale)
            group = groups.setdefault(key, dict(params=[], lr=scale * self.base_lr, lr_scale=scale, layer_id=layer))
            if cfg.get('without_ids'):
                group.pop('layer_id', None)
            if cfg.get('scale_only'):
                group.pop('lr', None)
            elif name.startswith(cfg.get('times', ('none', 1))[0]):
                group['lr'] = scale * self.base_lr * cfg['times'][1]
            group['params'].append(tensor)
        params.extend(groups.values())
        if cfg.get('twice'):
            params[0]['params'].append(params[0]['params'][0])
        if cfg.get('foreign'):
            params[0]['params'].append(nn.Parameter(named[0][1].detach().clone()))

    def layer(self, name, top):
        cfg = self.paramwise_cfg
        own = name.removeprefix(cfg.get('prefix', 'backbone.'))
        first, *rest = own.split('.')
        if own == name or first in cfg.get('unknown', ()):
            return top
        if first in ('layers', 'blocks'):
            block = int(rest[0])
            return cfg.get('ids', {}).get(f'b{block}', block + 1)
        return top if first in ('ln1', 'ln2') else cfg.get('stem', 0)
"""

TRANSFORMER = """\
from mmengine.model import BaseModel
from mmengine.registry import MODELS, OPTIM_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import OptimWrapperDict, OptimWrapper
from mmpretrain.models import ConvNeXt, VisionTransformer
from torch import nn, optim
import torch

@MODELS.register_module()
class WithRegisters(VisionTransformer):
    '''With register tokens, as DINOv2 has them; `placed`: the backbone says that they belong to the stem.'''

    def __init__(self, placed=False, **kwargs):
        super().__init__(**kwargs)
        self.placed = placed
        self.register_tokens = nn.Parameter(torch.zeros(1, 4, 8))

    def get_layer_depth(self, param_name, prefix=''):
        if self.placed and param_name == prefix + 'register_tokens':
            return 0, self.num_layers + 2
        return super().get_layer_depth(param_name, prefix)

@MODELS.register_module()
class Outer(BaseModel):
    '''Holds a model under another name.'''

    def __init__(self, parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, MODELS.build(part))

    def forward(self, *args, **kwargs):
        raise NotImplementedError

@MODELS.register_module()
class ConvNeXtOfBlocks(ConvNeXt):
    '''Named otherwise than mmdet's rules expect.'''

    def __init__(self, renamed=True, **kwargs):
        super().__init__(**kwargs)
        if renamed:
            self.blocks = self._modules.pop('stages')

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TwoOptimizers:
    '''One optimizer for the backbone, one for the head, which may hold the backbone's stem as well.'''

    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.both = paramwise_cfg['both']

    def __call__(self, model):
        head = [*model.head.parameters(), *(model.backbone.patch_embed.parameters() if self.both else ())]
        parts = dict(backbone=model.backbone.parameters(), head=head)
        return OptimWrapperDict(**{name: OptimWrapper(optim.SGD(held, lr=0.1)) for name, held in parts.items()})
"""

PLUGIN = DECAY + TRANSFORMER


def vit(constructor: str, options: Mapping[str, Any] | None, *, layers: int = 4, **backbone: Any) -> Example:
    """Return a tiny plain transformer, or another ``backbone``, with a constructor and its ``paramwise_cfg``."""
    arch = dict(embed_dims=8, num_layers=layers, num_heads=2, feedforward_channels=16)
    usual = dict(type="VisionTransformer", arch=arch, patch_size=16, out_type="avg_featmap")
    given = dict(_delete_=True) | ({} if {"arch", "depth"} & backbone.keys() else usual) | backbone
    paramwise = None if options is None else dict(_delete_=True) | dict(options)
    return Example(
        f"model = dict(backbone={given!r}, head=dict(in_channels=8))\n"
        f"optim_wrapper = dict(constructor={constructor!r}, paramwise_cfg={paramwise!r})",
        PLUGIN,
    )


def plain_decay(num_layers: int = 4, decay_rate: float = 0.7, layers: int = 4, **mistakes: Any) -> Example:
    """Return four layers with a decay for which rules 1xx to 3xx report only findings of ``mistakes``."""
    backbone = mistakes.pop("backbone", {})
    return vit("PlainDecay", dict(num_layers=num_layers, decay_rate=decay_rate, **mistakes), layers=layers, **backbone)


def convnext(
    depths: list[int], num_layers: int = 6, rate: float = 0.7, kind: str = "layer_wise", **more: Any
) -> Example:
    """Return a tiny ConvNeXt with MMDetection's decay."""
    channels = [4 * 2**stage for stage in range(len(depths))]
    backbone = dict(arch=dict(depths=depths, channels=channels)) | more
    return Example(
        f"model = dict(backbone={backbone!r}, head=dict(in_channels={channels[-1]}))\n"
        f"optim_wrapper = dict(paramwise_cfg=dict(num_layers={num_layers}, decay_rate={rate}, decay_type={kind!r}))",
        PLUGIN,
    )


def wrapped(name: str, prefix: str) -> Example:
    """Return the transformer inside another model, with the plain decay and the ``prefix`` of the backbone."""
    arch = dict(embed_dims=8, num_layers=4, num_heads=2, feedforward_channels=16)
    backbone = dict(type="VisionTransformer", arch=arch, patch_size=16, out_type="avg_featmap")
    head = dict(type="LinearClsHead", num_classes=2, in_channels=8)
    inner = dict(type="Outer", parts=dict(backbone=backbone, head=head))
    parts = {name: backbone, "head": head} if name.endswith("backbone") else {name: inner}
    options = dict(_delete_=True, num_layers=4, decay_rate=0.7, prefix=prefix)
    return Example(
        f"model = dict(_delete_=True, type='Outer', parts={parts!r})\n"
        f"optim_wrapper = dict(constructor='PlainDecay', paramwise_cfg={options!r})",
        PLUGIN,
    )


MMPRETRAIN = "LearningRateDecayOptimWrapperConstructor"
ALL_STAGES = dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False)
SWIN = dict(arch=dict(embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 1, 1]), patch_size=4)
HIVIT = dict(type="HiViT", arch=dict(embed_dims=32, depths=[1, 1, 4], num_heads=2))
SGD = "optim_wrapper = dict(_delete_=True, optimizer=dict(type='SGD', lr=2e-4, weight_decay=1e-4), "


def default(options: str, **backbone: object) -> Example:
    """Return the tiny ConvNeXt with mmengine's default constructor."""
    return Example(f"model = dict(backbone={backbone!r})\n{SGD}paramwise_cfg={options})")


def mmpretrain(**backbone: object) -> Example:
    """Return a backbone with mmpretrain's decay; the model is never run."""
    return vit(MMPRETRAIN, dict(layer_decay_rate=0.7), **backbone)


def by_layer(*slow: str) -> Example:
    """Return twelve layers with mmengine's default constructor, in which ``slow`` keys lower the lr."""
    keys = {**{key: dict(lr_mult=0.1) for key in slow}, "backbone.layers.": dict(lr_mult=0.5)}
    return vit("DefaultOptimWrapperConstructor", dict(custom_keys=keys), layers=12)


class Pair(NamedTuple):
    """A wrong config, and the correct config one change away."""

    wrong: Example
    repaired: Example
    code: str
    patterns: Sequence[str]
    """A pattern for exactly the parameters of the finding."""


def findings_in(example: Example) -> tuple[Finding, ...]:
    """Return the findings of the rules on coverage, layers and rates."""
    return findings_of(built(example), COVERAGE_LAYERS_AND_RATES)
