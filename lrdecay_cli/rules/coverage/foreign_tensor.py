"""Rule LRD106: tensor-not-of-the-model."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, count, is_foreign, rule, verb

_PLUGIN = """\
from torch import nn
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class WithTemperature(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        if self.paramwise_cfg['register']:
            module.temperature = nn.Linear(1, 1)
            params.append(dict(params=list(module.parameters())))
        else:
            params.append(dict(params=[*module.parameters(), *nn.Linear(1, 1).parameters()]))
"""


@rule(
    "LRD106",
    "tensor-not-of-the-model",
    severity="warning",
    bad=Example("optim_wrapper = dict(constructor='WithTemperature', paramwise_cfg=dict(register=False))", _PLUGIN),
    good=Example("optim_wrapper = dict(constructor='WithTemperature', paramwise_cfg=dict(register=True))", _PLUGIN),
)
def tensor_not_of_the_model(context: RuleContext) -> Iterator[Fault]:
    """The optimizer holds a tensor that is not a parameter of the model.

    It is trained, but it is not in the model's state dict, so no checkpoint has it: after a resume or in testing its
    trained value is lost. Most often it is a copy, and the parameter that was meant does not train.

    Register the module as a part of the model, and hand over the model's own parameters.
    """
    # One fault for all tensors that are not the model's.
    foreign = [parameter for _, parameter in context.group_map.grouped() if is_foreign(parameter.name)]
    if not foreign:
        return
    yield Fault(
        f"{count(len(foreign), 'tensor')} in the optimizer {verb(len(foreign), 'is', 'are')} not the model's",
        "hand over the parameters of the model itself; register other modules as a part of it",
        parameters=[parameter.name for parameter in foreign],
    )
