"""Define lrdecay's own optimizer wrapper constructor, which trains with the layer decay of :mod:`lrdecay_cli.decay`."""

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
    """Register ``constructor`` under the name ``OURS.name``, and make it importable from this module.

    Configs use this name. A dumped config imports the class from this module. If mmpose has already registered another
    class under the same name, configs must use the import path of lrdecay's class.
    """
    constructor.__name__ = constructor.__qualname__ = OURS.name
    globals()[OURS.name] = constructor
    if OURS.name not in OPTIM_WRAPPER_CONSTRUCTORS.module_dict:
        OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=constructor)
    return constructor


@_registered
class LayerDecayConstructor(_DEFAULT):  # type: ignore[misc]
    """Apply layer-wise or stage-wise learning-rate decay to any backbone whose layers lrdecay can identify.

    :mod:`lrdecay_cli.decay.constructor_options` and ``docs/constructor.md`` describe the options::

        custom_imports = dict(imports=['lrdecay_cli.training'])
        optim_wrapper = dict(
            constructor=...,  # OURS.name
            optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
            paramwise_cfg=dict(decay_rate=0.7))

    Every group has ``group_name``, ``layer_id``, ``lr_scale`` (lr divided by base lr, multipliers included) and
    ``param_names``, in addition to ``lr``, ``weight_decay`` and ``params``.

    Raises:
        DecayError: options are invalid (raised at creation) or do not fit the model (raised by the call).
    """

    def _validate_cfg(self) -> None:
        # mmengine checks options that are not accepted here or that are checked here with clearer messages.
        ConstructorOptions.from_paramwise_cfg(self.paramwise_cfg)

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_kwargs: Any) -> None:
        """Append the parameter groups of ``module``, the whole model, to ``params``."""
        plan = plan_for(module, self.optimizer_cfg, self.paramwise_cfg)
        tensors = dict(module.named_parameters())
        for group in plan.groups:
            names = [parameter.name for parameter in group.parameters]
            options: dict[str, Any] = {key: getattr(group, key) for key in NUMBERS}
            held = {"params": [tensors[name] for name in names], "param_names": names}
            params.append({**held, "group_name": group.name, **options})
        _log(plan)


def plan_for(model: nn.Module, optimizer: Mapping[str, Any], paramwise_cfg: Mapping[str, Any] | None) -> Plan:
    """Return the parameter groups of ``model``, with the formulas of their lr and weight decay.

    Args:
        model: the whole model without a model wrapper.
        optimizer: the optimizer config. Without ``weight_decay``, the default of the optimizer class is used.
        paramwise_cfg: options of the constructor.

    Raises:
        DecayError: the options are invalid or do not fit the model.
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
    """Return the formulas of each parameter's lr and weight decay; empty if ``constructor`` is not lrdecay's own.

    For other constructors, :func:`lrdecay_cli.constructors.recomputation.with_provenance` computes the formulas from
    the group map.
    """
    if constructor is not LayerDecayConstructor:
        return {}
    seen = unwrapped_model(model)
    prefix = "" if seen is model else "module."
    plan = plan_for(seen, config.optim_wrapper.optimizer, config.optim_wrapper.get("paramwise_cfg"))
    return {
        f"{prefix}{parameter.name}": parameter.provenance for group in plan.groups for parameter in group.parameters
    }


def unwrapped_model(model: nn.Module) -> nn.Module:
    """Return the model without its model wrapper, such as ``MMDistributedDataParallel``.

    The result is ``model.module`` if ``model`` is a model wrapper, otherwise ``model``. mmengine's constructors do the
    same.
    """
    inner = getattr(model, "module", None)
    return inner if isinstance(inner, nn.Module) else model


def layer_depth_of(model: nn.Module) -> Callable[[str], tuple[int, int]] | None:
    """Return the model's method ``get_layer_depth``, which maps a parameter name to layer id and number of layers.

    None if the model has no such method.
    """
    own: Any = getattr(unwrapped_model(model), "get_layer_depth", None)

    def layer_depth(name: str) -> tuple[int, int]:
        # The constructor has already called this method for every name without an error.
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
            fix=f"did you mean {others[0]!r}?" if others else "set the option to the path of the backbone in the model",
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
