"""Build the model of a loaded config, and run the config's own constructor to build the optimizer."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS, OPTIMIZERS, DefaultScope
from torch import nn

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.fix import imports_with
from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.files.mmcv1 import KEYS, as_mmengine
from lrdecay_cli.openmmlab.build_context import constructing, without_prints
from lrdecay_cli.openmmlab.config_values import find_registered, plain, type_name
from lrdecay_cli.openmmlab.constructor_class import constructor_of, known_constructor
from lrdecay_cli.openmmlab.failures.translate import BUILDING, GROUPING, translate_errors
from lrdecay_cli.openmmlab.failures.unknown_types import check_registered
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import spare_compiler
from lrdecay_cli.openmmlab.option_reads import OptionReads
from lrdecay_cli.openmmlab.stubs.missing_modules import build_with_stubs
from lrdecay_cli.text.python_source import assignments

PLAIN_WRAPPER = "OptimWrapper"
# Building these needs a GPU, apex or a distributed engine; they do not change the groups.
DEMANDING_WRAPPERS = ("AmpOptimWrapper", "ApexOptimWrapper", "DeepSpeedOptimWrapper", "ColossalAIOptimWrapper")


class BuiltModel(NamedTuple):
    """A model, and the stubs that replaced missing packages and files during its build."""

    model: nn.Module
    stubs: tuple[Stub, ...]


@dataclass(frozen=True)
class BuiltOptimizer:
    """The optimizers that a constructor built, by name. A single optimizer has the empty name."""

    optimizers: Mapping[str, torch.optim.Optimizer]
    constructor: type
    stubs: tuple[Stub, ...]
    reads: tuple[str, ...] | None
    """Options that the constructor read, as paths within ``paramwise_cfg``; None if not recorded."""
    asked: tuple[str, ...] | None = None
    """Options that the constructor looked up, but that are not in the config."""
    wrapper: Any = None
    """The optimizer wrapper that the constructor returned."""
    scheduled: bool = False
    """True if parameter schedulers may have changed the groups."""


@contextmanager
def training_scope(config: Config) -> Iterator[None]:
    """Inside this block, use the config's default registry scope, as mmengine's Runner does."""
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmengine")):
        yield


def check_trainable(config: Config, where: str) -> None:
    """Raise LrdecayError if the config has no usable ``model`` or ``optim_wrapper``. Nothing is built."""

    def refused(problem: str, fix: str = "", status: str = "error") -> LrdecayError:
        return LrdecayError(problem, where=where, fix=fix, status=status, final=True)

    if not config.get("model"):
        raise refused("config has no 'model'", "use a training config instead of a base config", "no-model")
    wrapper = config.get("optim_wrapper")
    if not wrapper:
        mmcv_style = {key: config[key] for key in KEYS if config.get(key)}
        fix = "use a training config"
        if mmcv_style.get("optimizer"):
            fix = f"'optimizer' is MMCV 1 style; for MMEngine write: {assignments(as_mmengine(plain(mmcv_style)))}"
        raise refused("config has no 'optim_wrapper'", fix, "no-optim-wrapper")
    if not isinstance(wrapper, Mapping):
        raise refused(f"optim_wrapper is a {type_name(type(wrapper))}, not a dict")
    optimizer = wrapper.get("optimizer")
    if optimizer is not None and not isinstance(optimizer, Mapping):
        kind = type_name(type(optimizer))
        raise refused(f"optim_wrapper.optimizer is a {kind}, not a dict", "write optimizer=dict(type=..., lr=...)")
    scope = config.get("default_scope")
    if scope is not None and not isinstance(scope, str):
        raise refused(f"default_scope is a {type_name(type(scope))}, not a string")


def build_model(config: Config, where: str, device: str, *, initialised: bool = False) -> BuiltModel:
    """Build ``config.model`` on ``device``.

    Raises:
        LrdecayError: the model does not build.
    """
    stubs: list[Stub] = []

    def build() -> nn.Module:
        model_config = copy.deepcopy(config.model)
        # As Runner does: a detector may not build without its preprocessor.
        if isinstance(model_config, dict) and config.get("data_preprocessor"):
            model_config.setdefault("data_preprocessor", config.data_preprocessor)
        with constructing(device, config.filename, initialised=initialised) as used:
            model = model_config if isinstance(model_config, nn.Module) else MODELS.build(model_config)
        stubs.extend(used)
        return model

    with translate_errors(BUILDING, where, config):
        model = build_with_stubs(build, stubs.append)
        if not isinstance(model, nn.Module):
            raise TypeError(f"the type of the model is {type_name(type(model))}, not torch.nn.Module")
        model = model if device in ("cpu", "meta") else model.to(device)
        return BuiltModel(model, tuple(sorted({*stubs}, key=lambda stub: stub.name)))


def check_shapes(model: nn.Module, where: str) -> None:
    """Raise LrdecayError if a parameter has no shape yet (``torch.nn.LazyLinear`` and similar modules)."""
    for name, parameter in model.named_parameters():
        if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
            problem = f"{name} belongs to a lazy module and has no shape before the model runs"
            raise LrdecayError(
                problem,
                where=where,
                fix="use a module with a fixed input size, for example Linear instead of LazyLinear",
            )


def build_optimizer(config: Config, model: nn.Module, where: str) -> BuiltOptimizer:
    """Run the config's constructor with the real optimizer class.

    Raises:
        LrdecayError: the constructor fails.
    """
    with translate_errors(GROUPING, where, config):
        # mmengine's own error is "None is not callable".
        check_registered(OPTIMIZERS, config.optim_wrapper.get("optimizer") or {}, where, config)
        named, constructor = config.optim_wrapper.get("constructor"), constructor_of(config.optim_wrapper)
        spec = known_constructor(config.optim_wrapper) if isinstance(named, str) else None
        # lrdecay has registered its own constructor. Without this check, the config would build here, but not train.
        if spec and not all(module in sys.modules for module in spec.imports):
            place = f"{where}: optim_wrapper.constructor"
            given = plain(config.get("custom_imports"))
            whole = imports_with(given if isinstance(given, dict) else {}, spec.imports)
            fix = f"{'set' if given else 'add'} {assignments({'custom_imports': whole})}"
            raise LrdecayError(f"{named} is not imported", where=place, fix=fix, final=True)
        spare_compiler()
        # mmengine's ZeroRedundancyOptimizer needs a process group.
        on_demand: list[Stub] = []
        built = build_with_stubs(partial(_constructed, config, model, constructor), on_demand.append)
        return replace(built, stubs=(*built.stubs, *on_demand))


def _constructed(config: Config, model: nn.Module, constructor: type) -> BuiltOptimizer:
    plain_config, stubs = _with_plain_wrappers(copy.deepcopy(config.optim_wrapper))
    reads = OptionReads()
    if plain_config.get("paramwise_cfg"):
        plain_config["paramwise_cfg"] = reads.watched(plain_config["paramwise_cfg"])
    with reads.unseen_validation(), without_prints():
        wrapper = build_optim_wrapper(model, plain_config)
    return BuiltOptimizer(optimizers_of(wrapper), constructor, stubs, reads.paths, reads.asked, wrapper)


def _with_plain_wrappers(wrapper_config: Any) -> tuple[Any, tuple[Stub, ...]]:
    """Replace optimizer wrappers that need a GPU by mmengine's plain ``OptimWrapper``.

    Returns two values: the changed config, with only the options that the plain wrapper accepts, and a stub for each
    replaced class.
    """
    swapped: list[Stub] = []
    several = [value for value in wrapper_config.values() if isinstance(value, dict) and "optimizer" in value]
    for settings in [wrapper_config, *several]:
        name = type_name(settings.get("type", PLAIN_WRAPPER)).rpartition(".")[2]
        if name in DEMANDING_WRAPPERS:
            # Options that neither accepts stay, and the plain wrapper rejects them as in training.
            known = inspect.signature(find_registered(OPTIM_WRAPPERS, name) or OptimWrapper).parameters
            for key in known.keys() - inspect.signature(OptimWrapper).parameters.keys():
                settings.pop(key, None)
            settings["type"] = OptimWrapper
            swapped.append(Stub(name, f"{PLAIN_WRAPPER} builds the same groups and needs no GPU"))
    return wrapper_config, tuple(dict.fromkeys(swapped))


def optimizers_of(wrapper: Any) -> dict[str, torch.optim.Optimizer]:
    """Return the optimizers in an optimizer wrapper by name. A single optimizer has the empty name.

    Raises:
        TypeError: ``wrapper`` is not an optimizer wrapper.
    """
    if isinstance(wrapper, OptimWrapperDict):
        return {name: each.optimizer for name, each in wrapper.items()}
    if isinstance(wrapper, OptimWrapper):
        return {"": wrapper.optimizer}
    raise TypeError(f"the constructor returned a {type_name(type(wrapper))}, not an OptimWrapper")
