"""Rule LRD203: num-layers-does-not-fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from lrdecay_cli.constructors.facts import LRDECAY_LAYER_DECAY, MMDET_LAYER_DECAY
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, Held, RuleContext, integers, rate, rule


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
    layers = {one.name: one.group.layer_id for one in held if one.group.layer_id is not None}
    if not layers:
        return
    effect, wrong = _too_large(held, layers, given) if given > fitting else _too_small(context, layers, given)
    # Another constructor may count layers in its own way, and does it well if nothing comes of it.
    if context.constructor not in (MMDET_LAYER_DECAY, LRDECAY_LAYER_DECAY) and not effect:
        return
    yield Fault(
        f"num_layers={given} does not fit depths {context.depths_in_words}{effect}",
        f"num_layers={fitting} fits depths {context.depths_in_words}",
        parameters=[one.name for one in wrong],
        option=f"{PARAMWISE}.num_layers",
    )


def _too_large(held: list[Held], layers: Mapping[str, int], given: int) -> tuple[str, list[Held]]:
    """The gap, and what is below it."""
    ids = sorted({*layers.values()})
    end, above = max(pairwise(ids), key=lambda pair: pair[1] - pair[0], default=(given, given))
    wrong = [one for one in held if layers.get(one.name, given) <= end]
    if above - end < 2:
        return "", wrong
    low = max(one.scale for one in wrong)
    high = min(one.scale for one in held if layers.get(one.name) == above)
    missing = integers(range(end + 1, above))
    return f": no parameter has layer id {missing}, and lr scale jumps from {rate(low)} to {rate(high)}", wrong


def _too_small(context: RuleContext, layers: Mapping[str, int], given: int) -> tuple[str, list[Held]]:
    """Blocks before the last stage, or in a single row, that reach the ids of what is above them."""
    last = max(context.backbone.blocks, default=())
    early = [one for index, row in context.backbone.blocks.items() if index[:-1] != last[:-1] for one in row]
    if len(last) == 1:
        early = [one for row in context.backbone.blocks.values() for one in row]
    least = given if len(last) > 1 else given + 1
    wrong = [one for one in early if layers.get(one.name, -1) >= least]
    if not wrong:
        return "", wrong
    highest, head = max(layers[one.name] for one in wrong), f"{given + 1} is the head's"
    if len(last) > 1:
        return f": blocks before the last stage have ids up to {highest}; {given} is the last stage's, {head}", wrong
    return f": blocks have layer ids up to {highest}; {head}", wrong
