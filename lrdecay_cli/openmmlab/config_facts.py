"""What the config says about training, and which modules own the parameters, for rules that need no torch."""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm, _InstanceNorm
from msgspec import UNSET
from torch import nn

from lrdecay_cli.domain.training import RUNNER_KEYS, Module, Training, Trait
from lrdecay_cli.files.mmcv1 import KEYS as MMCV_KEYS
from lrdecay_cli.files.mmcv1 import is_mmcv_style
from lrdecay_cli.openmmlab.config_values import plain
from lrdecay_cli.openmmlab.helper_variables import is_helper
from lrdecay_cli.openmmlab.schedulers.training_loops import loops_of

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
# Where people put what belongs into optim_wrapper, mmcv 1 style among it, and where nothing of mmengine looks.
_MISPLACED = ("paramwise_cfg", "constructor", "optimizer", "optimizer_config", "lr_config", "custom_keys", "clip_grad")
_WRAPPER_ONLY = ("paramwise_cfg", "constructor", "clip_grad", "accumulative_counts")


def training_of(config: Config, reads: tuple[str, ...] | None, asked: tuple[str, ...] | None = None) -> Training:
    """What ``config`` says about training.

    Args:
        config: a training config.
        reads: what its constructor was seen to read of ``paramwise_cfg``; None if nobody watched.
        asked: what it asked for in vain; likewise.
    """
    schedulers = config.get("param_scheduler") or ()
    wrapper = plain(config.optim_wrapper)
    return Training(
        optim_wrapper=wrapper,
        param_scheduler=tuple(plain(schedulers) if isinstance(schedulers, (list, tuple)) else [plain(schedulers)]),
        train_cfg=plain(config.get("train_cfg") or {}),
        misplaced=dict(_misplaced(config, wrapper)),
        reads=reads,
        inherited=tuple(_inherited(config, wrapper.get("paramwise_cfg") or {})),
        asked=UNSET if asked is None else asked,
        from_bases=tuple(_from_bases(config)),
        loops=loops_of(config),
    )


def modules_of(model: nn.Module) -> dict[str, Module]:
    """Every module of ``model`` that registers parameters, by its path; a shared one under each of its paths."""
    deformable = _deformable_classes()
    of_deformable: Iterator[nn.Module] = (module for module in model.modules() if isinstance(module, deformable))
    offsets = {id(child) for module in of_deformable for child in module.children()}
    return {
        path: Module(type(module).__name__, tuple(_traits(module, deformable, id(module) in offsets)), own)
        for path, module in model.named_modules(remove_duplicate=False)
        if (own := tuple(name for name, parameter in module._parameters.items() if parameter is not None))
    }


def _traits(module: nn.Module, deformable: tuple[type, ...], offset: bool) -> Iterator[Trait]:
    if isinstance(module, NORMS):
        yield "norm"
    if isinstance(module, nn.Conv2d):
        if module.in_channels == module.groups:
            yield "depthwise"
        yield "conv2d"
    if isinstance(module, deformable):
        yield "deformable"
    if offset:
        yield "offset"


def _deformable_classes() -> tuple[type, ...]:
    # A model that has one has imported it.
    ops = sys.modules.get("mmcv.ops")
    return () if ops is None else (ops.DeformConv2d, ops.ModulatedDeformConv2d)


def _misplaced(config: Config, wrapper: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in config:
        # A config may define any name; one that is nearly the Runner's own is meant to be that.
        if key not in RUNNER_KEYS and difflib.get_close_matches(str(key), RUNNER_KEYS, n=1, cutoff=0.9):
            yield str(key), plain(config[key])
    for key in (*_MISPLACED, *(key for key in MMCV_KEYS if is_mmcv_style(key, config.get(key)))):
        if key in config and not is_helper(config.filename, key):
            yield key, plain(config[key])
    optimizer = wrapper.get("optimizer")
    if isinstance(optimizer, Mapping):
        yield from ((f"optim_wrapper.optimizer.{key}", optimizer[key]) for key in _WRAPPER_ONLY if key in optimizer)


def _from_bases(config: Config) -> Iterator[str]:
    named = _names_in(config.filename)
    if named is not None:
        yield from (key for key in RUNNER_KEYS if key in config and key not in named)


def _inherited(config: Config, options: Mapping[str, Any]) -> Iterator[str]:
    """Paths of options of which the config's own file says nothing, by name."""
    named = _names_in(config.filename)
    if named is not None:
        yield from (path for path, key in _paths(options) if key not in named)


def _paths(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path with its last key, in which there may be dots too."""
    for key, value in options.items():
        yield f"{prefix}{key}", str(key)
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _names_in(file: str | None) -> frozenset[str] | None:
    """Every name that stands in a config's own file, in whatever place; None if that cannot be told."""
    if not file or not file.endswith((".py", ".json")):
        return None
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        text = Path(file).read_text(encoding="utf-8")
        return frozenset(_names_in_python(text) if file.endswith(".py") else _names_in_json(json.loads(text)))
    return None


def _names_in_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def _names_in_json(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _names_in_json(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names_in_json(item)
