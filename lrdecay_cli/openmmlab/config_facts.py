"""Collect facts of a config about training, loops and modules, so that rules can run without torch.

The registry gives the class of each loop. No loop is built.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import HOOKS, LOOPS, PARAM_SCHEDULERS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
from msgspec import UNSET, UnsetType
from torch import nn

from lrdecay_cli.domain.training import RUNNER_KEYS, Loop, Training, TrainMode, UnusedParameters
from lrdecay_cli.files.mmcv1 import KEYS as MMCV_KEYS
from lrdecay_cli.files.mmcv1 import is_mmcv_style
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_file import is_helper, names_in
from lrdecay_cli.openmmlab.config_values import arguments_of, find_registered, plain, type_name
from lrdecay_cli.openmmlab.model_modules import averaged_models
from lrdecay_cli.text.spelling import nearest

# Places where configs put settings of optim_wrapper, some in MMCV 1 style. MMEngine ignores them.
_MISPLACED = (
    *("paramwise_cfg", "paramwise_options", "constructor", "optimizer", "optimizer_config", "lr_config"),
    *("momentum_config", "custom_keys", "clip_grad", "grad_clip", "accumulative_counts"),
    *("max_epochs", "total_epochs", "max_iters"),
)
_WRAPPER_ONLY = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")
LOOP_KEYS = ("train_cfg", "val_cfg", "test_cfg")
_WRITTEN = (str, int, float, type(None), LazyObject, LazyAttr)
_AVERAGING = "mmagic.engine.hooks.ema"
# Arguments that the Runner passes. Source: mmengine 0.10, Runner.build_train_loop, build_val_loop, build_test_loop.
_FROM_RUNNER = ("runner", "dataloader", "evaluator")


def training_of(
    config: Config,
    reads: tuple[str, ...] | None,
    asked: tuple[str, ...] | None = None,
    train_mode: TrainMode | UnsetType = UNSET,
) -> Training:
    """Return the settings of ``config`` that determine the training.

    Args:
        config: the loaded config.
        reads: options of ``paramwise_cfg`` that the constructor read; None if not recorded.
        asked: options that the constructor looked up, but that are not in the config; None if not recorded.
        train_mode: parameters that ``model.train()`` freezes or unfreezes.
    """
    schedulers = config.get("param_scheduler") or ()
    wrapper = plain(config.optim_wrapper)
    named = names_in(config.filename)

    def from_base(key: str) -> bool:
        return named is not None and key not in named

    listed = tuple(plain(schedulers) if isinstance(schedulers, (list, tuple)) else [plain(schedulers)])
    return Training(
        optim_wrapper=wrapper,
        param_scheduler=listed,
        scheduler_modules=dict(_scheduler_modules(listed, config.get("default_scope"))),
        train_cfg=plain(config.get("train_cfg") or {}),
        misplaced=dict(_misplaced(config, wrapper)),
        reads=reads,
        inherited=tuple(path for path, key in _paths(wrapper.get("paramwise_cfg") or {}) if from_base(key)),
        asked=UNSET if asked is None else asked,
        from_bases=tuple(key for key in RUNNER_KEYS if key in config and from_base(key)),
        loops=loops_of(config),
        train_mode=train_mode,
        unwritable=_unwritable(config) or UNSET,
        unused_parameters=_unused_parameters(config),
        custom_imports=_custom_imports(config),
    )


def _custom_imports(config: Config) -> Mapping[str, Any] | UnsetType:
    given = plain(config.get("custom_imports"))
    return given if isinstance(given, Mapping) and given else UNSET


def _unwritable(config: Config) -> tuple[str, ...]:
    """Return the paths of values that mmengine cannot write to a config file.

    Values whose ``str()`` is valid Python are not tested.
    """
    found: list[str] = []
    pending: list[tuple[str, Any]] = [("", config._cfg_dict)]
    entered: set[int] = set()
    while pending:
        path, value = pending.pop()
        if isinstance(value, (dict, list, tuple)):
            if id(value) not in entered:
                entered.add(id(value))
                # mmengine's items() would import the modules that a lazy config names.
                items = dict.items(value) if isinstance(value, dict) else enumerate(value)
                pending += [(f"{path}.{key}".lstrip("."), item) for key, item in items]
        elif not (isinstance(value, _WRITTEN) or _is_python(str(value)) or _is_written(value)):
            found.append(path)
    return tuple(sorted(found))


def _is_python(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _is_written(value: Any) -> bool:
    """True if mmengine's ``Config.pretty_text`` can write a config that contains only this value."""
    try:
        return bool(Config({"value": value}).pretty_text)
    except SyntaxError:
        return False


def _unused_parameters(config: Config) -> UnusedParameters:
    """Return path and value of the option ``find_unused_parameters`` of DistributedDataParallel.

    With FlexibleRunner, only ``strategy.model_wrapper.find_unused_parameters`` has an effect. Source: mmengine 0.10.7,
    ``Runner.wrap_model`` and ``DDPStrategy._wrap_model``.
    """
    if config.get("runner_type") == "FlexibleRunner":
        option, settings = "strategy.model_wrapper.", (config.get("strategy") or {}).get("model_wrapper") or {}
    elif config.get("model_wrapper_cfg") is not None:
        option, settings = "model_wrapper_cfg.", config.model_wrapper_cfg
    else:
        option, settings = "", config
    return UnusedParameters(f"{option}find_unused_parameters", bool(settings.get("find_unused_parameters")))


def _scheduler_modules(schedulers: Iterable[Any], scope: str | None) -> Iterator[tuple[str, str]]:
    for settings in schedulers:
        if not isinstance(settings, Mapping):
            continue
        if "type" not in settings:
            for of_optimizer in settings.values():
                several = of_optimizer if isinstance(of_optimizer, list) else [of_optimizer]
                yield from _scheduler_modules(several, scope)
            continue
        module = getattr(find_registered(PARAM_SCHEDULERS, settings["type"], scope), "__module__", "mmengine.")
        if not module.startswith("mmengine."):
            yield str(settings["type"]), module


def averages_of(config: Config, model: nn.Module) -> tuple[str, ...]:
    """Return the paths of modules whose weights are moving averages of the weights of other modules.

    These are the modules that :func:`averaged_models` returns, and the modules that an EMA hook of mmagic lists.
    Source: mmagic 1.2.0, ``engine/hooks/ema.py``: the hook's option ``module_keys`` lists module names
    (``generator_ema``).
    """
    modules = dict(model.named_modules())
    found = averaged_models(model)
    for hook in config.get("custom_hooks") or ():
        if isinstance(hook, Mapping) and hook.get("module_keys"):
            keys, kind = hook["module_keys"], find_registered(HOOKS, hook.get("type"))
            if getattr(kind, "__module__", "") == _AVERAGING:
                found += [key for key in ([keys] if isinstance(keys, str) else keys) if key in modules]
    return tuple(dict.fromkeys(found))


def _misplaced(config: Config, wrapper: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in config:
        # A config may define any name; a name close to one of Runner's is a misspelling. A lazy config also contains
        # the classes and functions that it imports, such as OptimWrapper.
        if key not in RUNNER_KEYS and nearest(str(key), RUNNER_KEYS, likeness=0.9) and not callable(config[key]):
            yield str(key), plain(config[key])
    for key in (*_MISPLACED, *(key for key in MMCV_KEYS if is_mmcv_style(key, config.get(key)))):
        if key in config and not is_helper(config.filename, key):
            yield key, plain(config[key])
    optimizer = wrapper.get("optimizer")
    if isinstance(optimizer, Mapping):
        yield from ((f"optim_wrapper.optimizer.{key}", optimizer[key]) for key in _WRAPPER_ONLY if key in optimizer)


def _paths(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of every option, and the last key in the path.

    The key cannot be derived from the path, because a key may contain dots. For example, the path
    ``custom_keys.norm.weight`` may end in the key ``norm.weight``.
    """
    for key, value in options.items():
        yield f"{prefix}{key}", str(key)
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def loops_of(config: Config) -> dict[str, Loop]:
    """Return each loop of the config by its key, such as ``train_cfg``. Loops that are not dicts are omitted."""
    with training_scope(config):
        return {key: _loop(key, config[key]) for key in LOOP_KEYS if isinstance(config.get(key), Mapping)}


def loop_class(given: Mapping[str, Any]) -> Any:
    """Return the class of a loop's ``type``; None if it is not registered.

    The class is looked up in the loop's ``_scope_``, else in the default scope. The wheel of mmselfsup 1.0.0 lacks the
    module that registers its loops. In this case, mmengine's own class is returned.
    """
    try:
        return find_registered(LOOPS, given["type"], given.get("_scope_"))
    except ImportError:
        return LOOPS.module_dict.get(given["type"])


def _loop(key: str, given: Mapping[str, Any]) -> Loop:
    named, settings = given.get("type"), plain(given)
    if named is not None:
        found = loop_class(given)
    elif key == "train_cfg":
        # A ConfigDict returns None for a missing key, so mmengine counts iterations by default.
        found = EpochBasedTrainLoop if given.get("by_epoch") else IterBasedTrainLoop
    else:
        found = ValLoop if key == "val_cfg" else TestLoop
    if not callable(found):
        return Loop(type_name(named), settings, None, (), False)
    signatures: list[list[inspect.Parameter]] = []
    with suppress(TypeError, ValueError):
        signatures.extend(arguments for _, arguments, _ in arguments_of(found))
    first = signatures[0] if signatures else []
    return Loop(
        type=type_name(found),
        settings=settings,
        takes=tuple(dict.fromkeys(argument.name for several in signatures for argument in _config_arguments(several))),
        needs=tuple(argument.name for argument in _config_arguments(first) if argument.default is argument.empty),
        takes_more=any(argument.kind is argument.VAR_KEYWORD for argument in first),
    )


def _config_arguments(arguments: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the keyword arguments of a loop class, without the arguments that the Runner passes."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [argument for argument in arguments if argument.kind in by_name and argument.name not in _FROM_RUNNER]
