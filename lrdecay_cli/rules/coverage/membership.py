"""Rules about parameters that are in no group, in several groups, or in a group but not trained."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from lrdecay_cli.domain.group_map import GroupedParameter, GroupMap
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, rule, verb

_TWO = """\
$CONSTRUCTOR
class TwoGroups($DEFAULT):
    def add_params(self, params, module, **kwargs):
        for part, mult in self.paramwise_cfg['parts'].items():
            params.append(dict(params=getattr(module, part).parameters(), lr=self.base_lr * mult))
"""
_TWO_GROUPS = "optim_wrapper = dict(constructor='TwoGroups', paramwise_cfg=dict(parts=dict({})))"


@rule(
    "LRD101",
    "parameter-in-no-group",
    severity="error",
    bad=Example(_TWO_GROUPS.format("backbone=0.1"), _TWO),
    good=Example(_TWO_GROUPS.format("backbone=0.1, head=1.0"), _TWO),
)
def parameter_in_no_group(context: RuleContext) -> Iterator[Fault]:
    """A trainable parameter is in no group, so the optimizer never updates it.

    A parameter in no group keeps its initial value for the whole run. Its gradient is still computed, and no warning
    appears.

    Parameters are in no group if the constructor builds groups from a list of names or modules and leaves out all other
    parameters. Add a group for the other parameters. To exclude a parameter on purpose, freeze it: set
    ``requires_grad=False`` or an option of the module, such as ``frozen_stages``.

    LRD101 does not report moving averages of parameters: mmengine's averaged models, and the modules listed in
    ``module_keys`` of mmagic's ``ExponentialMovingAverageHook``.
    """
    trained = [tensor for tensor in context.group_map.tensors() if tensor.trainable and not tensor.averaged]
    missing = [tensor for tensor in trained if tensor.state == "missing"]
    if not missing:
        return
    elements = sum(parameter.numel for parameter in missing)
    thawed = sum(tensor.by_train for tensor in missing)
    trainable = sum(tensor.numel for tensor in trained if not tensor.foreign)
    share = f" with {100 * elements / trainable:.2g}% of the trainable parameters" if trainable > elements else ""
    if not context.group_map.groups:
        yield Fault(
            f"{context.constructor_label} builds no optimizer: {count(len(missing), 'trainable tensor')}"
            f" {verb(len(missing), 'is', 'are')} never updated",
            "add a parameter group to the optimizer"
            if context.group_map.live
            else "configure an optimizer in optim_wrapper for each part of the model",
            parameters=[parameter.name for parameter in missing],
        )
        return
    yield Fault(
        f"{count(len(missing), 'trainable tensor')}{share} {verb(len(missing), 'is', 'are')} in no parameter group"
        + (f": train() unfreezes {thawed} of these tensors after the optimizer is built" if thawed else ""),
        f"make {context.constructor_label} put {verb(len(missing), 'it', 'them')} into a group, or set"
        " requires_grad=False for parameters that should not train",
        parameters=[parameter.name for parameter in missing],
    )


_HEAD_AGAIN = """\
$CONSTRUCTOR
class HeadAgain($DEFAULT):
    def add_params(self, params, module, **kwargs):
        again = list(module.head.parameters()) if self.paramwise_cfg['again'] else []
        params.append(dict(params=[*module.parameters(), *again]))
"""


@rule(
    "LRD102",
    "parameter-held-twice",
    severity="error",
    bad=Example("optim_wrapper = dict(constructor='HeadAgain', paramwise_cfg=dict(again=True))", _HEAD_AGAIN),
    good=Example("optim_wrapper = dict(constructor='HeadAgain', paramwise_cfg=dict(again=False))", _HEAD_AGAIN),
)
def parameter_held_twice(context: RuleContext) -> Iterator[Fault]:
    """A tensor is in several optimizers, or twice in one group.

    If a tensor is twice in a group, each step updates it twice, so its effective lr doubles. If two optimizers have the
    same tensor, each optimizer updates it with its own momentum.

    PyTorch raises an error if a tensor is in two groups of one optimizer. It only warns if a tensor is twice in one
    group, and it does not compare different optimizers. Give each optimizer the parameters of its own part of the
    model.

    If two modules share a tensor, a constructor that iterates over modules adds the tensor twice. Set
    ``bypass_duplicate=True`` to make mmengine's constructor skip the second occurrence.
    """
    again = {tensor.name: tensor.times for tensor in context.group_map.tensors() if tensor.group and tensor.times > 1}
    if not again:
        return
    most = max(again.values())
    times = "twice" if most == 2 else f"up to {most} times"
    yield Fault(
        f"{count(len(again), 'tensor')} {verb(len(again), 'is', 'are')} in groups"
        f" {times}, so each step updates {verb(len(again), 'it', 'them')} {times}",
        "put each parameter into one group of one optimizer",
        parameters=again,
    )


@rule(
    "LRD103",
    "frozen-parameter-in-group",
    severity="info",
    bad=Example(
        "model = dict(backbone=dict(frozen_stages=1))\noptim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=None)"
    ),
    good=Example("model = dict(backbone=dict(frozen_stages=1))"),
)
def frozen_parameter_in_group(context: RuleContext) -> Iterator[Fault]:
    """A frozen parameter is in a group.

    A frozen parameter gets no gradient, so PyTorch's optimizers skip it. But the size and lr of its group suggest that
    it trains. If the parameter is unfrozen later, it trains at the group's lr.

    Without ``paramwise_cfg``, mmengine's default constructor passes all ``model.parameters()`` to the optimizer,
    including the parameters of frozen stages. Most detectors with a ResNet backbone are trained with this constructor.
    Other constructors skip parameters that are frozen when the optimizer is built.

    Swin, CSPDarknet, CSPNeXt, Darknet, MobileNetV2 and EfficientNet apply ``frozen_stages`` in ``train()``. The
    training loop calls ``train()`` after the optimizer is built, so no constructor can skip these frozen parameters.
    Logs that list the groups when the optimizer is built show these parameters as trainable. LRD819 reports them if
    DistributedDataParallel waits for their gradients.
    """
    frozen = [tensor for tensor in context.group_map.tensors() if tensor.state == "frozen_in_group"]
    built, by_train = ([tensor for tensor in frozen if tensor.by_train is later] for later in (False, True))
    if built:
        yield Fault(
            f"{count(len(built), 'frozen tensor')} with {count(sum(p.numel for p in built), 'parameter')}"
            f" {verb(len(built), 'is', 'are')} in groups but never trained",
            "change nothing if the freezing is intended; otherwise set requires_grad=True"
            if context.group_map.live
            else "change nothing if the freezing is intended; to keep frozen tensors out of the groups, set any option"
            " of paramwise_cfg",
            parameters=[tensor.name for tensor in built],
        )
    if by_train:
        yield Fault(
            f"train() freezes {count(len(by_train), 'tensor')} with"
            f" {count(sum(p.numel for p in by_train), 'parameter')} after the optimizer is built: they are in groups"
            " but never trained",
            f"{_if_intended(context)}; if it is not intended, set the backbone's frozen_stages=-1",
            parameters=[tensor.name for tensor in by_train],
            about="train()",
        )


def _if_intended(context: RuleContext) -> str:
    """Return what to do if the model freezes parameters in ``train()`` on purpose.

    LRD819 reports DistributedDataParallel without ``find_unused_parameters=True``; other wrappers lack this option.
    """
    unused, wrapping = context.group_map.training.unused_parameters, context.group_map.wrapping
    option = unused.option if unused else "find_unused_parameters"
    if wrapping and "DistributedDataParallel" not in wrapping.type:
        return "if the freezing is intended, change nothing"
    if unused and unused.found:
        return f"if the freezing is intended, change nothing, because the config sets {option}=True"
    return f"if the freezing is intended, change nothing, but set {option}=True on several GPUs"


_DEFAULT = "optim_wrapper = dict(constructor='$DEFAULT', paramwise_cfg=dict("


@rule(
    "LRD104",
    "lr-zero-as-frozen",
    severity="warning",
    bad=Example(f"{_DEFAULT}_delete_=True, custom_keys=dict(stages=dict(lr_mult=0, decay_mult=0))))"),
    good=Example(f"model = dict(backbone=dict(frozen_stages=4))\n{_DEFAULT}_delete_=True, norm_decay_mult=0.0))"),
    yields_to=("LRD302", "LRD306"),
)
def lr_zero_as_frozen(context: RuleContext) -> Iterator[Fault]:
    """Parameters have lr 0 instead of being frozen.

    At lr 0, gradients are still computed and stored, the optimizer keeps state for the parameters, and running
    statistics of batch norms still change.

    The usual cause of lr 0 is ``lr_mult=0``. Freeze the parameters instead, with the backbone's ``frozen_stages`` or
    with ``requires_grad=False``. Freezing also saves time and memory. ``norm_eval=True`` freezes the statistics of
    batch norms. LRD804 reports optimizers that update parameters even at lr 0.
    """
    # One fault for each custom key that sets the lr to 0, and one for all other groups at lr 0.
    trainable = [(group, parameter) for group, parameter in context.group_map.grouped() if parameter.requires_grad]
    if all(context.starting_lr(group) == 0 for group, _ in trainable):
        return
    # LRD804 reports groups that the optimizer updates at lr 0.
    moved = {group.name for each in context.optimizers for group in each.groups if each.moves_at_zero(group)}
    by_key: dict[str | None, dict[str, GroupedParameter]] = {}
    for group, parameter in trainable:
        if context.starting_lr(group) == 0 and group.name not in moved:
            key, mult = context.custom_lr_mult(parameter.name) or (None, 1)
            by_key.setdefault(key if mult == 0 else None, {})[parameter.name] = parameter
    for key, by_name in by_key.items():
        parameters = by_name.values()
        modules = {parameter.name.rpartition(".")[0] for parameter in parameters}
        owners = [module for path, module in context.group_map.modules.items() if path in modules]
        norms = sum("norm" in owner.traits and "BatchNorm" in owner.type for owner in owners)
        statistics = f", and the statistics of {count(norms, 'batch norm')} still change" if norms else ""
        yield Fault(
            f"{count(len(parameters), 'trainable tensor')} with {count(sum(p.numel for p in parameters), 'parameter')}"
            f" {verb(len(parameters), 'has', 'have')} lr 0{statistics}",
            f"freeze {verb(len(parameters), 'it', 'them')} with requires_grad=False, or with frozen_stages if the"
            " backbone has it" + (f", and remove lr_mult=0 from custom key {key!r}" if key is not None else ""),
            parameters=[parameter.name for parameter in parameters],
            option="" if key is None else f"{PARAMWISE}.custom_keys.{key}.lr_mult",
        )


def _without_the_last_group(group_map: GroupMap) -> GroupMap:
    return msgspec.structs.replace(group_map, groups=group_map.groups[:-1])


_EXPORT = "export the map again: lrdecay inspect CONFIG --format json"


@rule(
    "LRD105", "totals-do-not-add-up", severity="error", bad=Example("", edit=_without_the_last_group), good=Example("")
)
def totals_do_not_add_up(context: RuleContext) -> Iterator[Fault]:
    """The names, sizes or totals in the group map do not match the parameters of the model.

    The group map was edited, or assembled by hand. It may differ from the real groups, so all findings for this map may
    be wrong.

    Export the group map again with ``lrdecay inspect CONFIG --format json``.
    """
    # One fault each for names, sizes and totals.
    group_map = context.group_map
    own = [tensor for tensor in group_map.tensors() if not tensor.foreign]
    accounted, registered = {tensor.name for tensor in own}, {*group_map.registered}
    # A checkpoint without its config has no modules.
    nowhere = registered - accounted
    if nowhere:
        yield Fault(
            f"the map lists {count(len(nowhere), 'tensor')} of the model neither in a group nor as frozen, missing or"
            " duplicate",
            _EXPORT,
            nowhere,
        )
    unknown = accounted - registered if registered else set()
    if unknown:
        belong = verb(len(unknown), "belongs", "belong")
        yield Fault(f"{count(len(unknown), 'tensor')} of the map {belong} to no module of the model", _EXPORT, unknown)
    sizes = [t.name for t in own if t.state != "duplicate" and math.prod(t.shape) != t.numel]
    if sizes:
        yield Fault(f"the map's shape and numel disagree for {count(len(sizes), 'tensor')}", _EXPORT, sizes)
    wrong = list(_wrong_totals(group_map))
    if wrong and not (nowhere or unknown or sizes):
        yield Fault(f"the map's totals do not add up: {'; '.join(wrong)}", _EXPORT, option="model.totals")


def _wrong_totals(group_map: GroupMap) -> Iterator[str]:
    grouped = [tensor for tensor in group_map.tensors() if tensor.group and not tensor.foreign]
    summed = {"tensors": 0, "parameters": 0, "duplicate_names": len(group_map.duplicates)}
    for state, tensors in (("grouped", grouped), ("frozen", group_map.frozen), ("missing", group_map.missing)):
        summed[f"{state}_tensors"], summed[f"{state}_parameters"] = len(tensors), sum(t.numel for t in tensors)
        summed["tensors"] += summed[f"{state}_tensors"]
        summed["parameters"] += summed[f"{state}_parameters"]
    for key, stated in msgspec.structs.asdict(group_map.model.totals).items():
        if stated != summed[key]:
            yield f"the total of {key.replace('_', ' ')} is {stated:,}, but the map lists {summed[key]:,}"


_TEMPERATURE = """\
from torch import nn
$CONSTRUCTOR
class WithTemperature($DEFAULT):
    def add_params(self, params, module, **kwargs):
        if self.paramwise_cfg['register']:
            module.temperature = nn.Linear(1, 1)
            params.append(dict(params=list(module.parameters())))
        else:
            params.append(dict(params=[*module.parameters(), *nn.Linear(1, 1).parameters()]))
"""
_WITH_TEMPERATURE = "optim_wrapper = dict(constructor='WithTemperature', paramwise_cfg=dict(register={}))"


@rule(
    "LRD106",
    "tensor-not-of-the-model",
    severity="warning",
    bad=Example(_WITH_TEMPERATURE.format(False), _TEMPERATURE),
    good=Example(_WITH_TEMPERATURE.format(True), _TEMPERATURE),
)
def tensor_not_of_the_model(context: RuleContext) -> Iterator[Fault]:
    """The optimizer trains a tensor that is not a parameter of the model.

    The optimizer updates the tensor, but the model's state dict and every checkpoint lack it, so its trained value is
    lost when you resume or test. Often the tensor is a copy of a parameter, and the parameter itself does not train.

    Register the module that owns the tensor as a submodule of the model, and pass the model's own parameters to the
    optimizer.
    """
    foreign = [tensor.name for tensor in context.group_map.tensors() if tensor.foreign]
    if not foreign:
        return
    yield Fault(
        f"{count(len(foreign), 'tensor')} in the optimizer {verb(len(foreign), 'does', 'do')} not belong to the model",
        "pass the model's own parameters to the optimizer; register other modules as submodules of the model",
        parameters=foreign,
    )
