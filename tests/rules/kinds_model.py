"""A model with every parameter of ``tests/decay/parameter_kinds.csv``, registered as in a config."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import nn

from tests.decay.kinds_table import ROWS, Row

BASES: dict[str, type[nn.Module]] = {"norm": nn.LayerNorm, "": nn.Module}


@MODELS.register_module(force=True)
class PublishedKinds(BaseModel):  # type: ignore[misc]
    """Each row has its own module, because several rows have the same name."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"stem": nn.Linear(2, 2), "blocks": nn.Linear(2, 2)})
        for number, row in enumerate(ROWS):
            self.add_module(f"row{number}", _with_parameter(row))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def _with_parameter(row: Row) -> nn.Module:
    *path, own = row.name.split(".")
    holder: nn.Module = nn.Module.__new__(type(row.type, (BASES["norm" if "norm" in row.traits else ""],), {}))
    nn.Module.__init__(holder)
    holder.register_parameter(own, nn.Parameter(torch.empty(row.sizes)))
    if row.type == "ParameterList":
        holder = nn.ParameterList([nn.Parameter(torch.empty(row.sizes))])
    for name in reversed(path):
        outer = nn.Module()
        outer.add_module(name, holder)
        holder = outer
    return holder
