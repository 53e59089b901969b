"""Rule LRD204: layer-gap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, Held, RuleContext, integers, rate, rule

_PLUGIN = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StageDecay(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        groups = {}
        head = self.paramwise_cfg['head']
        for name, tensor in module.named_parameters():
            parts = name.split('.')
            layer = int(parts[2]) + 1 if parts[1] in ('stages', 'downsample_layers') else head
            scale = self.paramwise_cfg['decay_rate'] ** (head - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())
"""


@rule(
    "LRD204",
    "layer-gap",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='StageDecay', paramwise_cfg=dict(_delete_=True, decay_rate=0.7, head=6))",
        _PLUGIN,
    ),
    good=Example(
        "optim_wrapper = dict(constructor='StageDecay', paramwise_cfg=dict(_delete_=True, decay_rate=0.7, head=5))",
        _PLUGIN,
    ),
    yields_to=("LRD202", "LRD203", "LRD205", "LRD206", "LRD208", "LRD301"),
)
def layer_gap(context: RuleContext) -> Iterator[Fault]:
    """Neighbouring layers are several steps of the decay apart.

    Each layer should train a little slower than the one above it. Where layer ids are left out, everything below the
    gap loses as many factors, and often trains so slowly that it is as good as frozen.

    It happens when ids are counted for another depth than the backbone's, or when the head is put a few ids too high.
    """
    # A fault for each gap, with what is below it: told by layer ids, else by the rates of neighbouring blocks.
    if context.constructor == MMENGINE_DEFAULT:
        return
    layers = _by_layer(context)
    if len(layers) > 2:
        yield from _gaps_in_ids(context, layers)
    else:
        yield from _cliffs(context)


def _by_layer(context: RuleContext) -> dict[int, list[Held]]:
    layers: dict[int, list[Held]] = {}
    for held in (*context.backbone.held, *context.backbone.others):
        if held.group.layer_id is not None:
            layers.setdefault(held.group.layer_id, []).append(held)
    return {layer: layers[layer] for layer in sorted(layers)}


def _gaps_in_ids(context: RuleContext, layers: dict[int, list[Held]]) -> Iterator[Fault]:
    for below, above in pairwise(layers):
        if above - below < 2 or _frozen_between(context, layers[below], layers[above]):
            continue
        low, high = max(one.scale for one in layers[below]), min(one.scale for one in layers[above])
        if math.isclose(low, high, rel_tol=1e-9):
            continue
        missing = integers(range(below + 1, above))
        yield Fault(
            f"no parameter has layer id {missing}: lr scale jumps from {rate(low)} in layer {below} to {rate(high)} in"
            f" layer {above}",
            f"num_layers={below} leaves no gap" if above - 1 == context.num_layers else _REMEDY,
            parameters=[
                one.name
                for layer in layers
                if layer <= below
                for one in layers[layer]
                if one.name.startswith(context.prefix)
            ],
            option=f"{PARAMWISE}.num_layers" if context.num_layers is not None else "",
        )


def _frozen_between(context: RuleContext, below: list[Held], above: list[Held]) -> bool:
    """Whether frozen blocks have the ids that nothing trainable has."""
    low = max((one.block.place for one in below if _in_row(context, one) and one.block), default=(-1,))
    high = min((one.block.place for one in above if _in_row(context, one) and one.block), default=(math.inf,))
    return any(low < index < high for index in context.frozen_blocks)


def _in_row(context: RuleContext, held: Held) -> bool:
    return held.block is not None and held.block.series == context.backbone.main_series


def _cliffs(context: RuleContext) -> Iterator[Fault]:
    """Steps that are much larger than the usual one between blocks that differ."""
    backbone = context.backbone
    rows = list(backbone.blocks.items())
    steps: list[tuple[float, int]] = []
    for place, ((_, lower), (_, upper)) in enumerate(pairwise(rows)):
        low, high = max(one.scale for one in lower), max(one.scale for one in upper)
        if low > 0 and high > low * (1 + 1e-9):
            steps.append((math.log(high / low), place))
    usual = median(step for step, _ in steps) if len(steps) > 2 else math.inf
    for step, place in steps:
        # A whole step more, with room for constructors that skip a little at each stage.
        if step > 1.9 * usual:
            (below, lower), (above, upper) = rows[place], rows[place + 1]
            low, high = max(one.scale for one in lower), max(one.scale for one in upper)
            yield Fault(
                f"lr scale jumps from {rate(low)} in {backbone.block_name(below)} to {rate(high)} in"
                f" {backbone.block_name(above)}; other blocks differ by a factor of {rate(math.exp(usual))}",
                _REMEDY,
                parameters=[one.name for _, row in rows[: place + 1] for one in row],
            )


_REMEDY = "number the layers in a row, from the stem to the head, without leaving ids out"
