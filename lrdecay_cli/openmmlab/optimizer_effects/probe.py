"""Take real steps of an optimizer on a few tiny tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import DecayUse, Demand

Build = Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]
"""Builds an optimizer from groups, with their lr and weight decay, and from the config's lr."""

WEIGHT = 2.0**-6
"""About the standard deviation of initialised weights; exact in float32."""
STILL = 1e-13
"""Changes up to this count as no movement."""
_CLOSE = 0.06
"""Tolerance between two pulls: they include ``eps`` and the decay of the weight."""
_LONGEST = 1000
"""Number of real steps; later ones are reached by setting the optimizer's step count, as a resume does."""


def close(value: float, expected: float) -> bool:
    """True if a measured pull, or a ratio of two pulls, equals the expected value within the tolerance."""
    return math.isclose(value, expected, rel_tol=_CLOSE)


def coupling(larger: float, whole: float) -> DecayUse:
    """Name how weight decay acts in the gradient, from a weight's change after some steps.

    Args:
        larger: change with ten times the gradient.
        whole: change with the gradient.
    """
    return "in the gradient" if close(larger, 10 * whole) else "in the adaptive gradient"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Use one thread in this block, which is enough for tiny tensors. Restore the random state afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=()):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Setup:
    """Inputs of a probe's optimizer: one tensor per group."""

    lrs: tuple[float, ...]
    decays: tuple[float, ...] = (0.0, 0.0)
    weights: tuple[float, ...] = (WEIGHT, WEIGHT)
    gradient: float = 1.0
    """Value of every element of every tensor."""
    shape: tuple[int, ...] = (16, 8)
    dtype: torch.dtype = torch.float64
    demands: tuple[Demand, ...] = ()
    """Requirements beyond what mmengine provides."""

    def start(self, build: Build) -> tuple[torch.optim.Optimizer, list[torch.Tensor]]:
        """Return the optimizer and the tensors of its groups."""
        count = 1 if "one group" in self.demands else len(self.lrs)
        tensors = [torch.nn.Parameter(torch.full(self.shape, each, dtype=self.dtype)) for each in self.weights[:count]]
        groups: list[dict[str, Any]] = [
            {"params": [tensor], "lr": lr, "weight_decay": decay}
            for tensor, lr, decay in zip(tensors, self.lrs, self.decays, strict=False)
        ]
        if "no further keys" not in self.demands:
            for index, group in enumerate(groups):
                # mmdet's layer decay constructor adds these keys to its groups.
                group.update(param_names=[f"tensor_{index}"], group_name=str(index), lr_scale=1.0)
        optimizer = build(groups, max(self.lrs))
        if "train()" in self.demands:
            optimizer.train()
        return optimizer, tensors

    def step(self, optimizer: torch.optim.Optimizer, tensors: Sequence[torch.Tensor]) -> None:
        """Take a step."""
        for tensor in tensors:
            gradient = torch.full_like(tensor, self.gradient)
            tensor.grad = gradient.to_sparse() if "sparse gradients" in self.demands else gradient
        if "a closure" in self.demands:
            optimizer.step(lambda: float(sum((tensor * self.gradient).sum().item() for tensor in tensors)))
        else:
            optimizer.step()


class Probe:
    """An optimizer that takes steps if its requirements are met.

    Args:
        build: builds the optimizer.
        base: the setup that probes vary; both groups have the same lr if the optimizer demands it.
    """

    def __init__(self, build: Build, base: Setup) -> None:
        self.build, self.base = build, base

    @property
    def lr(self) -> float:
        """The lr of the faster group."""
        return max(self.base.lrs)

    @property
    def has_lrs(self) -> bool:
        """True if groups may have different lrs."""
        return not {"one group", "one lr"} & {*self.base.demands}

    @property
    def has_groups(self) -> bool:
        """True if there may be several groups."""
        return "one group" not in self.base.demands

    def changes(self, steps: Iterable[int] = (1,), *, hold: bool = False, **varied: Any) -> dict[int, list[float]]:
        """Return the signed mean change of each group's elements, by step number from 1.

        Args:
            steps: which to return.
            hold: put the weights back before every step.
            varied: fields of the setup.
        """
        setup = replace(self.base, **varied)
        optimizer, tensors = setup.start(self.build)
        found = {}
        for number in (*range(1, max(step for step in steps if step <= _LONGEST) + 1), *steps):
            if number in found or (number > _LONGEST and not _set_step(optimizer, number - 1)):
                continue
            if hold:
                for tensor, weight in zip(tensors, setup.weights, strict=False):
                    tensor.data.fill_(weight)
            before = [tensor.detach().clone() for tensor in tensors]
            setup.step(optimizer, tensors)
            if number in steps:
                pairs = zip(tensors, before, strict=True)
                found[number] = [float((tensor.detach() - was).double().mean()) for tensor, was in pairs]
        return found

    @cached_property
    def begins(self) -> int:
        """Return the first step that moves a tensor: some optimizers only accumulate before."""
        moved = self.changes(range(1, 12))
        return next((step for step, changes in moved.items() if abs(changes[0]) > STILL), 1)

    def first(self, **varied: Any) -> list[float]:
        """Return the changes of the first step that can move anything."""
        return self.changes((self.begins,), hold=self.begins > 1, **varied)[self.begins]


def _set_step(optimizer: torch.optim.Optimizer, step: int) -> bool:
    """Set an optimizer's step count as a restored state does; False if it has no count."""
    counts = [kept for kept in optimizer.state.values() if isinstance(kept, dict) and "step" in kept]
    for kept in counts:
        kept["step"] = torch.full_like(kept["step"], step) if isinstance(kept["step"], torch.Tensor) else step
    return bool(counts)
