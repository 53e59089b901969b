"""A parameter group trains faster than the base learning rate although the decay rate is below 1.

Layers that should learn slower than the head learn faster, and their pretrained weights are lost in the first epochs.

It happens when a layer id passes ``num_layers + 1``, so that the exponent of the decay rate turns negative: with
MMDetection's constructor, when ``num_layers`` belongs to a shallower backbone. Set ``num_layers`` to what fits.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.subject import PARAMWISE, Subject


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for all groups whose lr scale is above 1."""
    rate = subject.decay_rate
    if rate is None or not 0 < rate < 1:
        return
    fast = [group for group in subject.group_map.groups if group.lr_scale is not None and group.lr_scale > 1]
    if not fast:
        return
    highest = max(group.lr_scale or 0 for group in fast)
    groups = f"{len(fast)} groups train" if len(fast) > 1 else f"group {fast[0].name} trains"
    fitting = subject.fitting_num_layers
    yield Fault(
        f"{groups} faster than the base lr, up to {highest:.3g} times, with a decay rate of {rate:g}",
        f"num_layers={fitting} fits depths {','.join(map(str, subject.depths))}"
        if fitting is not None and fitting != subject.options.get("num_layers")
        else "keep every layer id at or below num_layers + 1",
        parameters=[parameter.name for group in fast for parameter in group.parameters],
        option=f"{PARAMWISE}.num_layers" if "num_layers" in subject.options else "",
    )


RULE = Rule(
    code="LRD301",
    name="scale-above-one",
    severity="error",
    check=check,
    documentation=__doc__,
    bad=Example("model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"),
    good=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))\n"
        "optim_wrapper = dict(paramwise_cfg=dict(num_layers=12))"
    ),
)
