"""Read the group map of any PyTorch model and its optimizers. Needs torch, but no config and no mmengine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from msgspec import UNSET
from torch import nn

from lrdecay_cli import __version__
from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import SCHEMA_VERSION, ConfigSource, GroupMap, Tool
from lrdecay_cli.domain.live import LiveOptimizer
from lrdecay_cli.domain.training import UNKNOWN, Constructor, Model, Optimizer, Training
from lrdecay_cli.openmmlab.config_values import distributions_of_stack, plain, stack_versions
from lrdecay_cli.openmmlab.live_arguments import (
    WHERE,
    each_scheduler,
    is_timm_scheduler,
    live_schedulers,
    optimizers_of,
    scalar,
)
from lrdecay_cli.openmmlab.model_modules import averaged_models, modules_of
from lrdecay_cli.openmmlab.optimizer_effects import effects_in
from lrdecay_cli.openmmlab.reading import common, read_groups

_PARALLEL = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")
# Wrappers of modules inside a model: removed from parameter names.
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?:\.|$)")
# Keys with a group's name: mmengine's constructors and torch use the first, Lightning's monitor the second.
_NAMES = ("group_name", "name")


_SHARDED = "torch.distributed.fsdp"
"""Module of the class that ``fully_shard`` adds to the class of a model."""


def live_optimizer_map(
    model: nn.Module,
    optimizer: Any,
    schedulers: Any = None,
    *,
    base_lr: float | None = None,
    name: str | None = None,
    measure: bool = True,
) -> GroupMap:
    """Return the group map of a model and its optimizer. The model is neither run nor changed.

    A tensor in a group counts as a parameter of the model if both are the same Python object. The arguments are those
    of :func:`lrdecay_cli.audit_optimizer`.

    Raises:
        LrdecayError: ``model`` is not a ``torch.nn.Module``, there is no optimizer, or another argument cannot be used.
    """
    if base_lr is not None and (number_or_none(base_lr) or 0) <= 0:
        raise LrdecayError(f"{base_lr!r} is not a number above 0", where="base_lr", fix="leave base_lr out")
    if not isinstance(model, nn.Module):
        problem = f"the type of the model is {type(model).__name__}, not torch.nn.Module"
        raise LrdecayError(
            problem, where=WHERE, fix="pass the model as the first argument, and the optimizer as the second"
        )
    inner = _unwrapped(model)
    given = optimizers_of(optimizer)
    listed = [*given.schedulers, *each_scheduler(schedulers, "")]
    applied = any(is_timm_scheduler(each.scheduler) for each in listed) or _scales_are_applied(
        given.optimizers.values()
    )
    started = {key: _as_started(each, applied) for key, each in given.optimizers.items()}
    base_lrs = {key: _base_lr(given.optimizers[key], started[key]) if base_lr is None else base_lr for key in started}
    defaults_of = {key: getattr(each, "defaults", None) or {} for key, each in given.optimizers.items()}
    decays = {key: scalar(defaults.get("weight_decay")) for key, defaults in defaults_of.items()}
    try:
        read = read_groups(inner, started, base_lrs, {}, name_of=_name_of)
    except (TypeError, ValueError, RuntimeError, KeyError, AttributeError, OverflowError) as error:
        problem = f"the groups cannot be read: {type(error).__name__}: {error}"
        raise LrdecayError(problem, where=WHERE, fix="pass an optimizer that torch accepts") from error
    types = {key: type(each).__name__ for key, each in given.optimizers.items()}
    options = defaults_of.get("", {})
    stack = stack_versions({*map(type, inner.modules()), *map(type, given.optimizers.values())})
    backbone = getattr(inner, "backbone", None)
    found = type(backbone).__name__ if isinstance(backbone, nn.Module) else None
    averages = tuple(map(_name_of, averaged_models(inner)))
    first = next(inner.parameters(), None)
    return GroupMap(
        schema_version=SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        stack=stack,
        device="cpu" if first is None else str(first.device),
        config=ConfigSource(name or _class_of(inner), "", {}),
        constructor=Constructor(UNKNOWN, {}),
        optimizer=Optimizer(
            type=", ".join(dict.fromkeys(types.values())),
            wrapper=UNKNOWN,
            options={key: plain(value) for key, value in options.items() if key not in ("lr", "weight_decay")},
            types=types,
            effects=effects_in(_measurable(given.optimizers), {}, measure=measure and not _has_other_processes()),
        ),
        base_lr=common(base_lrs.values()),
        base_weight_decay=common(decays.values()),
        model=Model(_class_of(inner), found, read.totals, averages or UNSET),
        groups=read.groups,
        frozen=read.frozen,
        missing=read.missing,
        duplicates=read.duplicates,
        stubs=(),
        modules=modules_of(inner, _name_of),
        training=Training({}, (), {}, {}, None, ()),
        checkpoint=None,
        distributions=distributions_of_stack(stack) or UNSET,
        live=LiveOptimizer(tuple(live_schedulers(listed, given.optimizers)), applied),
    )


def _class_of(model: nn.Module) -> str:
    """Return the name of the model's class, without the class that ``fully_shard`` derives from it.

    Source: torch 2.13.0, ``torch/distributed/fsdp/_fully_shard/_fully_shard.py``: ``FSDPNet`` derives from
    ``FSDPModule`` and ``Net``.
    """
    sharded, *bases = type(model).__mro__
    if bases and bases[0].__module__.startswith(_SHARDED):
        return next(base.__name__ for base in bases if not base.__module__.startswith(_SHARDED))
    return sharded.__name__


def _has_other_processes() -> bool:
    """True if this process belongs to a distributed training.

    A step of an optimizer may then wait for the other processes, which take no such step.
    """
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized() and bool(distributed.get_world_size() > 1)


# Building a second instance of these would communicate with other processes.
_DISTRIBUTED = ("torch.distributed", "deepspeed", "fairscale")


def _measurable(optimizers: Mapping[str, Any]) -> dict[str, torch.optim.Optimizer]:
    """Return the optimizers whose effects lrdecay can measure: instances of ``torch.optim.Optimizer`` or a subclass.

    Optimizers of distributed libraries such as DeepSpeed are omitted.
    """
    return {
        key: each
        for key, each in optimizers.items()
        if isinstance(each, torch.optim.Optimizer) and not type(each).__module__.startswith(_DISTRIBUTED)
    }


def _scales_are_applied(optimizers: Iterable[Any]) -> bool:
    """True if the lr of each group already includes its ``lr_scale``.

    This is the case if ``lr / initial_lr`` is proportional to ``lr_scale`` in all groups.
    """
    factors, scales = [], set()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            scale, lr, first = (scalar(group.get(key)) for key in ("lr_scale", "lr", "initial_lr"))
            if not scale:
                continue
            if not lr or not first:
                return False
            factors.append(lr / first / scale)
            scales.add(scale)
    return len(scales) > 1 and all(math.isclose(factor, factors[0], rel_tol=1e-6) for factor in factors)


def _as_started(optimizer: Any, applied: bool) -> Any:
    """Return the optimizer's groups as they were before schedulers changed them.

    ``applied`` is True if the current lrs include the factor ``lr_scale``. The returned lrs then also include this
    factor.
    """
    groups = []
    for group in optimizer.param_groups:
        # torch's and timm's schedulers store starting values as ``initial_lr``.
        options = {key: group.get(f"initial_{key}", group[key]) for key in group if not key.startswith("initial_")}
        scale = scalar(group.get("lr_scale"))
        if applied and scale is not None and "initial_lr" in group:
            lr = scalar(options["lr"])
            options["lr"] = None if lr is None else lr * scale
        name = next((group[key] for key in _NAMES if isinstance(group.get(key), str)), None)
        if name:
            options = {key: value for key, value in options.items() if key not in _NAMES}
            options["group_name"] = name
        groups.append(options)
    return SimpleNamespace(param_groups=groups)


def _base_lr(optimizer: Any, started: Any) -> float | None:
    """Return the lr with which the optimizer was built; None if no group uses it.

    A group uses the optimizer's lr if its own lr is the same, or is the optimizer's lr times the group's ``lr_scale``.
    """
    default = scalar(getattr(optimizer, "defaults", {}).get("lr"))
    if default is None:
        return None
    for group in started.param_groups:
        lr, scale = scalar(group.get("lr")), scalar(group.get("lr_scale"))
        if lr == default or (scale and lr is not None and math.isclose(lr, scale * default, rel_tol=1e-9)):
            return default
    return None


def _unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside the wrappers of torch.compile, DataParallel, DistributedDataParallel and FSDP."""
    for _ in range(8):
        kind = type(model)
        around = "_orig_mod" if "_orig_mod" in model._modules and kind.__name__ == "OptimizedModule" else ""
        if kind.__name__ in _PARALLEL and kind.__module__.startswith("torch."):
            around = "_fsdp_wrapped_module" if kind.__name__.startswith("FullySharded") else "module"
        inner = model._modules.get(around) if around else None
        if inner is None:
            break
        model = inner
    return model


def _name_of(name: str) -> str:
    """Return a parameter or module name without parts such as ``_orig_mod`` that torch.compile, FSDP and others add."""
    return _WRAPPERS.sub("", name).rstrip(".") if "_" in name else name
