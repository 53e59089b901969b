"""Rule LRD102: parameter-held-twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule, verb

_PLUGIN = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HeadAgain(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        again = list(module.head.parameters()) if self.paramwise_cfg['again'] else []
        params.append(dict(params=[*module.parameters(), *again]))
"""


@rule(
    "LRD102",
    "parameter-held-twice",
    severity="error",
    bad=Example("optim_wrapper = dict(constructor='HeadAgain', paramwise_cfg=dict(again=True))", _PLUGIN),
    good=Example("optim_wrapper = dict(constructor='HeadAgain', paramwise_cfg=dict(again=False))", _PLUGIN),
)
def parameter_held_twice(context: RuleContext) -> Iterator[Fault]:
    """A tensor is held more than once, by several optimizers or twice in one group.

    Every step updates it once for each time it is held: with twice the rate that was meant, and with two momenta that
    do not know of each other.

    PyTorch refuses a tensor in two groups of one optimizer, but only warns of one that stands twice in the same group,
    and cannot know of a second optimizer. Give each optimizer the parameters of its own part of the model. A
    constructor that goes through modules meets a shared one twice: ``bypass_duplicate=True`` makes mmengine's skip it.
    """
    # One fault for all tensors that are duplicates of their own name.
    again = Counter(duplicate.name for duplicate in context.group_map.duplicates if duplicate.name == duplicate.of)
    if not again:
        return
    most = max(again.values()) + 1
    yield Fault(
        f"{count(len(again), 'tensor')} {verb(len(again), 'is', 'are')} held"
        f" {'twice' if most == 2 else f'up to {most} times'}, and updated as often in each step",
        "give each parameter to one group of one optimizer",
        parameters=again,
    )
