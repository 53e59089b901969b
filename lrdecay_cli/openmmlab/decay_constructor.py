"""lrdecay's own optimizer wrapper constructor: the decay of :mod:`lrdecay_cli.decay`, to train with."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from mmengine import optim
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import print_log
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from torch import nn

from lrdecay_cli.constructors import DEFAULT, OURS
from lrdecay_cli.decay.constructor_options import ConstructorOptions
from lrdecay_cli.decay.model_rules import BackboneClasses, Plan, plan_of_model
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.domain.provenance import NUMBERS, Provenance
from lrdecay_cli.openmmlab.config_values import find_registered
from lrdecay_cli.openmmlab.model_modules import modules_of

_DEFAULT: Any = getattr(optim, DEFAULT.name)


def _registered(constructor: type) -> type:
    """The class, under the name that configs write, which a dumped config looks up in this module.

    Where mmpose has registered its own under that name, a config names ours by its path.
    """
    constructor.__name__ = constructor.__qualname__ = OURS.name
    globals()[OURS.name] = constructor
    if OURS.name not in OPTIM_WRAPPER_CONSTRUCTORS.module_dict:
        OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=constructor)
    return constructor


@_registered
class LayerDecayConstructor(_DEFAULT):  # type: ignore[misc]
    """Layer-wise or stage-wise learning-rate decay for any backbone whose layers can be told apart.

    The options are those of :mod:`lrdecay_cli.decay.constructor_options`, see ``docs/constructor.md``::

        custom_imports = dict(imports=['lrdecay_cli.training'])
        optim_wrapper = dict(
            constructor=...,  # OURS.name
            optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
            paramwise_cfg=dict(decay_rate=0.7))

    Every group has ``group_name``, ``layer_id``, ``lr_scale`` (lr over base lr, multipliers included) and
    ``param_names`` beside ``lr``, ``weight_decay`` and ``params``.

    Raises:
        DecayError: as the constructor is made, for options that cannot be used by themselves; as it is called, for
            those that do not fit the model.
    """

    def _validate_cfg(self) -> None:
        # mmengine's own checks are of options that are not taken here, or that are checked with better words.
        ConstructorOptions.from_paramwise_cfg(self.paramwise_cfg)

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_kwargs: Any) -> None:
        """Append the groups of ``module``, the whole model, to ``params``."""
        plan = plan_for(module, self.optimizer_cfg, self.paramwise_cfg)
        tensors = dict(module.named_parameters())
        for group in plan.groups:
            names = [parameter.name for parameter in group.parameters]
            options: dict[str, Any] = {key: getattr(group, key) for key in NUMBERS}
            held = {"params": [tensors[name] for name in names], "param_names": names}
            params.append({**held, "group_name": group.name, **options})
        _log(plan)


def plan_for(model: nn.Module, optimizer: Mapping[str, Any], paramwise_cfg: Mapping[str, Any] | None) -> Plan:
    """The groups of ``model``, with the way to each of their numbers.

    ``model`` is the whole one, without a wrapper; a weight decay that ``optimizer`` does not give is its class's own.

    Raises:
        DecayError: the options cannot be used, or do not fit the model.
    """
    modules = modules_of(model)
    decay = optimizer.get("weight_decay")
    kind = find_registered(OPTIMIZERS, optimizer.get("type"))
    if "weight_decay" not in optimizer and callable(kind):
        parameter = inspect.signature(kind).parameters.get("weight_decay")
        decay = None if parameter is None or parameter.default is parameter.empty else parameter.default
    return plan_of_model(
        (
            TrainingParameter(name, tuple(parameter.shape), parameter.requires_grad, modules[name.rpartition(".")[0]])
            for name, parameter in model.named_parameters()
        ),
        paramwise_cfg,
        lambda path: _backbone(model, path),
        base_lr=optimizer.get("lr"),
        base_weight_decay=decay,
    )


def explain_groups(config: Config, model: nn.Module, constructor: type) -> dict[str, Provenance]:
    """Provenance by parameter name where the constructor is our own, which knows it; empty for any other.

    That of others is found from the map, see :func:`lrdecay_cli.constructors.recomputation.with_provenance`.
    """
    if constructor is not LayerDecayConstructor:
        return {}
    seen = seen_model(model)
    prefix = "" if seen is model else "module."
    plan = plan_for(seen, config.optim_wrapper.optimizer, config.optim_wrapper.get("paramwise_cfg"))
    return {
        f"{prefix}{parameter.name}": parameter.provenance for group in plan.groups for parameter in group.parameters
    }


def seen_model(model: nn.Module) -> nn.Module:
    """The model that mmengine's constructors make groups of: of a wrapper what is inside its ``.module``."""
    inner = getattr(model, "module", None)
    return inner if isinstance(inner, nn.Module) else model


def layer_depth_of(model: nn.Module) -> Callable[[str], tuple[int, int]] | None:
    """The model's own ``get_layer_depth``, None for a model that has none."""
    own: Any = getattr(seen_model(model), "get_layer_depth", None)

    def layer_depth(name: str) -> tuple[int, int]:
        # By the model's code, which may not know the name: the constructor has asked for it without dying.
        layer_id, layers = own(name)
        return int(layer_id), int(layers)

    return None if own is None else layer_depth


def _backbone(model: nn.Module, path: str) -> BackboneClasses:
    modules = dict(model.named_modules())
    if path not in modules:
        others = [other for other in modules if other.endswith("backbone")]
        raise DecayError(
            f"the model has no module {path!r}",
            where="paramwise_cfg.backbone",
            fix=f"did you mean {others[0]!r}?" if others else "give the path of the backbone in the model",
        )
    backbone = modules[path]
    bases = type(backbone).__mro__
    names = [(f"{base.__module__.partition('.')[0]}.{base.__name__}", base.__name__) for base in bases]
    reporting = next((base.__name__ for base in bases if "get_layer_depth" in vars(base)), None)
    return BackboneClasses(tuple(chain(*names)), reporting, getattr(backbone, "get_layer_depth", None))


@master_only  # type: ignore[untyped-decorator]
def _log(plan: Plan) -> None:
    tensors = sum(len(group.parameters) for group in plan.groups)
    print_log(f"lrdecay: {tensors} tensors in {len(plan.groups)} groups, num_layers={plan.num_layers}", "current")
    for warning in plan.warnings:
        print_log(f"lrdecay: {warning}", "current", logging.WARNING)
