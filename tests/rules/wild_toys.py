"""Small modules for configs that reproduce users' reports; the configs import this module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

DIM = 4


class Block(nn.Module):
    """A norm and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM)
        self.mlp = nn.Linear(DIM, DIM)


@MODELS.register_module()
class ToyRow(nn.Module):
    """A stem, a position embedding and blocks in one row."""

    def __init__(self, depth: int = 4) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, DIM))
        self.patch_embed = nn.Conv2d(3, DIM, 4)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))


@MODELS.register_module()
class ToyAdapted(ToyRow):
    """A transformer with new adapter modules beside its blocks, as in ViT-Adapter."""

    def __init__(self, depth: int = 4, new: tuple[str, ...] = ("level_embed", "spm", "interactions", "up")) -> None:
        super().__init__(depth)
        for name in new:
            if name.endswith(("embed", "query", "token", "tokens")):
                setattr(self, name, nn.Parameter(torch.zeros(3, DIM)))
            elif name == "interactions":
                self.interactions = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(4))
            else:
                setattr(self, name, nn.Conv2d(3, DIM, 3))


@MODELS.register_module()
class ToyStages(nn.Module):
    """Stages of blocks."""

    def __init__(self, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, DIM, 4)
        self.levels = nn.ModuleList(
            nn.ModuleDict({"blocks": nn.ModuleList(Block() for _ in range(depth))}) for depth in depths
        )


@MODELS.register_module()
class ToyDetector(BaseModel):  # type: ignore[misc]
    """A backbone, a neck and a head."""

    def __init__(self, backbone: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.neck = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Never called."""


class _Layers(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """Layer decay with the layer ids of :meth:`layer`."""

    def layers(self, module: nn.Module) -> Iterator[tuple[str, nn.Parameter, int]]:
        layer = self.layer(self.paramwise_cfg)
        return ((name, tensor, layer(name.split("."))) for name, tensor in module.named_parameters())

    def layer(self, options: dict[str, Any]) -> Callable[[list[str]], int]:
        raise NotImplementedError

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **kwargs: Any) -> None:
        """Add a group for each layer and weight decay."""
        head, groups = self.paramwise_cfg["num_layers"] + 1, dict[str, Any]()
        for name, tensor, layer in self.layers(module):
            scale = self.paramwise_cfg["layer_decay_rate"] ** (head - layer)
            decay = 0.0 if tensor.ndim == 1 else self.base_wd
            own = dict(params=[], param_names=[], weight_decay=decay, lr_scale=scale, lr=scale * self.base_lr)
            group = groups.setdefault(f"layer_{layer}_{decay}", own)
            group["group_name"] = f"layer_{layer}_{'decay' if decay else 'no_decay'}"
            group["params"].append(tensor)
            group["param_names"].append(name)
        params.extend(groups.values())


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ToyRowDecay(_Layers):
    """Supports a stem and a row of blocks, and treats all other names as the head, as ViT-Adapter's does."""

    def layer(self, options: dict[str, Any]) -> Callable[[list[str]], int]:
        head = options["num_layers"] + 1
        options.get("depth")

        def of(parts: list[str]) -> int:
            if parts[0] != "backbone":
                return head
            return (
                int(parts[2]) + 1 if parts[1] == "blocks" else 0 if parts[1] in ("pos_embed", "patch_embed") else head
            )

        return of


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ToyDepthsDecay(_Layers):
    """Counts layers with an option ``depths``, as InternImage's constructor does."""

    def layer(self, options: dict[str, Any]) -> Callable[[list[str]], int]:
        head, depths = options["num_layers"] + 1, options["depths"]

        def of(parts: list[str]) -> int:
            if parts[0] != "backbone" or parts[1] != "levels":
                return 0 if parts[0] == "backbone" else head
            return int(parts[4]) + 1 + sum(depths[: int(parts[2])])

        return of


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ToyKindsDecay(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """Applies the config's weight decay to weights, and removes it from the optimizer, as mmyolo's for YOLOv5."""

    def __call__(self, model: nn.Module) -> Any:
        """Build the wrapper."""
        optimizer = dict(self.optimizer_cfg)
        weight_decay = optimizer.pop("weight_decay")
        weights = [tensor for tensor in model.parameters() if tensor.ndim > 1]
        flat = [tensor for tensor in model.parameters() if tensor.ndim == 1]
        params = [dict(params=weights, weight_decay=weight_decay), dict(params=flat)]
        return OPTIM_WRAPPERS.build(
            dict(self.optim_wrapper_cfg, optimizer=OPTIMIZERS.build(dict(optimizer, params=params)))
        )
