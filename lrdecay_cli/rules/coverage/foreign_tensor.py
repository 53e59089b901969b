"""The optimizer holds a tensor that is not a parameter of the model.

It is trained, but it is not in the model's state dict, so no checkpoint has it: after a resume or in testing its
trained value is lost. Most often it is a copy, and the parameter that was meant does not train.

Register the module as a part of the model, and hand over the model's own parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.context import RuleContext
from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.map_facts import is_foreign
from lrdecay_cli.rules.wording import count, verb


def check(context: RuleContext) -> Iterator[Fault]:
    """One fault for all tensors that are not the model's."""
    foreign = [parameter for _, parameter in context.group_map.grouped() if is_foreign(parameter.name)]
    if not foreign:
        return
    yield Fault(
        f"{count(len(foreign), 'tensor')} in the optimizer {verb(len(foreign), 'is', 'are')} not the model's",
        "hand over the parameters of the model itself; register other modules as a part of it",
        parameters=[parameter.name for parameter in foreign],
    )


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

RULE = Rule(
    code="LRD106",
    name="tensor-not-of-the-model",
    severity="warning",
    check=check,
    documentation=__doc__,
    bad=Example("optim_wrapper = dict(constructor='WithTemperature', paramwise_cfg=dict(register=False))", _PLUGIN),
    good=Example("optim_wrapper = dict(constructor='WithTemperature', paramwise_cfg=dict(register=True))", _PLUGIN),
)
