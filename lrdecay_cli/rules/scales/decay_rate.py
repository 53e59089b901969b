"""Rules about the decay rate of layer-wise lr decay, and about lrs above the base lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.rules.api import (
    PARAMWISE,
    USUAL_RATE,
    Example,
    Fault,
    Fix,
    RuleContext,
    as_python,
    count,
    describe_ids,
    in_its_place,
    our_fix,
    rate,
    rule,
    set_option,
    verb,
    without_the_bases,
)


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
    """The lr of a group is above the base lr, although the decay rate is below 1.

    Layers that should train slower than the head train faster. These layers lose their pretrained weights in the first
    epochs.

    A layer id above ``num_layers + 1`` makes the exponent of the decay rate negative, so the lr of the group is above
    the base lr. With MMDetection's constructor, the usual cause is a ``num_layers`` that fits a shallower backbone. Set
    ``num_layers`` to fit your backbone. LRD301 does not report a custom key that raises an lr on purpose.
    """
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
    faster = f"group {fast[0][0].name}" if len(groups) == 1 else count(len(groups), "group")
    ids = sorted({group.layer_id for group, _ in fast if group.layer_id is not None})
    above = [layer for layer in ids if context.head_id is not None and layer > context.head_id]
    cause = f": {describe_ids(above)} above {context.head_id_label}" if above else ""
    fitting = context.fitting_num_layers
    fits = fitting is not None and context.num_layers is not None and fitting != context.num_layers
    yield Fault(
        f"{faster} {verb(len(groups), 'trains', 'train')} faster than the base lr, up to {rate(highest)} times, with a"
        f" decay rate of {decay:g}{cause}",
        f"set num_layers={fitting}, which fits the depths {context.depths_in_words}"
        if fits
        else "keep every layer id at or below the head's layer id",
        parameters=[parameter.name for _, parameter in fast],
        option=f"{PARAMWISE}.num_layers" if context.num_layers is not None else "",
        edits=[set_option(f"{PARAMWISE}.num_layers", fitting)] if fits else (),
    )


@rule(
    "LRD302",
    "decay-rate-out-of-range",
    severity="warning",
    also=("error",),
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.2))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.8))"),
)
def decay_rate_out_of_range(context: RuleContext) -> Iterator[Fault]:
    """The decay rate is negative, 0, or above 1.

    With a decay rate above 1, the stem trains fastest and the head slowest. With a decay rate of 0, no layer below the
    head trains. A negative decay rate gives every second layer a negative lr, which increases the loss.

    Use a decay rate between 0.6 and 0.95. For a deeper backbone, use a rate closer to 1.
    """
    # One fault, with the parameters whose lr becomes higher, 0 or negative.
    decay = context.decay_rate
    if decay is None or 0 < decay <= 1:
        return
    members = [*context.backbone.tensors, *context.backbone.others]
    if decay > 1:
        wrong = [tensor for tensor in members if tensor.scale > 1 + 1e-9]
        effect = (
            f", so the lowest layers have up to {rate(max(tensor.scale for tensor in wrong))} times the base lr"
            if wrong
            else ""
        )
    else:
        wrong = [tensor for tensor in members if tensor.scale <= 0]
        effect = ", so no layer below the head trains" if decay == 0 else ", so some lrs are negative"
    option = f"{PARAMWISE}.{context.decay_option}"
    suggested = float(rate(1 / decay)) if decay > 1 else 0.9
    example = f", such as {suggested:g}, the inverse of {decay:g}" if decay > 1 else f", such as {suggested}"
    yield Fault(
        f"{context.decay_option}={decay:g} is {'above 1' if decay > 1 else 'not above 0'}{effect}",
        f"set {context.decay_option} between 0 and 1{example}",
        parameters=[tensor.name for tensor in wrong],
        option=option,
        severity=None if decay > 1 else "error",
        # Only the user knows the right rate.
        edits=[Fix(edits=(set_option(option, suggested),), automatic=False)],
    )


@rule(
    "LRD303",
    "no-decay",
    severity="info",
    also=("warning",),
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))"),
)
def no_decay(context: RuleContext) -> Iterator[Fault]:
    """For a constructor with layer-wise lr decay, the config sets no decay rate, or a decay rate of 1.

    Every layer gets the base lr, as with mmengine's default constructor. Only the weight decay may differ from that of
    the default constructor.

    If you want the same lr in all layers, do nothing. Otherwise set the decay rate: ``decay_rate`` for MMDetection's
    constructor, ``layer_decay_rate`` (default: 1) for mmpretrain's constructor.

    If the config sets no options for MMDetection's constructor (``paramwise_cfg=None`` or ``dict(_delete_=True)``), the
    constructor puts all parameters into one group. Norms and biases then get weight decay too, so the finding is a
    warning.
    """
    if context.without_options:
        yield _without_options(context)
        return
    absent = context.spec.default_rate == 1 and context.decay_option is None
    if context.decay_rate != 1 and not absent:
        return
    option = context.decay_option or context.spec.rate_option
    yield Fault(
        f"the config sets {f'no {option}' if absent else f'{option}=1'} for {context.constructor_label}: all layers"
        " have the same lr",
        f"set {option} below 1, or use mmengine's default constructor",
        option=f"{PARAMWISE}.{option}",
    )


def _without_options(context: RuleContext) -> Fault:
    fitting, spec = context.fitting_num_layers, context.spec
    options = {**without_the_bases(context), str(spec.rate_option): USUAL_RATE, "num_layers": fitting}
    serves = bool(fitting) and spec.num_layers == "family" and spec.serves(context.group_map.model.backbone)
    fix = f"set {PARAMWISE}={as_python(options)}" if serves else f"for layer decay use {in_its_place(context)}"
    own = set_option(PARAMWISE, {key: value for key, value in options.items() if key != "_delete_"})
    decayed = [name for name, weight_decay in context.weight_decays.items() if weight_decay]
    exempts = f", and all {count(len(decayed), 'tensor')} have weight decay" if decayed else ""
    return Fault(
        f"the config sets no options for {context.constructor}: all layers have the same lr{exempts}",
        f"{fix}; if you want no layer decay, set constructor='{DEFAULT.name}'",
        option=PARAMWISE,
        severity="warning",
        edits=[Fix(edits=(own,), automatic=False)] if serves else our_fix(context, context.options),
        covers=("LRD401", "LRD402", "LRD403", "LRD404", "LRD405"),
    )
