"""Rule LRD202: layer-id-out-of-range."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.domain.group_map import ParameterGroup
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, ids_told, rule


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
    groups = [group for group in context.group_map.groups if group.layer_id is not None]
    option = f"{PARAMWISE}.num_layers" if context.num_layers is not None else ""
    negative = [group for group in groups if group.layer_id is not None and group.layer_id < 0]
    if negative:
        yield Fault(
            f"{_ids(negative)} below 0, which is the stem's",
            f"num_layers={context.fitting_num_layers} fits" if option and context.fitting_num_layers else _COUNT,
            [parameter.name for group in negative for parameter in group.parameters],
            option,
        )
    head = context.head_id
    above = [group for group in groups if group.layer_id is not None and head is not None and group.layer_id > head]
    if above:
        yield Fault(
            f"{_ids(above)} above {context.head_id_told}, which is the head's",
            f"num_layers={context.fitting_num_layers} fits depths {context.depths_in_words}"
            if context.fitting_num_layers and option
            else "put the head above the last layer",
            [parameter.name for group in above for parameter in group.parameters],
            option,
        )


def _ids(groups: list[ParameterGroup]) -> str:
    return ids_told(sorted({group.layer_id for group in groups if group.layer_id is not None}))


_COUNT = "let the constructor count layers from 0"
