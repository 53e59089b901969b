"""Rules about groups: unusable lrs, an ``lr_scale`` that contradicts the lr, too many groups, and the lr in the log."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrdecay_cli.domain.group_map import ParameterGroup
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.rules.api import (
    OURS,
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    count,
    listed,
    rate,
    rule,
    span,
    verb,
)


def _mismatched(context: RuleContext) -> list[ParameterGroup]:
    """Return the groups whose lr is not base lr × ``lr_scale``."""
    base = context.starting_base_lr
    if context.group_map.checkpoint is not None:
        return []
    return [
        group
        for group in context.group_map.groups
        if base is not None
        and group.lr is not None
        and group.lr_scale is not None
        and not group.has_lr(group.lr_scale * base)
        and math.isfinite(group.lr)
    ]


_HALF_BACKBONE = """\
$CONSTRUCTOR
class HalfBackbone($DEFAULT):
    def add_params(self, params, module, **kwargs):
        params.append(dict(params=module.head.parameters()))
        params.append(dict(params=module.backbone.parameters(), lr_scale=0.5, **self.paramwise_cfg['more']))
"""
_HALF = "optim_wrapper = dict(constructor='HalfBackbone', paramwise_cfg=dict(_delete_=True, more={}))"


@rule(
    "LRD304",
    "lr-not-scaled",
    severity="error",
    bad=Example(_HALF.format("dict(lr=2e-5)"), _HALF_BACKBONE),
    good=Example(_HALF.format("dict(lr=5e-5)"), _HALF_BACKBONE),
    yields_to=("LRD209", "LRD306"),
)
def lr_not_scaled(context: RuleContext) -> Iterator[Fault]:
    """A group's lr differs from its ``lr_scale`` × base lr.

    Either the lr or the ``lr_scale`` of the group is wrong. The optimizer uses the lr, but the constructor's log, and
    schedules computed from ``lr_scale``, show another lr.

    A group's lr differs from ``lr_scale`` × base lr if the constructor changes one of the two after it computed both,
    or if the map was edited.
    """
    base, groups = context.starting_base_lr, _mismatched(context)
    if base is None or not groups or all(group.has_lr(base) for group in groups):
        return
    first = groups[0]
    scaled = rate((first.lr_scale or 0) * base)
    yield Fault(
        f"the lr of {count(len(groups), 'group')} is not lr_scale × base lr:"
        f" {first.name} has {rate(first.lr or 0)}, but {rate(first.lr_scale or 0)} × {rate(base)} is {scaled}",
        f"set the lr of {first.name} to {scaled}"
        + (f", or its lr_scale to {rate((first.lr or 0) / base)}" if base else ""),
        parameters=[parameter.name for group in groups for parameter in group.parameters],
    )


@rule(
    "LRD305",
    "lr-scale-without-lr",
    severity="error",
    bad=Example(_HALF.format("{}"), _HALF_BACKBONE),
    good=Example(_HALF.format("dict(lr=5e-5)"), _HALF_BACKBONE),
)
def lr_scale_without_lr(context: RuleContext) -> Iterator[Fault]:
    """Groups have an ``lr_scale``, but their lr is the base lr.

    No optimizer and no mmengine scheduler reads ``lr_scale``, so these groups train at the base lr, without layer
    decay.

    Constructors from MAE and timm write only ``lr_scale`` into groups, because the training loops of these projects
    multiply the lr by ``lr_scale``. For mmengine, set ``lr`` to base lr × ``lr_scale`` in the constructor.

    In your own program, timm's ``param_groups_layer_decay`` and ``create_optimizer_v2(layer_decay=…)`` give groups an
    ``lr_scale``. Only timm's schedulers multiply the lr by ``lr_scale``, when they are built. With torch's schedulers,
    Lightning, or the Trainer of transformers, every group trains at the same lr.
    """
    base, groups = context.starting_base_lr, _mismatched(context)
    if base is None or not groups or any(not group.has_lr(base) for group in groups):
        return
    scales = span(group.lr_scale or 0 for group in groups)
    live = context.group_map.live
    schedulers = listed(each.name for each in live.schedulers) if live else ""
    reason = f": {schedulers} does not read lr_scale" if schedulers else ""
    yield Fault(
        f"{count(len(groups), 'group')} {verb(len(groups), 'has', 'have')} lr_scale {scales}, but"
        f" {verb(len(groups), 'its', 'their')} lr is the base lr {rate(base)}{reason}",
        f"set group['lr'] = group['lr'] * group['lr_scale'] in {verb(len(groups), 'this group', 'these groups')} before"
        " the scheduler is built, or use a scheduler of timm.scheduler, which does this in every group"
        if live
        else f"make {context.constructor_label} set lr = lr_scale * base lr in each group",
        parameters=[parameter.name for group in groups for parameter in group.parameters],
        option="optim_wrapper.constructor",
    )


_DEFAULT = "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg="


@rule(
    "LRD306",
    "unusable-lr",
    severity="error",
    bad=Example(f"{_DEFAULT}dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=-0.1))))"),
    good=Example(f"{_DEFAULT}dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.1))))"),
    yields_to=("LRD302",),
)
def unusable_lr(context: RuleContext) -> Iterator[Fault]:
    """A learning rate is negative, infinite or NaN, or all learning rates are 0.

    A negative lr increases the loss. An lr of NaN or infinity destroys the weights in the first step. If every lr is 0,
    nothing trains.

    PyTorch checks the default lr of an optimizer, but not the lr that a constructor sets for a group.
    """
    lrs = [(group, group.lr) for group in context.group_map.groups if group.lr is not None]
    wrong = [(group, lr) for group, lr in lrs if not math.isfinite(lr) or lr < 0]
    if wrong:
        numbers = [lr for _, lr in wrong if math.isfinite(lr)]
        odd = dict.fromkeys(str(lr) for _, lr in wrong if not math.isfinite(lr))
        values = ", ".join([*odd, *([span(numbers)] if numbers else [])])
        yield Fault(
            f"{count(len(wrong), 'group')} {verb(len(wrong), 'has', 'have')} lr {values}",
            "set every lr to a positive number",
            parameters=[parameter.name for group, _ in wrong for parameter in group.parameters],
        )
    groups = [group for group, _ in lrs]
    trainable = [p for group in groups for p in group.parameters if p.requires_grad]
    if trainable and not any(map(context.starting_lr, groups)):
        yield Fault(
            f"lr is 0 in {verb(len(groups), 'the only group', f'all {len(groups)} groups')}: nothing trains",
            "set the optimizer's lr to a positive number; a warm-up starts from a fraction of this lr",
            parameters=[p.name for p in trainable],
            option="optim_wrapper.optimizer.lr",
        )


_LEAST_LR = 1e-10
_LEAST_SCALE = 1e-6


@rule(
    "LRD307",
    "lr-underflow",
    severity="warning",
    bad=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.1))"),
    good=Example("optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))"),
    yields_to=("LRD203", "LRD206"),
)
def lr_underflow(context: RuleContext) -> Iterator[Fault]:
    """A learning rate is so small that its updates vanish in rounding.

    A step of Adam is about as large as the lr. In single precision, a step below about 1e-9 does not change a weight of
    0.02. In half precision, even steps that are thousands of times larger change nothing. A group map does not record
    the precision of parameters, so LRD307 assumes single precision.

    An lr becomes too small through layer decay over many layers, or if several factors multiply the lr. Raise the decay
    rate, or freeze layers that should not train.
    """
    lrs = [(group, context.starting_lr(group) or 0.0) for group in context.group_map.groups]
    small = [
        (group, lr)
        for group, lr in lrs
        if lr > 0
        and any(parameter.requires_grad for parameter in group.parameters)
        and (lr < _LEAST_LR or (group.lr_scale is not None and 0 < group.lr_scale < _LEAST_SCALE))
    ]
    if not small:
        return
    scales = [group.lr_scale for group, _ in small if group.lr_scale is not None]
    scaled = f" (lr scale {span(scales)})" if scales else ""
    yield Fault(
        f"{count(len(small), 'group')} {verb(len(small), 'has', 'have')} lr"
        f" {span(lr for _, lr in small)}{scaled}: too small to change a weight",
        f"raise {context.decay_option}={context.decay_rate:g} towards 1, or freeze these layers"
        if context.decay_option and context.decay_rate is not None
        else "raise the lr, or freeze parameters that should not train",
        parameters=[p.name for group, _ in small for p in group.parameters if p.requires_grad],
        option=f"{PARAMWISE}.{context.decay_option}" if context.decay_option else "",
    )


_MANY = 100


@rule(
    "LRD308",
    "many-small-groups",
    severity="info",
    bad=Example(f"{_DEFAULT}dict(_delete_=True, norm_decay_mult=0.0))"),
    good=Example(f"{_DEFAULT}None)"),
)
def many_small_groups(context: RuleContext) -> Iterator[Fault]:
    """Hundreds of groups contain one tensor each, although many of these groups have equal settings.

    Optimizers process one group at a time, so fused and foreach implementations cannot process several tensors in one
    kernel. Each step launches hundreds of small kernels. The log and the checkpoint list every group.

    mmengine's default constructor builds one group per tensor if ``paramwise_cfg`` has any option. mmpretrain's
    constructor always builds one group per tensor. On a large model, these groups make a step a few percent slower. A
    constructor that puts all tensors with equal settings into one group avoids this cost.
    """
    groups = context.group_map.groups
    single = [group for group in groups if len(group.parameters) == 1]
    settings = {(group.lr, group.lr_scale, group.weight_decay, repr(group.options)) for group in groups}
    if len(single) < _MANY or len(settings) * 2 > len(groups):
        return
    yield Fault(
        f"{count(len(groups), 'group')} ({'all' if len(single) == len(groups) else f'{len(single):,}'} with a single"
        f" tensor) have only {count(len(settings), 'different setting')}",
        f"merge groups of equal settings into {len(settings)}"
        if context.group_map.live
        else f"use a constructor that merges groups of equal settings into {len(settings)}"
        + (f", such as {OURS.label}" if context.spec.decays_layers else ""),
        option="optim_wrapper.constructor" if context.spec.decays_layers else PARAMWISE,
    )


@rule(
    "LRD309",
    "log-shows-one-lr",
    severity="info",
    bad=Example(f"{_DEFAULT}dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.1))))"),
    good=Example(f"{_DEFAULT}dict(_delete_=True, custom_keys=dict(head=dict(lr_mult=2.0))))"),
    yields_to=("LRD209", "LRD302", "LRD306"),
)
def log_shows_one_lr(context: RuleContext) -> Iterator[Fault]:
    """The log prints only the lr of the first group, but other groups have another lr.

    The ``lr`` in mmengine's log is the lr of the first group only. If the first group is a slow backbone, the log may
    show 2e-5 while the head trains at 2e-4, and people tune the wrong number.

    Newer versions of mmengine also log ``base_lr``. This is the optimizer's lr in the config, without the factor of
    ``auto_scale_lr``. ``lrdecay inspect`` shows the lr of every group.
    """
    base, groups = context.starting_base_lr, context.group_map.groups
    first = context.starting_lr(groups[0]) if groups else None
    if context.group_map.live or base is None or first is None or alike(first, base, groups[0].precision("lr")):
        return
    lrs = [lr for group in groups if (lr := context.starting_lr(group)) is not None]
    others = [lr for lr in lrs if not math.isclose(lr, first)]
    if not others:
        return
    factor = context.group_map.lr_factor
    scaled = f" × {factor:g} (auto_scale_lr)" if factor != 1 else ""
    yield Fault(
        f"the log prints lr {rate(first)} of group {groups[0].name}; base lr{scaled} is {rate(base)}, and other groups"
        f" have up to {rate(max(others))}",
        "run lrdecay inspect to see the lr of every group: auto_scale_lr does not scale base_lr in the log"
        if scaled
        else "read base_lr in the log, or run lrdecay inspect to see the lr of every group",
        parameters=[parameter.name for parameter in groups[0].parameters],
        option="optim_wrapper.paramwise_cfg",
    )
