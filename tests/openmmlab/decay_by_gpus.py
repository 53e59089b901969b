"""Constructors of toy models that read the number of training GPUs, each from another source."""

from __future__ import annotations

import os
from typing import Any

import torch.distributed as dist
from mmengine.dist import get_dist_info, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn


class DecayByGpus:
    """Multiplies weight decay by the total batch size over 64, as mmyolo 0.6.0's YOLOv5OptimizerConstructor does.

    Source: ``mmyolo/engine/optimizers/yolov5_optim_constructor.py``.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        self.wrapper = dict(optim_wrapper_cfg)
        self.optimizer = dict(self.wrapper.pop("optimizer"))

    def gpus(self) -> int:
        return int(get_world_size())

    def __call__(self, model: nn.Module) -> OptimWrapper:
        weight_decay = self.optimizer.pop("weight_decay")
        total = self.gpus() * self.optimizer.pop("batch_size_per_gpu")
        scale = total * max(round(64 / total), 1) / 64
        if scale != 1:
            weight_decay *= scale
        decayed = [p for p in model.parameters() if p.ndim > 1]
        rest = [p for p in model.parameters() if p.ndim == 1]
        self.optimizer["params"] = [dict(params=decayed, weight_decay=weight_decay), dict(params=rest)]
        return OPTIM_WRAPPERS.build(dict(self.wrapper, optimizer=OPTIMIZERS.build(self.optimizer)))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ByMmengine(DecayByGpus):
    """Reads mmengine."""

    def gpus(self) -> int:
        return get_world_size()  # type: ignore[no-any-return]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ByDistInfo(DecayByGpus):
    """Reads rank and world size from mmengine."""

    def gpus(self) -> int:
        return get_dist_info()[1]  # type: ignore[no-any-return]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ByTorch(DecayByGpus):
    """Reads PyTorch."""

    def gpus(self) -> int:
        return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ByVariable(DecayByGpus):
    """Reads the launcher's environment variable."""

    def gpus(self) -> int:
        return int(os.environ.get("WORLD_SIZE", "1"))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ByNobody(DecayByGpus):
    """Reads only the rank, as mmdet's constructor does to log once."""

    def gpus(self) -> int:
        rank, _ = get_dist_info()
        return 1 if rank == 0 else 2
