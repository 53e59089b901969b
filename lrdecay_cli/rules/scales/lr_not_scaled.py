"""Rule LRD304: lr-not-scaled."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.domain.group_map import ParameterGroup
from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rate, rule, verb


def mismatched(context: RuleContext) -> list[ParameterGroup]:
    """The groups whose lr is not base lr times scale."""
    base = context.group_map.base_lr
    if context.group_map.checkpoint is not None:
        return []
    return [
        group
        for group in context.group_map.groups
        if base is not None
        and group.lr is not None
        and group.lr_scale is not None
        and not math.isclose(group.lr, group.lr_scale * base, rel_tol=1e-9)
        and math.isfinite(group.lr)
    ]


PLUGIN = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HalfBackbone(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        params.append(dict(params=module.head.parameters()))
        params.append(dict(params=module.backbone.parameters(), lr_scale=0.5, **self.paramwise_cfg['more']))
"""


@rule(
    "LRD304",
    "lr-not-scaled",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='HalfBackbone', paramwise_cfg=dict(_delete_=True, more=dict(lr=2e-5)))",
        PLUGIN,
    ),
    good=Example(
        "optim_wrapper = dict(constructor='HalfBackbone', paramwise_cfg=dict(_delete_=True, more=dict(lr=5e-5)))",
        PLUGIN,
    ),
    yields_to=("LRD209", "LRD306"),
)
def lr_not_scaled(context: RuleContext) -> Iterator[Fault]:
    """A group's lr is not its ``lr_scale`` times the base lr.

    One of the two numbers is wrong. The optimizer goes by the lr, the constructor's log and tools that read
    ``lr_scale`` go by the other, and a schedule that is set up from it runs off.

    It happens when a constructor changes the one after the other was made, and when a map was edited.
    """
    # One fault for all groups, with the numbers of the first.
    base, groups = context.group_map.base_lr, mismatched(context)
    if base is None or not groups or all(group.lr == base for group in groups):
        return
    first = groups[0]
    scaled = rate((first.lr_scale or 0) * base)
    yield Fault(
        f"{count(len(groups), 'group')} {verb(len(groups), 'has', 'have')} another lr than lr_scale times base lr:"
        f" {first.name} has {rate(first.lr or 0)}, and {rate(first.lr_scale or 0)} times {rate(base)} is {scaled}",
        f"make the lr of {first.name} {scaled}" + (f", or its lr_scale {rate((first.lr or 0) / base)}" if base else ""),
        parameters=[parameter.name for group in groups for parameter in group.parameters],
    )
