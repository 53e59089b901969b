"""Models that are nothing but named tensors: constructors that decay by name look at no more."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

DEPTHS = (2, 1, 3, 2)
"""Of the Swin Transformer: mmselfsup's constructor asks the backbone."""


class _Named(nn.Module):
    def __len__(self) -> int:
        """How many blocks a row of them has, the last of which may stand alone: mmselfsup's constructor asks."""
        return max((int(name) for name, _ in self.named_children() if name.isdecimal()), default=-1) + 1

    def __bool__(self) -> bool:
        return True


def model_of(backbone: str, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """A model with these parameters, whose ``backbone`` is of a class of that name."""
    model = _Named()
    model.backbone = type(backbone, (_Named,), {"depths": DEPTHS})()
    for name, shape in shapes.items():
        *path, own = name.split(".")
        place = model
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, _Named())
            place = getattr(place, part)
        place.register_parameter(own, nn.Parameter(torch.zeros(shape)))
    return model
