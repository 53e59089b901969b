"""Our own decay rules beside the decay constructors: why a parameter is where it is, why the constructor died."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from lrdecay_cli.decay import MMDET_FAMILIES, DecayOptions, PlannedGroup, TrainingParameter, plan_groups
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.openmmlab.decay_constructor import LayerDecayOptimWrapperConstructor, plan_for
from lrdecay_cli.openmmlab.plain_values import type_name
from lrdecay_cli.openmmlab.refused_options import refused_option

MMDET_DECAY = "LearningRateDecayOptimizerConstructor"
_SHARED = "some parameters appear in more than one parameter group"


def explain_groups(config: Config, model: nn.Module, constructor: type) -> dict[str, Provenance]:
    """Provenance by parameter name, where the constructor is mmdet's decay constructor or ours; empty for any other.

    What our rules cannot say of a map that was built all the same is left out, so that it stands without explanation.
    """
    if constructor is LayerDecayOptimWrapperConstructor:
        prefix, seen = _as_constructors_see(model)
        plan = plan_for(seen, config.optim_wrapper.optimizer, config.optim_wrapper.get("paramwise_cfg"))
        return _by_name(plan.groups, prefix)
    if constructor.__name__ != MMDET_DECAY or not config.optim_wrapper.get("paramwise_cfg"):
        return {}
    try:
        return _planned(config, model)
    except DecayError:
        return {}


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
        )
    if isinstance(error, DecayError):
        return LrdecayError(error.problem, where=f"{where}: {error.where}", remedy=error.remedy)
    not_found = error.problem.startswith("unknown ")
    if not not_found and type_name(config.optim_wrapper.get("constructor", "")).rpartition(".")[2] == MMDET_DECAY:
        try:
            _planned(config, model)
        except DecayError as known:
            return LrdecayError(known.problem, where=f"{where}: {known.where}", remedy=known.remedy)
    return refused_option(error, config, where) or error


def _planned(config: Config, model: nn.Module) -> dict[str, Provenance]:
    prefix, seen = _as_constructors_see(model)
    optimizer: Mapping[str, Any] = config.optim_wrapper.get("optimizer") or {}
    backbone = getattr(seen, "backbone", None)
    groups = plan_groups(
        (
            TrainingParameter(name, tuple(tensor.shape), tensor.requires_grad)
            for name, tensor in seen.named_parameters()
        ),
        DecayOptions.from_paramwise_cfg(config.optim_wrapper.get("paramwise_cfg")),
        backbone_class=None if backbone is None else type(backbone).__name__,
        base_lr=optimizer.get("lr"),
        base_weight_decay=optimizer.get("weight_decay"),
        families=MMDET_FAMILIES,
    )
    return _by_name(groups, prefix)


def _as_constructors_see(model: nn.Module) -> tuple[str, nn.Module]:
    """What stands before the names that a constructor sees, and the model that has them: it unwraps ``module``."""
    wrapped = getattr(model, "module", None)
    return ("module.", wrapped) if isinstance(wrapped, nn.Module) else ("", model)


def _by_name(groups: Iterable[PlannedGroup], prefix: str) -> dict[str, Provenance]:
    return {f"{prefix}{parameter.name}": parameter.provenance for group in groups for parameter in group.parameters}
