"""Rule LRD206: stage-wise-num-layers."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, rate, rule


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
    held = [one for one in context.backbone.held if one.group.layer_id is not None and one.group.layer_id <= stages]
    last = next((one.scale for one in held if one.group.layer_id == stages), None)
    decay = context.decay_rate
    if last is None or decay is None:
        return
    yield Fault(
        f"num_layers={given} with decay_type='stage_wise' and {stages} stages: the last stage has lr scale"
        f" {rate(last)} instead of {rate(decay)}",
        f"num_layers={stages} fits {stages} stages",
        parameters=[one.name for one in held if given > stages or (one.group.layer_id or 0) > given],
        option=f"{PARAMWISE}.num_layers",
    )
