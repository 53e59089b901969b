"""Rules about the constructor's option ``num_layers``, and about the layer ids computed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import msgspec

from lrdecay_cli.analysis.verification import named_disagreements
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules.api import (
    PARAMWISE,
    BackboneTensor,
    Example,
    Fault,
    RuleContext,
    count,
    describe_ids,
    rate,
    rule,
    set_option,
)


@rule(
    "LRD202",
    "layer-id-out-of-range",
    severity="error",
    bad=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))\n"
        "optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0))"
    ),
    good=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))\n"
        "optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0, num_layers=12))"
    ),
    yields_to=("LRD203", "LRD206", "LRD301"),
)
def layer_id_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """A layer id is negative, or above the layer id of the head.

    The lr scale of a layer is a power of the decay rate, and the exponent is the head's layer id minus the layer's own
    id. A layer id above the head's makes the exponent negative, so the layer trains faster than the head. A layer with
    an id below 0 trains slower than the stem.

    Layer ids run from 0 (stem) to ``num_layers + 1`` (everything outside the backbone). Set ``num_layers`` to fit the
    backbone, or correct the layer ids that your own constructor computes.
    """
    # One fault each for negative ids and for ids above the head's.
    layers = [(group, group.layer_id) for group in context.group_map.groups if group.layer_id is not None]
    head, fitting = context.head_id, context.fitting_num_layers
    option = f"{PARAMWISE}.num_layers" if context.num_layers is not None else ""
    fits = f"set num_layers={fitting}, which fits depths {context.depths_in_words}" if option and fitting else ""
    for wrong, where, fix in (
        (
            [(group, layer) for group, layer in layers if layer < context.spec.stem_id],
            f"below {context.spec.stem_id}, which is the stem's id",
            fits or f"make {context.constructor_label} count layers from 0",
        ),
        (
            [(group, layer) for group, layer in layers if head is not None and layer > head],
            f"above {context.head_id_label}, which is the head's id",
            fits or "give the head a higher layer id than the last layer",
        ),
    ):
        if wrong:
            ids = describe_ids(sorted({layer for _, layer in wrong}))
            names = [parameter.name for group, _ in wrong for parameter in group.parameters]
            edits = [set_option(option, fitting)] if fits else []
            yield Fault(f"{ids} {where}", fix, names, option, edits=edits)


@rule(
    "LRD203",
    "num-layers-does-not-fit",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(num_layers=6))"),
    yields_to=("LRD301",),
)
def num_layers_does_not_fit(context: RuleContext) -> Iterator[Fault]:
    """``num_layers`` does not fit the depth of the backbone.

    If ``num_layers`` is too large, some layer ids below the last stage are unused, and every layer below these ids
    trains far too slowly. If ``num_layers`` is too small, deep blocks get the lr of the last stage or of the head, or
    even a higher lr than the head.

    MMDetection's constructor gives one layer id to every three blocks of ConvNeXt's third stage. The depth of the third
    stage therefore decides ``num_layers``: 5 for a depth of 6, 6 for a depth of 9, 12 for a depth of 27. Transformers
    have one layer id per block. Change ``num_layers`` whenever you change the backbone.
    """
    # One fault, with the layers that train too slowly or too fast.
    given, fitting = context.num_layers, context.fitting_num_layers
    # LRD206 checks stage_wise, whose ids count stages.
    if given is None or fitting is None or given == fitting or context.options.get("decay_type") == "stage_wise":
        return
    members = [*context.backbone.tensors, *context.backbone.others]
    layers = {tensor.name: tensor.group.layer_id for tensor in members if tensor.group.layer_id is not None}
    if not layers:
        return
    effect, wrong = _too_large(members, layers, given) if given > fitting else _too_small(context, layers, given)
    # Another constructor may count layers differently, which is fine if no layer is affected.
    if context.spec.num_layers != "family" and not effect:
        return
    yield Fault(
        f"num_layers={given} does not fit depths {context.depths_in_words}{effect}",
        f"set num_layers={fitting}, which fits depths {context.depths_in_words}",
        parameters=[tensor.name for tensor in wrong],
        option=f"{PARAMWISE}.num_layers",
        edits=[set_option(f"{PARAMWISE}.num_layers", fitting)],
    )


def _too_large(
    members: list[BackboneTensor], layers: Mapping[str, int], given: int
) -> tuple[str, list[BackboneTensor]]:
    """Return two values: a text about unused layer ids, and the tensors of all layers below these ids."""
    ids = sorted({*layers.values()})
    end, above = max(pairwise(ids), key=lambda pair: pair[1] - pair[0], default=(given, given))
    wrong = [tensor for tensor in members if layers.get(tensor.name, given) <= end]
    if above - end < 2:
        return "", wrong
    low = max(tensor.scale for tensor in wrong)
    high = min(tensor.scale for tensor in members if layers.get(tensor.name) == above)
    return f": {describe_ids(range(end + 1, above))} unused, and lr scale jumps from {rate(low)} to {rate(high)}", wrong


def _too_small(context: RuleContext, layers: Mapping[str, int], given: int) -> tuple[str, list[BackboneTensor]]:
    """Return two values: a text about blocks whose layer id is too high, and the tensors of these blocks.

    Blocks before the last stage should have a lower layer id than the last stage. In a backbone without stages, all
    blocks should have a lower layer id than the head.
    """
    blocks = context.backbone.blocks
    last = max(blocks, default=())
    staged = len(last) > 1
    early = [tensor for index, row in blocks.items() if not staged or index[:-1] != last[:-1] for tensor in row]
    wrong = [tensor for tensor in early if layers.get(tensor.name, -1) >= (given if staged else given + 1)]
    if not wrong:
        return "", wrong
    highest, head = max(layers[tensor.name] for tensor in wrong), given + 1
    if staged:
        ids = f"the last stage has layer id {given} and the head has layer id {head}"
        return f": blocks before the last stage reach layer id {highest}, but {ids}", wrong
    return f": blocks reach layer id {highest}, but the head has layer id {head}", wrong


@rule(
    "LRD206",
    "stage-wise-num-layers",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_type='stage_wise', decay_rate=0.9))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_type='stage_wise', decay_rate=0.9, num_layers=4))"),
    yields_to=("LRD301",),
)
def stage_wise_num_layers(context: RuleContext) -> Iterator[Fault]:
    """The layer decay is ``stage_wise``, but ``num_layers`` is not the number of stages.

    With ``decay_type='stage_wise'``, layer ids count stages, but the exponent of the decay rate is still
    ``num_layers`` + 1 − layer id. So ``num_layers`` must be the number of stages. For example, with four stages and
    ``num_layers=6``, the lr of the last stage is the head's lr × decay rate³ instead of the head's lr × decay rate.
    With ``num_layers=12`` it is the head's lr × decay rate⁹.

    For a backbone with four stages, set ``num_layers=4``. The lr of the last stage is then the head's lr × decay rate.
    """
    # One fault, with the whole backbone, or with the last stages if those are above the head.
    given, stages = context.num_layers, len(context.depths)
    if context.options.get("decay_type") != "stage_wise" or given is None or not stages or given == stages:
        return
    layers = [
        (tensor, tensor.group.layer_id) for tensor in context.backbone.tensors if tensor.group.layer_id is not None
    ]
    last = next((tensor.scale for tensor, layer in layers if layer == stages), None)
    decay = context.decay_rate
    if last is None or decay is None:
        return
    yield Fault(
        f"num_layers={given} with decay_type='stage_wise' and {stages} stages gives the last stage lr scale"
        f" {rate(last)} instead of {rate(decay)}",
        f"set num_layers={stages}, which fits {stages} stages",
        parameters=[tensor.name for tensor, layer in layers if layer <= stages and (given > stages or layer > given)],
        option=f"{PARAMWISE}.num_layers",
        edits=[set_option(f"{PARAMWISE}.num_layers", stages)],
    )


def _another_lr(group_map: GroupMap) -> GroupMap:
    first, *others = group_map.groups
    return msgspec.structs.replace(group_map, groups=(msgspec.structs.replace(first, lr=0.5), *others))


@rule("LRD209", "explanation-disagrees", severity="error", bad=Example("", edit=_another_lr), good=Example(""))
def explanation_disagrees(context: RuleContext) -> Iterator[Fault]:
    """A parameter's group has another layer id, lr or weight decay than lrdecay computes.

    lrdecay's explanations and findings for this group map may be wrong. The training uses the groups that the
    constructor built, not the values that lrdecay computes.

    The values differ if the group map was edited, if lrdecay does not know the installed version of the constructor,
    or if lrdecay has a bug. If it is a bug, please report it.
    """
    differing: dict[str, str] = {}
    for name, difference in named_disagreements(context.group_map):
        differing.setdefault(name, difference)
    if not differing:
        return
    first = next(iter(differing))
    yield Fault(
        f"lrdecay's formulas disagree with the real group of {count(len(differing), 'tensor')}: {first}:"
        f" {differing[first]}",
        "export the map again; if the values still differ, report a bug in lrdecay and attach the map",
        parameters=differing,
    )
