"""Rules about the order of layer ids and lrs from the stem to the head."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from lrdecay_cli.rules.api import (
    PARAMWISE,
    Backbone,
    BackboneTensor,
    Example,
    Fault,
    RuleContext,
    count,
    describe_ids,
    key_option,
    out_of_order,
    rate,
    rename_option,
    rule,
    set_option,
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
    """The lr falls too far from one layer to the layer below: the decay rate applies twice or more.

    Each layer should train a little slower than the layer above it. Every unused layer id between two layers multiplies
    the lr of all layers below the unused id by the decay rate once more. Often the layers below barely train.

    Layer ids are unused if the constructor expects a backbone with another depth. They are also unused if the head's
    layer id is too high.
    """
    # One fault for each gap, with the tensors below it: found by layer ids, else by lrs of neighbouring blocks.
    if not context.spec.decays_layers:
        return
    members = [*context.backbone.tensors, *context.backbone.others]
    ids = sorted({tensor.group.layer_id for tensor in members if tensor.group.layer_id is not None})
    layers = {layer: [tensor for tensor in members if tensor.group.layer_id == layer] for layer in ids}
    if len(layers) > 2:
        yield from _gaps_in_ids(context, layers)
    else:
        yield from _large_steps(context)


def _gaps_in_ids(context: RuleContext, layers: dict[int, list[BackboneTensor]]) -> Iterator[Fault]:
    for below, above in pairwise(layers):
        if above - below < 2 or _frozen_between(context, layers[below], layers[above]):
            continue
        low, high = max(tensor.scale for tensor in layers[below]), min(tensor.scale for tensor in layers[above])
        if math.isclose(low, high, rel_tol=1e-9):
            continue
        fits = above - 1 == context.num_layers
        yield Fault(
            f"{describe_ids(range(below + 1, above))} unused: lr scale jumps from {rate(low)} in layer {below}"
            f" to {rate(high)} in layer {above}",
            f"set num_layers={below}, so that every layer id is used" if fits else _FIX,
            parameters=[
                tensor.name
                for tensor in context.backbone.tensors
                if tensor.group.layer_id is not None and tensor.group.layer_id <= below
            ],
            option=f"{PARAMWISE}.num_layers" if context.num_layers is not None else "",
            edits=[set_option(f"{PARAMWISE}.num_layers", below)] if fits else (),
        )


def _frozen_between(context: RuleContext, below: list[BackboneTensor], above: list[BackboneTensor]) -> bool:
    """True if there are frozen blocks between two layers. The layer ids of frozen blocks are unused."""
    in_row = context.backbone.in_row
    low = max((tensor.block.place for tensor in below if tensor.block and in_row(tensor)), default=(-1,))
    high = min((tensor.block.place for tensor in above if tensor.block and in_row(tensor)), default=(math.inf,))
    return any(low < index < high for index in context.frozen_blocks)


def _large_steps(context: RuleContext) -> Iterator[Fault]:
    """Yield a fault for each pair of neighbouring blocks whose lrs differ by a much larger factor than usual."""
    rows = list(context.backbone.blocks.items())
    names = [context.backbone.block_name(index) for index, _ in rows]
    scales = [max(tensor.scale for tensor in row) for _, row in rows]
    steps = [
        (math.log(high / low), place)
        for place, (low, high) in enumerate(pairwise(scales))
        if low > 0 and high > low * (1 + 1e-9)
    ]
    usual = median(step for step, _ in steps) if len(steps) > 2 else math.inf
    for step, place in steps:
        # A whole extra step, with a margin for constructors that skip a little at each stage.
        if step > 1.9 * usual:
            yield Fault(
                f"lr scale jumps from {rate(scales[place])} in {names[place]} to {rate(scales[place + 1])} in"
                f" {names[place + 1]}; other blocks differ by a factor of {rate(math.exp(usual))}",
                _FIX,
                parameters=[tensor.name for _, row in rows[: place + 1] for tensor in row],
            )


_FIX = "number the layers consecutively from the stem to the head"


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
    also=("info",),
    bad=_example("stages.2.1"),
    good=_example("stages.2.1."),
    yields_to=("LRD203", "LRD206", "LRD207", "LRD208", "LRD209", "LRD301", "LRD302", "LRD304", "LRD306"),
)
def scale_not_monotonic(context: RuleContext) -> Iterator[Fault]:
    """A deeper block of the backbone trains slower than a shallower block, or as fast as the head.

    In layer-wise decay, a deeper layer has a higher lr. A block that breaks this order usually has a name or number
    that the constructor misreads.

    A key in ``custom_keys`` matches anywhere in a name: ``backbone.layers.1`` also matches ``backbone.layers.11``. End
    the key with a dot: ``backbone.layers.1.``. In a constructor of your own, check how it counts blocks.

    In a running optimizer whose model has no module named ``backbone``, LRD205 checks the longest series of numbered
    modules, for example ``encoder.layer.0`` to ``encoder.layer.11``.
    """
    # One fault for blocks that break the order, one for blocks at the head's lr.
    option = context.spec.lr_place
    backbone = context.backbone
    if context.group_map.live and not backbone.tensors:
        yield from _out_of_order(context, context.whole_model, f"of {context.whole_model.main_series}", "lr")
        return
    faults = list(_out_of_order(context, backbone, "of the backbone", "lr scale"))
    if faults:
        yield from faults
        return
    blocks = [tensor for row in backbone.blocks.values() for tensor in row]
    whole = {index: row for index, row in backbone.blocks.items() if all(map(backbone.at_head, row))}
    below = [tensor for tensor in blocks if backbone.head_scale is not None and tensor.scale < backbone.head_scale]
    if whole and below and not any(index[0] == 0 for index in whole):
        yield Fault(
            f"{count(len(whole), 'block')} of the backbone {verb(len(whole), 'trains', 'train')} at the head's"
            f" lr scale {rate(backbone.head_scale or 1)}; the other blocks have"
            f" {span(tensor.scale for tensor in below)}",
            "give the head a layer id above that of the last block"
            if context.spec.decays_layers
            else "set an lr_mult below the head's for the last blocks, unless they should train as fast as the head",
            [tensor.name for row in whole.values() for tensor in row],
            option,
            None if context.spec.decays_layers else "info",
        )


def _out_of_order(context: RuleContext, backbone: Backbone, of: str, scaled: str) -> Iterator[Fault]:
    """Yield a fault about the blocks that break the order of lrs.

    Args:
        context: the map with its rules' facts.
        backbone: the parameters to check.
        of: the model part that contains the blocks, for the message.
        scaled: what ``BackboneTensor.scale`` is: ``lr scale`` or ``lr``.
    """
    wrong = [row[place] for row in _rows(backbone) for place in out_of_order([tensor.scale for tensor in row])]
    if not wrong:
        return
    if (fault := _reversed(context, backbone, scaled)) is not None:
        yield fault
        return
    names = dict.fromkeys(tensor.name for tensor in wrong)
    places = {(tensor.block.series, tensor.block.place) for tensor in wrong if tensor.block}
    series = {name for name, _ in places}
    others = [tensor for tensor in backbone.tensors if tensor.block and tensor.block.series in series]
    yield Fault(
        f"{count(len(places), 'block')} {of} {verb(len(places), 'breaks', 'break')} the order of lrs:"
        f" {verb(len(places), 'it has', 'they have')} {scaled} {span(tensor.scale for tensor in wrong)}, but the"
        f" other blocks have {span(tensor.scale for tensor in others if tensor.name not in names)}",
        _fix(context, wrong),
        names,
        context.spec.lr_place,
        edits=[rename_option(key_option(key), f"{key}.") for key in _numbered(context, wrong)[:1]],
    )


def _reversed(context: RuleContext, backbone: Backbone, scaled: str) -> Fault | None:
    """Return a fault if the lr falls from the first block to the last, as if layer ids were counted from the head."""
    blocks = backbone.blocks
    highest = [max(tensor.scale for tensor in row) for row in blocks.values()]
    if len({*highest}) < _MIN_REVERSED or sorted(highest, reverse=True) != highest:
        return None
    first, *_, last = map(backbone.block_name, blocks)
    return Fault(
        f"the {scaled} falls from {rate(highest[0])} in {first} to {rate(highest[-1])} in {last}: deeper blocks train"
        " slower",
        "reverse the order of lrs: the last block gets the highest lr, and every block below gets less",
        [tensor.name for row in blocks.values() for tensor in row],
        context.spec.lr_place,
    )


_MIN_REVERSED = 3
"""Minimum number of different lrs for a reversed order: with two, only some of the blocks may be wrong."""


def _rows(backbone: Backbone) -> Iterator[list[BackboneTensor]]:
    """Yield lists of one parameter per block, in order of depth, such as the ``norm.weight`` of every block.

    In a backbone, three or more modules whose names differ only in a number are treated like blocks, even if they are
    not blocks. Two modules are not enough: the numbers of ``ln1`` and ``ln2``, for example, are not depths. In a whole
    model, such modules may be heads, so only its longest series counts.
    """
    rows: dict[tuple[str, str], list[BackboneTensor]] = {}
    for tensor in backbone.tensors:
        if tensor.block:
            rows.setdefault((tensor.block.series, tensor.block.rest), []).append(tensor)
    for (series, _), row in rows.items():
        if series != backbone.main_series and (len(row) < 3 or not backbone.prefix):
            continue
        yield sorted(row, key=lambda tensor: tensor.block.place if tensor.block else ())


def _fix(context: RuleContext, wrong: Sequence[BackboneTensor]) -> str:
    if context.group_map.live:
        return "give deeper blocks a higher lr in the code that builds the optimizer"
    keys = {found[0] for tensor in wrong if (found := context.custom_lr_mult(tensor.name))}
    if numbered := _numbered(context, wrong):
        return f"write {numbered[0] + '.'!r} instead of {numbered[0]!r}, which also matches names with more digits"
    if keys:
        return f"check which parameters {', '.join(map(repr, sorted(keys)))} should match"
    return f"make {context.constructor_label} give deeper blocks higher layer ids"


def _numbered(context: RuleContext, wrong: Sequence[BackboneTensor]) -> list[str]:
    """Return the custom keys that end in a number and also match longer numbers: ``layers.1`` matches ``layers.11``."""
    found = [(tensor.name, match[0]) for tensor in wrong if (match := context.custom_lr_mult(tensor.name))]
    return sorted({key for name, key in found if re.search(rf"{re.escape(key)}(?<=\d)\d", name)})
