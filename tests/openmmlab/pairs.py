"""The constructor of trainings with two optimizers."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class PairConstructor:
    """Two optimizers in one wrapper, as in GANs."""

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        self.config = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        return OptimWrapperDict(
            **{
                name: OptimWrapper(torch.optim.Adam(getattr(model, name).parameters(), lr=options["optimizer"]["lr"]))
                for name, options in self.config.items()
            }
        )
