"""Rule LRD301: scale-above-one."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, ids_told, rate, rule, verb


@rule(
    "LRD301",
    "scale-above-one",
    severity="error",
    bad=Example("model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"),
    good=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))\n"
        "optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))"
    ),
)
def scale_above_one(context: RuleContext) -> Iterator[Fault]:
    """A parameter group trains faster than the base learning rate although the decay rate is below 1.

    Layers that should learn slower than the head learn faster, and their pretrained weights are lost in the first
    epochs.

    It happens when a layer id passes ``num_layers + 1``, so that the exponent of the decay rate turns negative: with
    MMDetection's constructor, when ``num_layers`` belongs to a shallower backbone. Set ``num_layers`` to what fits.
    Where a custom key multiplies a rate on purpose, nothing is said.
    """
    # One fault for all parameters whose lr scale is above 1.
    decay = context.decay_rate if context.decay_option else context.observed_rate
    if decay is None or not 0 < decay < 1:
        return
    fast = [
        (group, parameter)
        for group, parameter in context.group_map.grouped()
        if group.lr_scale is not None
        and group.lr_scale > 1 + 1e-9
        and parameter.requires_grad
        and (context.custom_lr_mult(parameter.name) or ("", 0))[1] <= 1
    ]
    if not fast:
        return
    groups = {group.name for group, _ in fast}
    highest = max(group.lr_scale or 0 for group, _ in fast)
    which = f"group {fast[0][0].name}" if len(groups) == 1 else count(len(groups), "group")
    ids = sorted({group.layer_id for group, _ in fast if group.layer_id is not None})
    above = [layer for layer in ids if context.head_id is not None and layer > context.head_id]
    cause = f": {ids_told(above)} above {context.head_id_told}" if above else ""
    fitting = context.fitting_num_layers
    yield Fault(
        f"{which} {verb(len(groups), 'trains', 'train')} faster than the base lr, up to {rate(highest)} times, with a"
        f" decay rate of {decay:g}{cause}",
        f"num_layers={fitting} fits depths {context.depths_in_words}"
        if fitting is not None and context.num_layers is not None and fitting != context.num_layers
        else "keep every layer id at or below the head's",
        parameters=[parameter.name for _, parameter in fast],
        option=f"{PARAMWISE}.num_layers" if context.num_layers is not None else "",
    )
