"""Rule LRD305: lr-scale-without-lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rate, rule, span, verb
from lrdecay_cli.rules.scales.lr_not_scaled import PLUGIN, mismatched


@rule(
    "LRD305",
    "lr-scale-without-lr",
    severity="error",
    bad=Example("optim_wrapper = dict(constructor='HalfBackbone', paramwise_cfg=dict(_delete_=True, more={}))", PLUGIN),
    good=Example(
        "optim_wrapper = dict(constructor='HalfBackbone', paramwise_cfg=dict(_delete_=True, more=dict(lr=5e-5)))",
        PLUGIN,
    ),
)
def lr_scale_without_lr(context: RuleContext) -> Iterator[Fault]:
    """Groups have an ``lr_scale``, but their lr is the base lr.

    No optimizer and none of mmengine's schedulers reads ``lr_scale``: it is a note. All layers train at the base lr, as
    if there were no decay.

    It comes with constructors from MAE and timm, where the training loop multiplies. Set ``lr`` to base lr times scale
    in the same place.
    """
    # One fault for all groups whose scale is never applied.
    base, groups = context.group_map.base_lr, mismatched(context)
    if base is None or not groups or any(group.lr != base for group in groups):
        return
    scales = span(group.lr_scale or 0 for group in groups)
    yield Fault(
        f"{count(len(groups), 'group')} {verb(len(groups), 'has', 'have')} lr_scale {scales}, but"
        f" {verb(len(groups), 'its', 'their')} lr is the base lr {rate(base)}",
        f"let {context.constructor_told} set lr = lr_scale * base lr in each group",
        parameters=[parameter.name for group in groups for parameter in group.parameters],
        option="optim_wrapper.constructor",
    )
