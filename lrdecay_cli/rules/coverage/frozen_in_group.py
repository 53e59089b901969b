"""Rule LRD103: frozen-parameter-in-group."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, rule, verb


@rule(
    "LRD103",
    "frozen-parameter-in-group",
    severity="info",
    bad=Example(
        "model = dict(backbone=dict(frozen_stages=1))\n"
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=None)"
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
    # One fault for all frozen parameters in groups.
    frozen = [parameter for _, parameter in context.group_map.grouped() if not parameter.requires_grad]
    if not frozen:
        return
    yield Fault(
        f"{count(len(frozen), 'frozen tensor')} with {count(sum(p.numel for p in frozen), 'parameter')}"
        f" {verb(len(frozen), 'is', 'are')} in groups, and never trained",
        "nothing, if they are meant to be frozen; any option in paramwise_cfg makes mmengine's constructor skip them",
        parameters=[parameter.name for parameter in frozen],
    )
