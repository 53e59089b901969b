"""Rule LRD208: backbone-not-served."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMDET_LAYER_DECAY
from lrdecay_cli.decay import BACKBONE_PREFIX
from lrdecay_cli.rules.api import OURS, Example, Fault, RuleContext, count, rate, rule, span

_PLUGIN = """\
from mmengine.registry import MODELS
from mmpretrain.models import ConvNeXt

@MODELS.register_module()
class PlainConvNeXt(ConvNeXt):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = self._modules.pop('stages')
        self.stem = self._modules.pop('downsample_layers')
"""


@rule(
    "LRD208",
    "backbone-not-served",
    severity="error",
    bad=Example("model = dict(backbone=dict(type='PlainConvNeXt'))", _PLUGIN),
    good=Example("model = dict(backbone=dict(type='ConvNeXt'))", _PLUGIN),
    yields_to=("LRD305",),
)
def backbone_not_served(context: RuleContext) -> Iterator[Fault]:
    """The constructor does not know the names of this backbone's blocks, so that none of them decays.

    All of them train at the head's rate, whatever the decay rate says: pretrained features are lost early, and nothing
    warns.

    MMDetection's constructor serves every class with ``ConvNeXt`` in its name, whatever its parameters are called, and
    knows four stages; mmpretrain's asks the backbone, and HiViT's answer looks for ``layers`` where it has ``blocks``.
    """
    # One fault for all blocks, where they train with the head or cannot be told apart.
    if context.constructor == MMDET_LAYER_DECAY and len(context.depths) == 1 and context.depths[0] > 1:
        yield _all_alike(context)
    if context.prefix != BACKBONE_PREFIX or not context.decay_reaches_no_block:
        return
    backbone = context.backbone
    held = [one for row in backbone.blocks.values() for one in row] or backbone.held
    kind = context.group_map.model.backbone or "backbone"
    named = (
        f" are called {backbone.block_name(next(iter(backbone.blocks)))} and the like, and" if backbone.blocks else ""
    )
    blocks = f"the {count(len(backbone.blocks), 'block')} of this {kind}" if backbone.blocks else f"this {kind}"
    yield Fault(
        f"{blocks}{named} train at the head's rate, lr scale {rate(backbone.head_scale or 1)}:"
        f" {context.constructor_told} knows no layers of such names",
        f"use a constructor that knows them, such as {OURS}",
        parameters=[one.name for one in held],
        option="optim_wrapper.constructor",
    )


def _all_alike(context: RuleContext) -> Fault:
    held = [one for row in context.backbone.blocks.values() for one in row]
    kind = context.group_map.model.backbone or "backbone"
    return Fault(
        f"all {context.depths[0]} blocks of this {kind} have lr scale {span(one.scale for one in held)}: it has one"
        f" stage, and {context.constructor_told} gives the first stage one layer id",
        f"use a constructor that decays a single stage by its blocks, such as {OURS}",
        parameters=[one.name for one in held],
        option="optim_wrapper.constructor",
        severity="warning",
    )
