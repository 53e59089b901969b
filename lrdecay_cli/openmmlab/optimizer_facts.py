"""What the optimizers of a training do with the lr and weight decay of their groups."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.optimizers import effects_of


def effects_in(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, OptimizerEffects]:
    """By the optimizer's name, for those of a class that the table of effects has."""
    found = {}
    for name, optimizer in optimizers.items():
        kind = type(optimizer)
        if row := effects_of(kind.__module__, kind.__qualname__, optimizer.defaults):
            found[name] = row
    return found
