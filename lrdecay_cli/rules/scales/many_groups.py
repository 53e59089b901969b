"""Rule LRD308: many-small-groups."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.rules.api import OURS, PARAMWISE, Example, Fault, RuleContext, count, rule

MANY = 100


_DEFAULT = "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg="


@rule(
    "LRD308",
    "many-small-groups",
    severity="info",
    bad=Example(f"{_DEFAULT}dict(_delete_=True, norm_decay_mult=0.0))"),
    good=Example(f"{_DEFAULT}None)"),
)
def many_small_groups(context: RuleContext) -> Iterator[Fault]:
    """Hundreds of groups hold one tensor each, although they share a few settings.

    An optimizer works through its groups one by one, so that fused and foreach steps find nothing to put together: a
    step launches hundreds of small kernels. The log and the checkpoint list them all.

    mmengine's default constructor makes a group for every tensor as soon as ``paramwise_cfg`` says anything, and
    mmpretrain's does always. On a large model it costs some percent of the time of a step; a constructor that puts
    equal settings into one group avoids it.
    """
    # One fault for all groups of one tensor.
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
