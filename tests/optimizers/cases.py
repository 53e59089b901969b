"""Every optimizer that the table of effects has: how it is built, for what it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.openmmlab.optimizer_probes import measure


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        distribution: that has the class.
        path: by which people import it.
        options: beside the lr.
        lr: that it is built with.
    """

    distribution: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 1e-2

    @property
    def kind(self) -> type[torch.optim.Optimizer]:
        module, _, name = self.path.rpartition(".")
        return getattr(import_module(module), name)  # type: ignore[no-any-return]

    def measured(self) -> OptimizerEffects:
        return measure(
            self.kind,
            lambda groups, lr: self.kind(groups, lr=lr, **self.options),
            self.lr,
            distribution=self.distribution,
            # A build of torch for the CPU is the same torch: 2.13.0+cpu.
            version=version(self.distribution).partition("+")[0],
            options=self.options,
        )


def _torch() -> Iterator[Case]:
    for name, kind in sorted(vars(torch.optim).items()):
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer:
            yield Case("torch", f"torch.optim.{name}")
    yield from (
        Case("torch", f"torch.optim.{name}", {"decoupled_weight_decay": True}) for name in ("Adam", "NAdam", "RAdam")
    )


ALWAYS = {
    "torch": [*_torch()],
    "mmpretrain": [Case("mmpretrain", f"mmpretrain.engine.{name}") for name in ("Lamb", "LARS")],
}
"""By distribution: those that the tests' own environment has."""
