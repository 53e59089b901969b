"""Rule LRD303: no-decay."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY
from lrdecay_cli.rules.api import (
    PARAMWISE,
    USUAL_RATE,
    Example,
    Fault,
    RuleContext,
    as_dict,
    count,
    in_its_place,
    mmdet_serves,
    rule,
    without_the_bases,
)


@rule(
    "LRD303",
    "no-decay",
    severity="info",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))"),
)
def no_decay(context: RuleContext) -> Iterator[Fault]:
    """A constructor for layer-wise decay has a decay rate of 1, or none.

    Every layer gets the base lr, as with the default constructor; only the weight decay may differ.

    Where that is meant there is nothing to do; else set the rate: ``decay_rate`` for MMDetection's constructor,
    ``layer_decay_rate`` for mmpretrain's, which takes 1 if it is given none. MMDetection's constructor without any
    option, after ``paramwise_cfg=None`` or ``dict(_delete_=True)``, puts everything into one group: norms and biases
    are decayed too, and that is a warning.
    """
    # One fault for the option.
    if context.without_options:
        yield _without_options(context)
        return
    absent = context.constructor == MMPRETRAIN_LAYER_DECAY and context.decay_option is None
    if context.decay_rate != 1 and not absent:
        return
    option = context.decay_option or "layer_decay_rate"
    yield Fault(
        f"{context.constructor_told} has {'no ' if absent else ''}{option}{'' if absent else ' 1'}: no layer is slower"
        " than another",
        f"set {option} below 1, or leave it to mmengine's default constructor",
        option=f"{PARAMWISE}.{option}",
    )


def _without_options(context: RuleContext) -> Fault:
    fitting = context.fitting_num_layers
    remedy = (
        f"{PARAMWISE}={as_dict({**without_the_bases(context), 'decay_rate': USUAL_RATE, 'num_layers': fitting})}"
        if mmdet_serves(context) and fitting
        else f"to decay the layers use {in_its_place(context)}"
    )
    decayed = [name for name, weight_decay in context.weight_decays.items() if weight_decay]
    exempts = f" and nothing is exempt from weight decay ({count(len(decayed), 'tensor')})" if decayed else ""
    return Fault(
        f"{context.constructor} has no options: no layer is slower than another{exempts}",
        f"{remedy}; if none is meant, constructor='{MMENGINE_DEFAULT}'",
        option=PARAMWISE,
        severity="warning",
        covers=("LRD401", "LRD402", "LRD403", "LRD404", "LRD405"),
    )
