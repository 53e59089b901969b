"""What only the model itself can say about its groups, and what a constructor that died meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from lrdecay_cli.constructors import DEFAULT, OURS, ConstructorSpec, find_constructor
from lrdecay_cli.constructors.spec import ConstructorInputs
from lrdecay_cli.decay import TrainingParameter, find_family
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.openmmlab.config_values import type_name
from lrdecay_cli.openmmlab.decay_constructor import LayerDecayConstructor, plan_for
from lrdecay_cli.openmmlab.failures.refused_options import misplaced_options, refused_option
from lrdecay_cli.openmmlab.failures.wrong_values import wrong_value

_SHARED = "some parameters appear in more than one parameter group"


def explain_groups(config: Config, model: nn.Module, constructor: type) -> dict[str, Provenance]:
    """Provenance by parameter name where the constructor is our own, which knows it; empty for any other.

    That of others is told from the map, see :func:`lrdecay_cli.constructors.with_provenance`.
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
    own = getattr(seen_model(model), "get_layer_depth", None)
    if own is None:
        return None

    def layer_depth(name: str) -> tuple[int, int]:
        # By the model's code, which may not know the name: the constructor has asked for it without dying.
        layer_id, layers = own(name)
        return int(layer_id), int(layers)

    return layer_depth


def clearer_failure(error: LrdecayError, config: Config, model: nn.Module, where: str) -> LrdecayError:
    """Say what ``error``, raised by the constructor, means, if lrdecay knows it; else ``error`` itself."""
    if _SHARED in str(error):
        names: dict[int, list[str]] = {}
        for prefix, module in model.named_modules(remove_duplicate=False):
            for name, parameter in module._parameters.items():
                names.setdefault(id(parameter), []).append(f"{prefix}.{name}" if prefix else name)
        first, second = next(pair for pair in names.values() if len(pair) > 1)[:2]
        return LrdecayError(
            f"{_SHARED}: {first} is {second}",
            where=where,
            remedy="modules are shared: set optim_wrapper.paramwise_cfg.bypass_duplicate=True",
            final=True,
        )
    not_found = error.problem.startswith("unknown ")
    if not not_found and (misplaced := misplaced_options(error, config, where)):
        return misplaced
    if isinstance(error, DecayError):
        return error.replaced(where=f"{where}: {error.where}", final=True)
    if not not_found and (wrong := wrong_value(error, config, where)):
        return wrong
    spec = find_constructor(type_name(config.optim_wrapper.get("constructor", DEFAULT.name)))
    if not not_found and spec and spec.raise_cause:
        try:
            spec.raise_cause(_inputs(spec, config, seen_model(model)), _parameters(seen_model(model)))
        except DecayError as known:
            suggested = f": lrdecay suggest {where}" if "lrdecay's own" in known.remedy else ""
            return known.replaced(where=f"{where}: {known.where}", remedy=f"{known.remedy}{suggested}", final=True)
    if spec and (asks := _without_layer_depth(error, spec, seen_model(model), where)):
        return asks
    return refused_option(error, config, where) or error


def _without_layer_depth(
    error: LrdecayError, spec: ConstructorSpec, model: nn.Module, where: str
) -> LrdecayError | None:
    """What a NotImplementedError of a constructor that asks for ``get_layer_depth`` means, None for any other error.

    Source: mmpretrain 1.2, ``add_params`` of its decay constructor, and ``get_layer_depth`` of its
    classifiers and self-supervised models, which ask their backbone.
    """
    if not spec.asks_model or not isinstance(error.__cause__, NotImplementedError):
        return None
    asked = getattr(model, "backbone", model) if hasattr(model, "get_layer_depth") else model
    backbone = type(getattr(model, "backbone", model)).__name__
    if find_family(backbone):
        remedy = f"{OURS.label} serves {backbone}: lrdecay suggest {where}"
    else:
        remedy = f"use {OURS.label} with layers, or custom_keys and mmengine's default constructor"
    return LrdecayError(
        f"{spec.project}'s constructor asks for get_layer_depth, which {type(asked).__name__} does not have",
        where=where,
        remedy=remedy,
        final=True,
    )


def _inputs(spec: ConstructorSpec, config: Config, model: nn.Module) -> ConstructorInputs:
    optimizer: Mapping[str, Any] = config.optim_wrapper.get("optimizer") or {}
    backbone = getattr(model, "backbone", None)
    return ConstructorInputs(
        spec=spec,
        options=config.optim_wrapper.get("paramwise_cfg") or {},
        base_lr=optimizer.get("lr"),
        base_weight_decay=optimizer.get("weight_decay"),
        default_lr=None,
        default_weight_decay=None,
        backbone=None if backbone is None else type(backbone).__name__,
    )


def _parameters(model: nn.Module) -> list[TrainingParameter]:
    return [
        TrainingParameter(name, tuple(tensor.shape), tensor.requires_grad) for name, tensor in model.named_parameters()
    ]
