"""Find how the model wrapper of a distributed training changes the groups, with the real wrapper and the real model.

mmengine wraps the model before it builds the optimizer, so the constructor gets the wrapped model. In a model wrapped
by FSDP, the original parameters are already joined or cut into one-dimensional pieces.

Source: mmengine 0.10.7, ``runner/runner.py`` (``Runner.__init__``, ``wrap_model``), ``_strategy/single_device.py``
(``prepare``), ``_strategy/fsdp.py`` (``_wrap_model``), ``_strategy/deepspeed.py`` (which builds the optimizer first).
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec
import torch
from mmengine.config import Config
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from lrdecay_cli.constructors import DEFAULT, find_constructor
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Stub
from lrdecay_cli.domain.training import WrappedGroup, Wrapping
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_optimizer, training_scope
from lrdecay_cli.openmmlab.config_values import find_registered, number, type_name
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import execute
from lrdecay_cli.openmmlab.patching import patched
from lrdecay_cli.openmmlab.world import world_of
from lrdecay_cli.text.printing import message_of

_FSDP = "MMFullyShardedDataParallel"
_DDP = "MMDistributedDataParallel"
# These strategies build the optimizer for the unwrapped model, then wrap model and optimizer.
_WRAPS_LATER = ("DeepSpeedStrategy", "ColossalAIStrategy")
# These modules register wrappers when they are executed, which the console command defers.
_DEFERRED = ("mmengine.model.wrappers.fully_sharded_distributed", "mmengine._strategy.fsdp")


class NamedWrapper(NamedTuple):
    """The model wrapper in a config."""

    option: str
    """Path of the model wrapper's settings in the config; empty for mmengine's default model wrapper."""
    settings: dict[str, Any]


class Wrapped(NamedTuple):
    """A wrapped model, and the optimizer that the constructor built for it."""

    model: nn.Module
    names: Mapping[int, tuple[str, ...]]
    """For the ``id`` of each parameter of the wrapped model, the names of the original parameters that it contains."""
    built: BuiltOptimizer | None
    """The optimizer that the constructor built; None if the constructor raised."""
    facts: Wrapping

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters of the wrapped model. Keys are the parameter names of the model without its wrapper.

        Several names may belong to one parameter, for example if FSDP has joined parameters.
        """
        each = self.model.parameters()
        return {name: parameter for parameter in each for name in self.names.get(id(parameter), ())}


def named_wrapper(config: Config) -> NamedWrapper | None:
    """Return the model wrapper in a config; None without one.

    Return None also for strategies that build the optimizer before they wrap the model, such as ``DeepSpeedStrategy``.
    """
    if config.get("runner_type") == "FlexibleRunner":
        strategy = config.get("strategy") or {}
        kind = type_name(strategy.get("type", ""))
        if kind in _WRAPS_LATER:
            return None
        default = {"type": _FSDP} if kind == "FSDPStrategy" else {}
        settings = {**default, **(strategy.get("model_wrapper") or {})}
        return NamedWrapper("strategy.model_wrapper", settings) if settings else None
    settings = config.get("model_wrapper_cfg")
    return NamedWrapper("model_wrapper_cfg", dict(settings)) if settings else None


def wrapper_of(config: Config, gpus: int) -> NamedWrapper | None:
    """Return the model wrapper in a config. Without one, return mmengine's default wrapper if it may change the groups.

    The default wrapper may change the groups only with several GPUs and a constructor that lrdecay does not know.
    Constructors of mmengine, mmdet and mmpretrain unwrap the model.
    """
    constructor = config.optim_wrapper.get("constructor", DEFAULT.name)
    known = isinstance(constructor, str) and find_constructor(constructor) is not None
    return named_wrapper(config) or (NamedWrapper("", {}) if gpus > 1 and not known else None)


def with_wrapping(group_map: GroupMap, config: Config, model: nn.Module, gpus: int = 1) -> GroupMap:
    """Return a group map that also contains the groups that the constructor builds for the wrapped model.

    The factor of ``auto_scale_lr`` is included in the lrs of these groups. ``model`` cannot be used afterwards.
    """
    named = named_wrapper(config)
    if named is None or group_map.device != "cpu":
        return group_map
    with training_scope(config):
        wrapped = wrap(config, model, group_map.config.path, named, gpus)
    if isinstance(wrapped, Stub):
        return msgspec.structs.replace(group_map, stubs=(*group_map.stubs, wrapped))
    facts, factor = wrapped.facts, group_map.lr_factor
    scaled = (each if each.lr is None else msgspec.structs.replace(each, lr=each.lr * factor) for each in facts.groups)
    return msgspec.structs.replace(group_map, wrapping=msgspec.structs.replace(facts, groups=tuple(scaled)))


def wrap(config: Config, model: nn.Module, where: str, named: NamedWrapper, gpus: int = 1) -> Wrapped | Stub:
    """Wrap a model as in a training on several GPUs, and run the constructor on the wrapped model.

    Args:
        config: contains the constructor.
        model: on the CPU. It is changed and cannot be used without its wrapper afterwards.
        where: the config's name in error messages.
        named: the model wrapper to build, with its arguments. If its settings have no ``type``, mmengine's
            ``MMDistributedDataParallel`` is built.
        gpus: number of GPUs. If it is 1, the model is wrapped as in a training on 2 GPUs.

    Returns:
        The wrapped model, or a stub if the wrapper cannot be built on this machine.
    """
    settings = copy.deepcopy(named.settings)
    given = settings.pop("type", _DDP)
    kind, world = _wrapper_class(given), max(gpus, 2)
    facts = Wrapping(type_name(given), named.option, world, (), (), None, None)
    if kind is None:
        return _refused(facts, f"no model wrapper is registered as {type_name(given)!r}")
    settings.pop("device_ids", None)
    # Compared by name, because importing FSDP is slow and DistributedDataParallel does not need it.
    if any(base.__name__ == "FullyShardedDataParallel" for base in getattr(kind, "__mro__", ())):
        settings["device_id"] = torch.device("cpu")
    names: dict[int, tuple[str, ...]] = {id(parameter): (name,) for name, parameter in model.named_parameters()}
    places = dict(_places(model))
    if not settings.get("auto_wrap_policy"):
        # FSDP joins all tensors. With tensors of full size, this would take as much memory as the model.
        for parameter in model.parameters():
            parameter.data = torch.zeros([min(size, 2) for size in parameter.shape], dtype=parameter.dtype)
    with world_of(world, given=False), warnings.catch_warnings(), _sync_batch_norm_on_cpu():
        warnings.simplefilter("ignore")
        try:
            wrapped: nn.Module = kind(module=model, **settings)
        except (TypeError, ValueError, KeyError, AssertionError) as error:
            return _refused(facts, f"{type(error).__name__}: {message_of(error)}")
        except Exception as error:
            return Stub(facts.type, f"cannot be built here ({message_of(error)}): the model stays unwrapped")
    flat: list[str] = []
    for parameter in wrapped.parameters():
        pieces = getattr(parameter, "_param_infos", None)
        if pieces is not None:
            names[id(parameter)] = tuple(places[id(piece.module), piece.param_name] for piece in pieces)
            flat += names[id(parameter)]
    facts = msgspec.structs.replace(facts, flat=tuple(flat))
    # Same number of GPUs as for the groups of the map: a constructor may use it.
    with world_of(gpus, given=gpus > 1):
        try:
            built = build_optimizer(config, wrapped, where)
        except LrdecayError as error:
            facts = msgspec.structs.replace(facts, refused="constructor", failure=error.problem)
            return Wrapped(wrapped, names, None, facts)
    return Wrapped(wrapped, names, built, msgspec.structs.replace(facts, groups=tuple(_groups(built, names))))


def _refused(facts: Wrapping, failure: str) -> Wrapped:
    facts = msgspec.structs.replace(facts, refused="wrapper", failure=" ".join(failure.split()))
    return Wrapped(nn.Module(), {}, None, facts)


def _sync_batch_norm_on_cpu() -> AbstractContextManager[None]:
    """Let DistributedDataParallel accept a model with SyncBatchNorm on the CPU.

    This replaces a check of torch whose only effect is an error for a model that is not on a GPU. Source: torch 2.13,
    ``nn/parallel/distributed.py``.
    """
    return patched(nn.parallel.DistributedDataParallel, _passing_sync_batchnorm_handle=lambda *_: None)


def _places(model: nn.Module) -> Iterator[tuple[tuple[int, str], str]]:
    """Yield a key and the full name of each parameter.

    The key is the ``id`` of the parameter's module and the name of the parameter in this module, as in FSDP.
    """
    for path, module in model.named_modules():
        for own in module._parameters:
            yield (id(module), own), f"{path}.{own}" if path else own


def _groups(built: BuiltOptimizer, names: Mapping[int, tuple[str, ...]]) -> Iterator[WrappedGroup]:
    for optimizer in built.optimizers.values():
        for group in optimizer.param_groups:
            held = tuple(name for parameter in group["params"] for name in names.get(id(parameter), ()))
            yield WrappedGroup(number(group.get("lr")), number(group.get("weight_decay")), held)


def _wrapper_class(named: Any) -> Any:
    kind = find_registered(MODEL_WRAPPERS, named)
    if kind is None:
        for module in _DEFERRED:
            if module in sys.modules:
                execute(sys.modules[module])
        kind = find_registered(MODEL_WRAPPERS, named)
    return kind
