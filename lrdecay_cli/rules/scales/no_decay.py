"""A constructor for layer-wise decay has a decay rate of 1, or none.

Every layer gets the base lr, as with the default constructor; only the weight decay may differ.

Where that is meant there is nothing to do; else set the rate: ``decay_rate`` for MMDetection's constructor,
``layer_decay_rate`` for mmpretrain's, which takes 1 if it is given none.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.decay.constructors.facts import MMPRETRAIN_LAYER_DECAY
from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.subject import PARAMWISE, Subject


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for the option."""
    absent = subject.constructor == MMPRETRAIN_LAYER_DECAY and subject.decay_option is None
    if subject.decay_rate != 1 and not absent:
        return
    option = subject.decay_option or "layer_decay_rate"
    yield Fault(
        f"{subject.constructor_told} has {'no ' if absent else ''}{option}{'' if absent else ' 1'}: no layer is slower"
        " than another",
        f"set {option} below 1, or leave it to mmengine's default constructor",
        option=f"{PARAMWISE}.{option}",
    )


RULE = Rule(
    code="LRD303",
    name="no-decay",
    severity="info",
    check=check,
    documentation=__doc__,
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=1.0))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))"),
)
