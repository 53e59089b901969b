"""Layer ids and rates from the stem to the head: gaps and steps the wrong way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from lrdecay_cli.rules.api import (
    PARAMWISE,
    BackboneTensor,
    Example,
    Fault,
    RuleContext,
    count,
    integers,
    out_of_order,
    rate,
    rule,
    span,
    verb,
)

_PLUGIN = """\
$CONSTRUCTOR
class StageDecay($DEFAULT):
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
_STAGE_DECAY = (
    "optim_wrapper = dict(constructor='StageDecay', paramwise_cfg=dict(_delete_=True, decay_rate=0.7, head={}))"
)


@rule(
    "LRD204",
    "layer-gap",
    severity="warning",
    bad=Example(_STAGE_DECAY.format(6), _PLUGIN),
    good=Example(_STAGE_DECAY.format(5), _PLUGIN),
    yields_to=("LRD202", "LRD203", "LRD205", "LRD206", "LRD208", "LRD301"),
)
def layer_gap(context: RuleContext) -> Iterator[Fault]:
    """Neighbouring layers are several steps of the decay apart.

    Each layer should train a little slower than the one above it. Where layer ids are left out, everything below the
    gap loses as many factors, and often trains so slowly that it is as good as frozen.

    It happens when ids are counted for another depth than the backbone's, or when the head is put a few ids too high.
    """
    # A fault for each gap, with what is below it: told by layer ids, else by the rates of neighbouring blocks.
    if not context.spec.decays_layers:
        return
    layers = _by_layer(context)
    if len(layers) > 2:
        yield from _gaps_in_ids(context, layers)
    else:
        yield from _cliffs(context)


def _by_layer(context: RuleContext) -> dict[int, list[BackboneTensor]]:
    layers: dict[int, list[BackboneTensor]] = {}
    for held in (*context.backbone.held, *context.backbone.others):
        if held.group.layer_id is not None:
            layers.setdefault(held.group.layer_id, []).append(held)
    return {layer: layers[layer] for layer in sorted(layers)}


def _gaps_in_ids(context: RuleContext, layers: dict[int, list[BackboneTensor]]) -> Iterator[Fault]:
    for below, above in pairwise(layers):
        if above - below < 2 or _frozen_between(context, layers[below], layers[above]):
            continue
        low, high = max(tensor.scale for tensor in layers[below]), min(tensor.scale for tensor in layers[above])
        if math.isclose(low, high, rel_tol=1e-9):
            continue
        missing = integers(range(below + 1, above))
        yield Fault(
            f"no parameter has layer id {missing}: lr scale jumps from {rate(low)} in layer {below} to {rate(high)} in"
            f" layer {above}",
            f"num_layers={below} leaves no gap" if above - 1 == context.num_layers else _REMEDY,
            parameters=[
                tensor.name
                for layer in layers
                if layer <= below
                for tensor in layers[layer]
                if tensor.name.startswith(context.prefix)
            ],
            option=f"{PARAMWISE}.num_layers" if context.num_layers is not None else "",
        )


def _frozen_between(context: RuleContext, below: list[BackboneTensor], above: list[BackboneTensor]) -> bool:
    """Whether frozen blocks have the ids that nothing trainable has."""
    low = max((tensor.block.place for tensor in below if _in_row(context, tensor) and tensor.block), default=(-1,))
    high = min(
        (tensor.block.place for tensor in above if _in_row(context, tensor) and tensor.block), default=(math.inf,)
    )
    return any(low < index < high for index in context.frozen_blocks)


def _in_row(context: RuleContext, held: BackboneTensor) -> bool:
    return held.block is not None and held.block.series == context.backbone.main_series


def _cliffs(context: RuleContext) -> Iterator[Fault]:
    """Steps that are much larger than the usual one between blocks that differ."""
    backbone = context.backbone
    rows = list(backbone.blocks.items())
    steps: list[tuple[float, int]] = []
    for place, ((_, lower), (_, upper)) in enumerate(pairwise(rows)):
        low, high = max(tensor.scale for tensor in lower), max(tensor.scale for tensor in upper)
        if low > 0 and high > low * (1 + 1e-9):
            steps.append((math.log(high / low), place))
    usual = median(step for step, _ in steps) if len(steps) > 2 else math.inf
    for step, place in steps:
        # A whole step more, with room for constructors that skip a little at each stage.
        if step > 1.9 * usual:
            (below, lower), (above, upper) = rows[place], rows[place + 1]
            low, high = max(tensor.scale for tensor in lower), max(tensor.scale for tensor in upper)
            yield Fault(
                f"lr scale jumps from {rate(low)} in {backbone.block_name(below)} to {rate(high)} in"
                f" {backbone.block_name(above)}; other blocks differ by a factor of {rate(math.exp(usual))}",
                _REMEDY,
                parameters=[tensor.name for _, row in rows[: place + 1] for tensor in row],
            )


_REMEDY = "number the layers in a row, from the stem to the head, without leaving ids out"


def _example(second_block: str) -> Example:
    slow = ("stages.0.", "stages.1.", "stages.2.0.", second_block)
    keys = {**{key: {"lr_mult": 0.1} for key in slow}, "stages.": {"lr_mult": 0.5}}
    return Example(
        "model = dict(backbone=dict(arch=dict(depths=[1, 1, 12, 1])))\n"
        "optim_wrapper = dict(\n"
        "    constructor='$DEFAULT',\n"
        f"    paramwise_cfg=dict(_delete_=True, custom_keys={keys}))"
    )


@rule(
    "LRD205",
    "scale-not-monotonic",
    severity="warning",
    bad=_example("stages.2.1"),
    good=_example("stages.2.1."),
    yields_to=("LRD203", "LRD206", "LRD207", "LRD208", "LRD209", "LRD301", "LRD302", "LRD304", "LRD306"),
)
def scale_not_monotonic(context: RuleContext) -> Iterator[Fault]:
    """A deeper block trains slower than a shallower one, or at the head's rate.

    Layer-wise decay rests on one order: the deeper a layer, the faster it may move. A block out of that order is a name
    or a number that the rules took for another one.

    ``custom_keys`` match anywhere in a name: ``backbone.layers.1`` is also in ``backbone.layers.11``; write
    ``backbone.layers.1.`` with the dot. In a constructor, look at how the ids of blocks are counted.
    """
    # One fault for blocks that break the order, one for blocks at the head's rate.
    option = context.spec.lr_place
    wrong = [held for row in _rows(context) for held in _breaking(row)]
    if wrong:
        yield Fault(_told(context, wrong), _remedy(context, wrong), [held.name for held in wrong], option)
        return
    backbone = context.backbone
    blocks = [held for row in backbone.blocks.values() for held in row]
    at_head = [held for held in blocks if backbone.at_head(held)]
    below = [held for held in blocks if backbone.head_scale is not None and held.scale < backbone.head_scale]
    if at_head and below and not any(index[0] == 0 for index in _whole_blocks(context, at_head)):
        whole = _whole_blocks(context, at_head)
        if not whole:
            return
        yield Fault(
            f"{count(len(whole), 'block')} of the backbone {verb(len(whole), 'trains', 'train')} at the head's rate,"
            f" lr scale {rate(at_head[0].scale)}; the others have {span(held.scale for held in below)}",
            "count the head as a layer of its own, above the last block"
            if context.spec.decays_layers
            else "nothing, if the last blocks are meant to; else give them an lr_mult below the head's",
            [held.name for held in at_head if held.block and held.block.place in whole],
            option,
            None if context.spec.decays_layers else "info",
        )


def _rows(context: RuleContext) -> Iterator[list[BackboneTensor]]:
    """The same parameter of each block, in order of depth: every row of modules in the backbone for itself.

    Two are no row: ``ln1`` and ``ln2``, ``conv1`` and ``conv2`` are numbered for other reasons than depth.
    """
    rows: dict[tuple[str, str], list[BackboneTensor]] = {}
    for held in context.backbone.held:
        if held.block:
            rows.setdefault((held.block.series, held.block.rest), []).append(held)
    for (series, _), row in rows.items():
        if len(row) < 3 and series != context.backbone.main_series:
            continue
        yield sorted(row, key=lambda held: held.block.place if held.block else ())


def _breaking(row: Sequence[BackboneTensor]) -> list[BackboneTensor]:
    return [row[place] for place in out_of_order([held.scale for held in row])]


def _whole_blocks(context: RuleContext, held: Sequence[BackboneTensor]) -> set[tuple[int, ...]]:
    """Blocks of which nothing but what is in ``held`` is trained."""
    names = {tensor.name for tensor in held}
    blocks = context.backbone.blocks
    return {index for index, row in blocks.items() if all(tensor.name in names for tensor in row)}


def _told(context: RuleContext, wrong: Sequence[BackboneTensor]) -> str:
    blocks = {(held.block.series, held.block.place) for held in wrong if held.block}
    scales = span(held.scale for held in wrong)
    return (
        f"{count(len(blocks), 'block')} of the backbone {verb(len(blocks), 'breaks', 'break')} the order of rates:"
        f" lr scale {scales} among neighbours with {_around(context, wrong)}"
    )


def _around(context: RuleContext, wrong: Sequence[BackboneTensor]) -> str:
    names = {held.name for held in wrong}
    series = {held.block.series for held in wrong if held.block}
    return span(
        held.scale
        for held in context.backbone.held
        if held.block and held.block.series in series and held.name not in names
    )


def _remedy(context: RuleContext, wrong: Sequence[BackboneTensor]) -> str:
    keys = {found[0] for held in wrong if (found := context.custom_lr_mult(held.name))}
    numbered = sorted(key for key in keys if key[-1:].isdecimal())
    if numbered:
        return f"write {numbered[0] + '.'!r} for {numbered[0]!r}, which is also in names with more digits"
    if keys:
        return f"see which parameters {', '.join(map(repr, sorted(keys)))} should reach"
    return f"let {context.constructor_told} give deeper blocks higher layer ids"
