"""Rule LRD201: backbone-at-head-rate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Backbone,
    Example,
    Fault,
    Held,
    RuleContext,
    count,
    in_its_place,
    rate,
    rule,
    span,
    verb,
)

_NORM = re.compile(r"(?:^|[._])(?:norm|ln)\d*\.(?:weight|bias)$", re.ASCII)


_DECAY = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class BlockDecay(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        groups = {}
        for name, tensor in module.named_parameters():
            layer = self.layer(name)
            scale = self.paramwise_cfg['decay_rate'] ** (5 - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())

    def layer(self, name):
        parts = name.split('.')
        if parts[0] != 'backbone' or parts[1].startswith('norm') and not self.paramwise_cfg['with_norms']:
            return 5
        return int(parts[1][4:] or parts[2]) + 1 if parts[1].startswith('norm') else int(parts[2]) + 1
"""


def _example(with_norms: bool) -> Example:
    return Example(
        "model = dict(backbone=dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False))\n"
        f"optim_wrapper = dict(constructor='BlockDecay', paramwise_cfg=dict(with_norms={with_norms}))",
        _DECAY,
    )


@rule(
    "LRD201",
    "backbone-at-head-rate",
    severity="warning",
    bad=Example("model = dict(backbone=dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False))"),
    good=_example(with_norms=True),
    yields_to=("LRD207", "LRD208", "LRD303", "LRD305"),
)
def backbone_at_head_rate(context: RuleContext) -> Iterator[Fault]:
    """Parameters of the backbone train at the head's rate, while the rest of the backbone decays.

    They are pretrained and meant to move slowly, but their names are none that the constructor knows, and what it does
    not know it takes for the head: tokens, position embeddings, the norms behind the stages. They move up to a hundred
    times faster than the layers around them.

    MMDetection's constructor does so to ``backbone.norm0`` to ``norm3`` of ConvNeXt, mmpretrain's to register and mask
    tokens. Only another constructor puts them with their stage. A single norm behind the last block is left alone:
    everybody trains that one with the head.
    """
    # One fault for all parameters outside the blocks that are at the head's rate.
    backbone = context.backbone
    head = backbone.head_scale
    blocks = [held for row in backbone.blocks.values() for held in row]
    slow = [held for held in blocks if head is not None and held.scale < head and not backbone.at_head(held)]
    # Where nothing says that layers decay, a slow part of the backbone may be meant.
    if head is None or not slow or (context.decay_rate is None and len(slow) * 2 < len(backbone.held)):
        return
    fallen = [held for held in backbone.outside_blocks if backbone.at_head(held)]
    behind = _behind_the_blocks(context)
    fallen = [held for held in fallen if held.name not in behind or _is_norm(context, held)]
    named = {_series(held) for held in fallen if not _is_final_norm(backbone, held, behind)}
    fallen = [held for held in fallen if _series(held) in named]
    if not fallen:
        return
    yield Fault(
        f"{count(len(fallen), 'tensor')} of the backbone {verb(len(fallen), 'trains', 'train')} at the head's rate,"
        f" lr scale {rate(head)}; its blocks have {span(held.scale for held in slow)}",
        _remedy(context, fallen),
        parameters=[held.name for held in fallen],
        option=f"{PARAMWISE}.custom_keys" if context.constructor == MMENGINE_DEFAULT else "optim_wrapper.constructor",
    )


def _behind_the_blocks(context: RuleContext) -> set[str]:
    """Names that the backbone registers behind its blocks; the norms, where a checkpoint does not tell the order."""
    held = context.backbone.held
    if not context.group_map.modules:
        return {one.name for one in held if _is_norm(context, one)}
    places = [place for place, one in enumerate(held) if one.block and one.block.series == context.backbone.main_series]
    return {one.name for one in held[places[-1] + 1 :]}


def _series(held: Held) -> str:
    """What a norm shares with those of other stages; else its name."""
    return held.block.series if held.block else held.name


def _is_norm(context: RuleContext, held: Held) -> bool:
    module = context.module(held.name)
    return "norm" in module.traits if module else _NORM.search(held.name) is not None


def _is_final_norm(backbone: Backbone, held: Held, behind: set[str]) -> bool:
    """Whether it is a norm behind all blocks: one without a number, or with that of the last stage."""
    if held.name not in behind:
        return False
    return held.block is None or len(backbone.blocks) == 0 or held.block.place[0] >= _stages(backbone)


def _stages(backbone: Backbone) -> int:
    """Number of the last stage; of a row without stages, where ``ln1`` means no stage, the lowest there can be."""
    deepest = max(backbone.blocks)
    return deepest[0] if len(deepest) > 1 else 0


def _remedy(context: RuleContext, fallen: Sequence[Held]) -> str:
    if context.constructor == MMENGINE_DEFAULT:
        return "give their own custom keys the backbone's lr_mult too"
    modules = list(dict.fromkeys(held.name.removeprefix(context.prefix).partition(".")[0] for held in fallen))
    named = ", ".join(modules[:4]) + (", …" if len(modules) > 4 else "")
    return f"{context.constructor_told} knows no layer for {named}; use {in_its_place(context)}"
