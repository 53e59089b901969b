"""Models of named tensors without real layers, for constructors that use names, and real layers for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

DEPTHS = (2, 1, 3, 2)
"""The depths of the Swin Transformer, which mmselfsup's constructor reads from the backbone."""


LAYERS: Mapping[str, Callable[[], nn.Module]] = {
    "conv2d": lambda: nn.Conv2d(2, 2, 1),
    "linear": lambda: nn.Linear(2, 2),
    "bn2d": lambda: nn.BatchNorm2d(2),
    "gn": lambda: nn.GroupNorm(1, 2),
    "ln": lambda: nn.LayerNorm(2),
}
"""By the last module in a name: this module is real, with both its parameters."""


class _Named(nn.Module):
    def __len__(self) -> int:
        """Number of blocks, from the name of the last block, which may be the only one; mmselfsup reads it."""
        return max((int(name) for name, _ in self.named_children() if name.isdecimal()), default=-1) + 1

    def __bool__(self) -> bool:
        return True


def layer_shapes(*paths: str) -> dict[str, tuple[int, ...]]:
    """Return the parameters of the layers at these paths, which end in a key of :data:`LAYERS`."""
    return {
        f"{path}.{name}": tuple(parameter.shape)
        for path in paths
        for name, parameter in LAYERS[path.rpartition(".")[2]]().named_parameters()
    }


def model_of(backbone: str, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """Return a model with these parameters; the class of its ``backbone`` has that name."""
    model = _Named()
    model.backbone = type(backbone, (_Named,), {"depths": DEPTHS})()
    for name, shape in shapes.items():
        *path, own = name.split(".")
        place = model
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, LAYERS[part]() if part in LAYERS else _Named())
            place = getattr(place, part)
        if isinstance(place, _Named):
            place.register_parameter(own, nn.Parameter(torch.zeros(shape)))
    return model
