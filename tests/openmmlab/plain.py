"""What a user would write without lrdecay: load, build with initialised weights, call mmengine's own function.

The initialisation draws no random numbers, which take a quarter of the time and are in no group map.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import get_installed_path
from torch import nn

MMDET_ZOO = f"{get_installed_path('mmdet')}/.mim/configs"

MMLogger.get_current_instance().setLevel(logging.CRITICAL)


def plain_config(path: str) -> Config:
    config = Config.fromfile(path)
    # The automatic mixed precision wrapper cannot be built without a GPU; it does not affect the groups.
    if config.optim_wrapper.get("type") == "AmpOptimWrapper":
        config.optim_wrapper.type = "OptimWrapper"
        config.optim_wrapper.pop("loss_scale", None)
    return config


def plain_model(config: Config) -> nn.Module:
    with nothing_drawn(), DefaultScope.overwrite_default_scope(config.get("default_scope", "mmengine")):
        return MODELS.build(copy.deepcopy(config.model))


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Disable the tensor methods of ``torch.nn.init`` that draw random numbers."""
    methods = ("normal_", "uniform_", "erfinv_")
    for method in methods:
        setattr(torch.Tensor, method, lambda tensor, *_, **__: tensor)
    try:
        yield
    finally:
        # The methods are inherited from a base class.
        for method in methods:
            delattr(torch.Tensor, method)


def without_memory(model: nn.Module) -> nn.Module:
    """Remove the values of a model's tensors, and keep their shapes and identity, for a model that a test keeps."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.untyped_storage().resize_(0)
    return model


def plain_groups(config: Config, model: nn.Module, paramwise_cfg: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return every group as a dict of its options, with the names of its parameters in ``names``."""
    wrapper_config = copy.deepcopy(config.optim_wrapper)
    if paramwise_cfg is not None:
        wrapper_config["paramwise_cfg"] = paramwise_cfg
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmengine")):
        wrapper = build_optim_wrapper(model, wrapper_config)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        {**group, "names": [names[id(parameter)] for parameter in group["params"]]}
        for each in (wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper])
        for group in each.optimizer.param_groups
    ]
