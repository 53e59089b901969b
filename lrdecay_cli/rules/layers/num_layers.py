"""The constructor's number of layers beside the backbone's, and the layer ids that follow from it."""

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
    ids_told,
    integers,
    rate,
    rule,
    set_option,
    verb,
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
    """A layer id is negative, or lies above that of the head.

    The exponent of the decay rate goes by the id. Above the head it turns negative, so that a block trains faster than
    the head; below 0 a layer is slower than the stem.

    Ids run from 0 for the stem to ``num_layers + 1`` for all that is not the backbone. Set ``num_layers`` to what fits
    the backbone, or mend the constructor's counting.
    """
    # A fault each for ids that are negative and ids above the head's.
    layers = [(group, group.layer_id) for group in context.group_map.groups if group.layer_id is not None]
    head, fitting = context.head_id, context.fitting_num_layers
    option = f"{PARAMWISE}.num_layers" if context.num_layers is not None else ""
    fits = f"num_layers={fitting} fits" if option and fitting else ""
    for wrong, where, fix in (
        (
            [(group, layer) for group, layer in layers if layer < context.spec.stem_id],
            f"below {context.spec.stem_id}, which is the stem's",
            fits or "let the constructor count layers from 0",
        ),
        (
            [(group, layer) for group, layer in layers if head is not None and layer > head],
            f"above {context.head_id_told}, which is the head's",
            f"{fits} depths {context.depths_in_words}" if fits else "put the head above the last layer",
        ),
    ):
        if wrong:
            ids = ids_told(sorted({layer for _, layer in wrong}))
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

    Where it is too large, no layer has the ids between the blocks and the last stage, and everything below that gap
    trains far slower than was meant. Where it is too small, deep blocks share the rate of the last stage or of the
    head, or train faster than the head.

    MMDetection's ConvNeXt rules give one id to three blocks of the third stage: 6 fits a depth of 9, 12 a depth of 27,
    5 a depth of 6. Transformers have one id for each block. The number must be changed with the backbone.
    """
    # One fault, with the layers that train too slow or too fast.
    given, fitting = context.num_layers, context.fitting_num_layers
    # stage_wise has a rule of its own: its ids count stages, and num_layers something else.
    if given is None or fitting is None or given == fitting or context.options.get("decay_type") == "stage_wise":
        return
    held = [*context.backbone.held, *context.backbone.others]
    layers = {tensor.name: tensor.group.layer_id for tensor in held if tensor.group.layer_id is not None}
    if not layers:
        return
    effect, wrong = _too_large(held, layers, given) if given > fitting else _too_small(context, layers, given)
    # Another constructor may count layers in its own way, and does it well if nothing comes of it.
    if context.spec.num_layers != "family" and not effect:
        return
    yield Fault(
        f"num_layers={given} does not fit depths {context.depths_in_words}{effect}",
        f"num_layers={fitting} fits depths {context.depths_in_words}",
        parameters=[tensor.name for tensor in wrong],
        option=f"{PARAMWISE}.num_layers",
        edits=[set_option(f"{PARAMWISE}.num_layers", fitting)],
    )


def _too_large(held: list[BackboneTensor], layers: Mapping[str, int], given: int) -> tuple[str, list[BackboneTensor]]:
    """The gap, and what is below it."""
    ids = sorted({*layers.values()})
    end, above = max(pairwise(ids), key=lambda pair: pair[1] - pair[0], default=(given, given))
    wrong = [tensor for tensor in held if layers.get(tensor.name, given) <= end]
    if above - end < 2:
        return "", wrong
    low = max(tensor.scale for tensor in wrong)
    high = min(tensor.scale for tensor in held if layers.get(tensor.name) == above)
    missing = integers(range(end + 1, above))
    return f": no parameter has layer id {missing}, and lr scale jumps from {rate(low)} to {rate(high)}", wrong


def _too_small(context: RuleContext, layers: Mapping[str, int], given: int) -> tuple[str, list[BackboneTensor]]:
    """Blocks before the last stage, or in a single row, that reach the ids of what is above them."""
    blocks = context.backbone.blocks
    last = max(blocks, default=())
    staged = len(last) > 1
    early = [tensor for index, row in blocks.items() if not staged or index[:-1] != last[:-1] for tensor in row]
    wrong = [tensor for tensor in early if layers.get(tensor.name, -1) >= (given if staged else given + 1)]
    if not wrong:
        return "", wrong
    highest, head = max(layers[tensor.name] for tensor in wrong), f"{given + 1} is the head's"
    if staged:
        return f": blocks before the last stage have ids up to {highest}; {given} is the last stage's, {head}", wrong
    return f": blocks have layer ids up to {highest}; {head}", wrong


@rule(
    "LRD206",
    "stage-wise-num-layers",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_type='stage_wise', decay_rate=0.9))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_type='stage_wise', decay_rate=0.9, num_layers=4))"),
    yields_to=("LRD301",),
)
def stage_wise_num_layers(context: RuleContext) -> Iterator[Fault]:
    """``stage_wise`` decay with a ``num_layers`` that is not the number of stages.

    The ids of ``stage_wise`` count stages, but the exponent still counts ``num_layers``: with the 6 or 12 of
    ``layer_wise`` the whole backbone is two or eight factors slower than the head, and its last stage is as far from it
    as a stem.

    With four stages, ``num_layers=4`` puts the last stage one factor below the head.
    """
    # One fault, with the whole backbone or, where the last stages pass the head, with those.
    given, stages = context.num_layers, len(context.depths)
    if context.options.get("decay_type") != "stage_wise" or given is None or not stages or given == stages:
        return
    layers = [(tensor, tensor.group.layer_id) for tensor in context.backbone.held if tensor.group.layer_id is not None]
    last = next((tensor.scale for tensor, layer in layers if layer == stages), None)
    decay = context.decay_rate
    if last is None or decay is None:
        return
    yield Fault(
        f"num_layers={given} with decay_type='stage_wise' and {stages} stages: the last stage has lr scale"
        f" {rate(last)} instead of {rate(decay)}",
        f"num_layers={stages} fits {stages} stages",
        parameters=[tensor.name for tensor, layer in layers if layer <= stages and (given > stages or layer > given)],
        option=f"{PARAMWISE}.num_layers",
        edits=[set_option(f"{PARAMWISE}.num_layers", stages)],
    )


def _another_lr(group_map: GroupMap) -> GroupMap:
    first, *others = group_map.groups
    return msgspec.structs.replace(group_map, groups=(msgspec.structs.replace(first, lr=0.5), *others))


@rule("LRD209", "explanation-disagrees", severity="error", bad=Example("", edit=_another_lr), good=Example(""))
def explanation_disagrees(context: RuleContext) -> Iterator[Fault]:
    """lrdecay's own rules give a parameter another layer id, lr or weight decay than the real group has.

    What is explained and judged here may not be what trains. The group is the truth.

    Either the map was edited, or the installed constructor is another version than the one whose rules lrdecay knows,
    or lrdecay is wrong: then please report it.
    """
    differing: dict[str, str] = {}
    for name, difference in named_disagreements(context.group_map):
        differing.setdefault(name, difference)
    if not differing:
        return
    first = next(iter(differing))
    yield Fault(
        f"{count(len(differing), 'tensor')} {verb(len(differing), 'is', 'are')} not where our rules put"
        f" {verb(len(differing), 'it', 'them')}: {first}: {differing[first]}",
        "export the map anew; if that does not help, report it to lrdecay with the map",
        parameters=differing,
    )
