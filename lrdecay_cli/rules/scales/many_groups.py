"""Hundreds of groups hold one tensor each, although they share a few settings.

An optimizer works through its groups one by one, so that fused and foreach steps find nothing to put together: a step
launches hundreds of small kernels. The log and the checkpoint list them all.

mmengine's default constructor makes a group for every tensor as soon as ``paramwise_cfg`` says anything, and
mmpretrain's does always. On a large model it costs some percent of the time of a step; a constructor that puts equal
settings into one group avoids it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.rules.context import OURS, PARAMWISE, RuleContext
from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.wording import count

MANY = 100


def check(context: RuleContext) -> Iterator[Fault]:
    """One fault for all groups of one tensor."""
    groups = context.group_map.groups
    single = [group for group in groups if len(group.parameters) == 1]
    settings = {(group.lr, group.lr_scale, group.weight_decay, repr(group.options)) for group in groups}
    if len(single) < MANY or len(settings) * 2 > len(groups):
        return
    yield Fault(
        f"{count(len(groups), 'group')}, {'all' if len(single) == len(groups) else f'{len(single):,}'} of one tensor, "
        f"have only {count(len(settings), 'different setting')}",
        f"a constructor that puts equal settings into one group makes {len(settings)}"
        + ("" if context.constructor == MMENGINE_DEFAULT else f"; {OURS} does"),
        option=PARAMWISE if context.constructor == MMENGINE_DEFAULT else "optim_wrapper.constructor",
    )


_DEFAULT = "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg="
RULE = Rule(
    code="LRD308",
    name="many-small-groups",
    severity="info",
    check=check,
    documentation=__doc__,
    bad=Example(f"{_DEFAULT}dict(_delete_=True, norm_decay_mult=0.0))"),
    good=Example(f"{_DEFAULT}None)"),
)
