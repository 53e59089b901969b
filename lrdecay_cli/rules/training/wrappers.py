"""Rules about model wrappers that change the groups. mmengine wraps the model before it builds the groups."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from lrdecay_cli.domain.training import Wrapping
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    count,
    listed,
    rate,
    rule,
    set_option,
)

_WHOLE = "sharding_strategy='NO_SHARD'"
_FSDP = "model_wrapper_cfg = dict(type='MMFullyShardedDataParallel', {})"
_UNWRAPPED = """\
$CONSTRUCTOR
class OwnConstructor($DEFAULT):
    def __call__(self, model):
        {take}return super().__call__(model.backbone)
"""
_OWN = (
    "optim_wrapper = dict(constructor='OwnConstructor', paramwise_cfg=dict(_delete_=True))\n"
    "model_wrapper_cfg = dict(type='MMDistributedDataParallel')"
)


@rule(
    "LRD820",
    "flat-parameters",
    severity="error",
    bad=Example(_FSDP.format("use_orig_params=False")),
    good=Example(_FSDP.format("use_orig_params=True, sharding_strategy='NO_SHARD'")),
)
def flat_parameters(context: RuleContext) -> Iterator[Fault]:
    """FSDP merges parameters of several groups into one flat parameter with a single lr and weight decay.

    The constructor receives one flat tensor instead of the separate parameters, so layer decay, lr multipliers and
    weight-decay exemptions have no effect.

    mmengine wraps the model in FSDP before it builds the optimizer. With ``use_orig_params=False``, FSDP replaces the
    parameters of each unit by one flat parameter. With ``use_orig_params=True``, the default of mmengine's wrapper,
    FSDP keeps the original parameters.

    lrdecay wraps the model with the real wrapper class, in a PyTorch process group without communication, and runs the
    constructor on the wrapped model.
    """
    wrapping = context.group_map.wrapping
    if not wrapping or wrapping.refused or not wrapping.flat:
        return
    flat = {*wrapping.flat}
    changed = [name for name in _changed(context, wrapping) if name in flat]
    if changed:
        lrs = {group.lr for group in wrapping.groups if flat & {*group.parameters}}
        # FSDP cuts other parameters into 1-D pieces, which such constructors exempt: LRD821.
        by_dimension = context.spec.decays_layers or "flat_decay_mult" in context.options
        planned = {group.lr for group, parameter in context.group_map.grouped() if parameter.name in flat}
        yield Fault(
            f"{wrapping.type} merges {count(len(flat), 'tensor')} with {count(len(planned), 'lr')} into flat"
            f" parameters: all train at {listed(rate(lr) for lr in sorted(lr for lr in lrs if lr is not None))}",
            f"set {wrapping.option}.use_orig_params=True{' and ' + _WHOLE if by_dimension else ''}",
            parameters=changed,
            option=f"{wrapping.option}.use_orig_params",
            edits=[
                set_option(f"{wrapping.option}.use_orig_params", True),
                *([set_option(f"{wrapping.option}.sharding_strategy", "NO_SHARD")] if by_dimension else []),
            ],
        )


@rule(
    "LRD821",
    "groups-changed-by-wrapper",
    severity="error",
    bad=Example(_FSDP.format("use_orig_params=True")),
    good=Example(_FSDP.format("use_orig_params=True, sharding_strategy='NO_SHARD'")),
)
def groups_changed_by_wrapper(context: RuleContext) -> Iterator[Fault]:
    """After the model is wrapped, the constructor gives some tensors another lr or weight decay.

    The group map shows the groups of the unwrapped model, but a distributed training uses the groups of the wrapped
    model.

    FSDP cuts parameters into 1-D pieces before the optimizer is built. Some constructors exempt 1-D tensors from weight
    decay: the layer decay constructors of mmdet and mmpretrain, and mmengine's with ``flat_decay_mult``. These
    constructors then exempt every parameter. ``sharding_strategy='NO_SHARD'`` keeps the dimensions. ``norm_decay_mult``
    and ``bias_decay_mult`` of mmengine's constructor do not depend on dimensions.

    A model wrapper that wraps only parts of the model changes parameter names
    (``backbone._fsdp_wrapped_module.stages``, ``generator.module.conv``). Custom keys and layer ids then no longer
    match the names.
    """
    wrapping = context.group_map.wrapping
    if not wrapping or wrapping.refused:
        return
    flat, changed = {*wrapping.flat}, _changed(context, wrapping)
    for number, number_label in (("lr", "lr"), ("weight_decay", "weight decay")):
        names = [name for name, changes in changed.items() if number in changes and name not in flat]
        if names:
            before, after = changed[names[0]][number]
            yield Fault(
                f"{wrapping.type} changes the {number_label} of {count(len(names), 'tensor')}: {names[0]} has"
                f" {_shown(after)} instead of {_shown(before)}",
                f"set {wrapping.option}.sharding_strategy='NO_SHARD'"
                if "Sharded" in wrapping.type
                else "use a constructor that reads the parameter names from model.module",
                parameters=names,
                option=wrapping.option,
                about=number,
                edits=[set_option(f"{wrapping.option}.sharding_strategy", "NO_SHARD")]
                if "Sharded" in wrapping.type
                else (),
            )


@rule(
    "LRD822",
    "wrapped-model-refused",
    severity="error",
    bad=Example(_OWN, plugin=_UNWRAPPED.format(take="")),
    good=Example(_OWN, plugin=_UNWRAPPED.format(take="model = getattr(model, 'module', model)\n        ")),
)
def wrapped_model_refused(context: RuleContext) -> Iterator[Fault]:
    """The model wrapper refuses the model, or the constructor raises on the wrapped model.

    A training on several GPUs raises before its first iteration. A training on one GPU is not affected.

    The constructor receives the wrapped model, which has no ``model.backbone``: DistributedDataParallel stores the
    model as ``.module``. FSDP with ``use_orig_params=False`` refuses a unit that mixes frozen and trainable parameters.
    """
    wrapping = context.group_map.wrapping
    if wrapping and wrapping.refused == "constructor":
        yield Fault(
            f"the constructor raises on the model wrapped in {wrapping.type}: {wrapping.failure}",
            "use model.module if mmengine.model.is_model_wrapper(model)",
            parameters=context.group_map.names(),
            option="optim_wrapper.constructor",
        )
    elif wrapping and wrapping.refused:
        flat = "uniform `requires_grad`" in (wrapping.failure or "")
        yield Fault(
            f"{wrapping.type} refuses the model: {wrapping.failure}",
            f"set {wrapping.option}.use_orig_params=True" if flat else f"change or remove {wrapping.option}",
            parameters=context.group_map.names(),
            option=wrapping.option,
            edits=[set_option(f"{wrapping.option}.use_orig_params", True)] if flat else (),
        )


def _changed(context: RuleContext, wrapping: Wrapping) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """Return the lrs and weight decays that the wrapper changes, with their values before and after wrapping.

    For example, ``{'neck.conv.weight': {'weight_decay': (0.05, 0.0)}}``.
    """
    groups = context.group_map.groups
    # If several optimizers hold a tensor, the first counts, as in the map; optimizers that take turns are separate.
    by_turn = bool(context.group_map.optimizer.turns) and len(groups) == len(wrapping.groups)
    after = {
        (number if by_turn else 0, name): group
        for number, group in reversed([*enumerate(wrapping.groups)])
        for name in group.parameters
    }
    changed = {}
    members = [(number, group, each.name) for number, group in enumerate(groups) for each in group.parameters]
    for number, group, name in members:
        wrapped = after.get((number if by_turn else 0, name))
        if wrapped is None:
            continue
        numbers = {"lr": (group.lr, wrapped.lr), "weight_decay": (group.weight_decay, wrapped.weight_decay)}
        differing = {key: pair for key, pair in numbers.items() if not _same(*pair)}
        if differing:
            changed[name] = differing
    return changed


def _same(first: float | None, second: float | None) -> bool:
    return first == second or (first is not None and second is not None and isclose(first, second))


def _shown(value: float | None) -> str:
    return "none" if value is None else rate(value)
