"""Rule LRD101: parameter-in-no-group."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule, verb

_PLUGIN = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TwoGroups(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        for part, mult in self.paramwise_cfg['parts'].items():
            params.append(dict(params=getattr(module, part).parameters(), lr=self.base_lr * mult))
"""


@rule(
    "LRD101",
    "parameter-in-no-group",
    severity="error",
    bad=Example("optim_wrapper = dict(constructor='TwoGroups', paramwise_cfg=dict(parts=dict(backbone=0.1)))", _PLUGIN),
    good=Example(
        "optim_wrapper = dict(constructor='TwoGroups', paramwise_cfg=dict(parts=dict(backbone=0.1, head=1.0)))", _PLUGIN
    ),
)
def parameter_in_no_group(context: RuleContext) -> Iterator[Fault]:
    """A trainable parameter is in no group, so the optimizer never changes it.

    It keeps its first value for the whole run, while gradients are computed for it and nothing says so.

    It happens with a constructor that makes groups from a list of names or modules and drops what it does not know.
    Give what is left over a group of its own. What is not to be trained is frozen instead: with ``requires_grad=False``
    or the module's own option, such as ``frozen_stages``.
    """
    # One fault for all parameters that are missing.
    missing = context.group_map.missing
    if not missing:
        return
    elements = sum(parameter.numel for parameter in missing)
    trainable = elements + sum(p.numel for _, p in context.group_map.grouped() if p.requires_grad)
    share = f" with {100 * elements / trainable:.2g}% of the trainable parameters" if trainable else ""
    yield Fault(
        f"{count(len(missing), 'trainable tensor')}{share} {verb(len(missing), 'is', 'are')} in no parameter group",
        f"let {context.constructor_told} put {verb(len(missing), 'it', 'them')} into a group, or freeze what must"
        " not train with requires_grad=False",
        parameters=[parameter.name for parameter in missing],
    )
