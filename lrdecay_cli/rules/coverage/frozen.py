"""Frozen parameters in groups, and an lr of 0 in place of freezing."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.domain.group_map import GroupedParameter
from lrdecay_cli.rules.api import PARAMWISE, Example, Fault, RuleContext, count, rule, verb


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

    It gets no gradient and PyTorch's optimizers skip it, so it does not train; but the group's lr and size say
    otherwise, and it will train at that lr should anything unfreeze it.

    Without ``paramwise_cfg``, mmengine's default constructor hands over all of ``model.parameters()``, frozen stages
    included: that is how most detectors on ResNet are trained. Other constructors skip what is frozen.
    """
    frozen = [parameter for _, parameter in context.group_map.grouped() if not parameter.requires_grad]
    if not frozen:
        return
    yield Fault(
        f"{count(len(frozen), 'frozen tensor')} with {count(sum(p.numel for p in frozen), 'parameter')}"
        f" {verb(len(frozen), 'is', 'are')} in groups, and never trained",
        "nothing, if they are meant to be frozen; any option in paramwise_cfg makes mmengine's constructor skip them",
        parameters=[parameter.name for parameter in frozen],
    )


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
    """Parameters have a learning rate of 0 instead of being frozen.

    They stay as they are, but their gradients are computed and kept, the optimizer holds a state for them, and the
    running statistics of batch norms go on changing, so that what was meant to stay the same does not.

    It comes from ``lr_mult=0``. Freeze them instead: with ``frozen_stages`` of the backbone or with
    ``requires_grad=False``, which saves time and memory too; ``norm_eval=True`` keeps the statistics of batch norms.
    """
    # One fault for each custom key that sets the lr to 0, and one for all that is 0 without a key.
    trainable = [(group, parameter) for group, parameter in context.group_map.grouped() if parameter.requires_grad]
    if all(context.starting_lr(group) == 0 for group, _ in trainable):
        return
    by_key: dict[str | None, list[GroupedParameter]] = {}
    for group, parameter in trainable:
        if context.starting_lr(group) == 0:
            key, mult = context.custom_lr_mult(parameter.name) or (None, 1)
            by_key.setdefault(key if mult == 0 else None, []).append(parameter)
    for key, parameters in by_key.items():
        yield Fault(
            f"{count(len(parameters), 'trainable tensor')} with {count(sum(p.numel for p in parameters), 'parameter')}"
            f" {verb(len(parameters), 'has', 'have')} lr 0{_statistics(context, parameters)}",
            f"freeze {verb(len(parameters), 'it', 'them')}: requires_grad=False, or frozen_stages where the backbone"
            " has it" + (f", in place of lr_mult=0 for {key!r}" if key is not None else ""),
            parameters=[parameter.name for parameter in parameters],
            option="" if key is None else f"{PARAMWISE}.custom_keys.{key}.lr_mult",
        )


def _statistics(context: RuleContext, parameters: list[GroupedParameter]) -> str:
    modules = {parameter.name.rpartition(".")[0] for parameter in parameters}
    owners = [context.group_map.modules[path] for path in modules if path in context.group_map.modules]
    norms = sum("norm" in owner.traits and "BatchNorm" in owner.type for owner in owners)
    return f", and the statistics of {count(norms, 'batch norm')} still move" if norms else ""
