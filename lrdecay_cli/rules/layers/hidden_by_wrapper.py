"""Rule LRD207: names-hidden-by-wrapper."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.decay import BACKBONE_PREFIX
from lrdecay_cli.rules.api import OURS, Example, Fault, RuleContext, count, rule

_PLUGIN = """\
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

@MODELS.register_module()
class Student(BaseModel):
    def __init__(self, student):
        super().__init__()
        self.student = MODELS.build(student)

    def forward(self, *args, **kwargs):
        return self.student(*args, **kwargs)

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StageDecay(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        groups = {}
        for name, tensor in module.named_parameters():
            own = name.removeprefix(self.paramwise_cfg['prefix'])
            parts = own.split('.')
            layer = int(parts[1]) + 1 if own != name and parts[0] in ('stages', 'downsample_layers') else 5
            scale = self.paramwise_cfg['decay_rate'] ** (5 - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())
"""
_CONFIG = """\
model = dict(_delete_=True, type='Student', student=dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch=dict(depths=[1, 1, 3, 1], channels=[4, 8, 16, 32])),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32)))
optim_wrapper = dict(constructor='StageDecay', paramwise_cfg=dict(_delete_=True, decay_rate=0.7, prefix='{}'))
"""


@rule(
    "LRD207",
    "names-hidden-by-wrapper",
    severity="error",
    bad=Example(_CONFIG.format("backbone."), _PLUGIN),
    good=Example(_CONFIG.format("student.backbone."), _PLUGIN),
    yields_to=("LRD305",),
)
def names_hidden_by_wrapper(context: RuleContext) -> Iterator[Fault]:
    """A wrapper stands before the backbone's names, so that the constructor does not see a backbone.

    It looks for names that begin with ``backbone.`` (the dot included) and takes everything else for the head: the
    whole backbone trains at the full rate, as if there were no decay.

    It happens to a model inside another one (``student.backbone``), to a second ``.module``, and to detectors that call
    theirs ``img_backbone``.
    """
    # One fault for the whole backbone.
    if context.prefix == BACKBONE_PREFIX or not context.decay_reaches_no_block:
        return
    held = context.backbone.held
    yield Fault(
        f"all {count(len(held), 'tensor')} of the backbone train at the head's rate: their names begin with"
        f" {context.prefix!r}, and {context.constructor_told} looks for {BACKBONE_PREFIX!r}",
        f"use a constructor that can be told so, such as {OURS} with backbone={context.prefix.rstrip('.')!r}",
        parameters=[one.name for one in held],
        option="optim_wrapper.constructor",
    )
