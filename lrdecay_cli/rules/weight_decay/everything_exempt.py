"""Rule LRD407: everything-exempt."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, key_option, rule

_PLUGIN = """\
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class KnownNames(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        known = self.paramwise_cfg['decayed']
        for name, parameter in module.named_parameters():
            decayed = parameter.ndim > 1 and name.startswith(tuple(known))
            params.append(dict(params=[parameter], weight_decay=self.base_wd if decayed else 0.0))
"""


@rule(
    "LRD407",
    "everything-exempt",
    severity="error",
    bad=Example(
        "optim_wrapper = dict(constructor='KnownNames', paramwise_cfg=dict(_delete_=True, decayed=['stages.']))",
        plugin=_PLUGIN,
    ),
    good=Example(
        "optim_wrapper = dict(constructor='KnownNames',\n"
        "    paramwise_cfg=dict(_delete_=True, decayed=['backbone.', 'head.']))",
        plugin=_PLUGIN,
    ),
)
def everything_exempt(context: RuleContext) -> Iterator[Fault]:
    """No weight is decayed although the config gives the optimizer a weight decay.

    The model trains without the regularisation that the config asks for, and nothing in the log says so.

    It happens when a constructor puts whatever it does not know into a group without weight decay, or when a custom key
    with ``decay_mult=0`` is part of every name (``e``, ``weight``). A whole module (backbone, neck, head) that is at 0
    while others are not is reported too, unless a custom key names it.
    """
    # One fault for the whole model, or one for each module of it that is at 0 unnamed.
    base = context.group_map.base_weight_decay
    # A weight has more than one dimension, and is of no kind that is usually exempt.
    weights = {
        name: weight_decay
        for name, weight_decay in context.weight_decays.items()
        if name not in context.kinds and len(context.entries[name].parameter.shape) > 1
    }
    if not base or not weights:
        return
    remedy = "give weights the optimizer's weight decay, and exempt parameters by name"
    if not any(weights.values()):
        keys = [key for key, matches in context.custom_keys.items() if not weights.keys().isdisjoint(matches.wins)]
        yield Fault(
            f"all {len(weights):,} weights have weight decay 0, although the optimizer is given {base:g}",
            f"custom key {keys[0]!r} reaches them: name what it is meant for" if keys else remedy,
            parameters=weights,
            option=key_option(keys[0]) if keys else "",
        )
        return
    asked = {name for matches in context.custom_keys.values() for name in matches.wins}
    by_module: dict[str, list[str]] = {}
    for name in weights:
        by_module.setdefault(name.partition(".")[0], []).append(name)
    for module, names in by_module.items():
        if not any(weights[name] for name in names) and asked.isdisjoint(names):
            yield Fault(
                f"none of the {len(names):,} weights of {module} is decayed, while other modules are at {base:g}",
                remedy,
                parameters=names,
                severity="warning",
            )
