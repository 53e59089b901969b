"""Take real steps of an optimizer with a few tiny tensors."""

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
"""Function that builds an optimizer. Arguments: groups with lr and weight decay, and the lr of the optimizer itself."""

WEIGHT = 2.0**-6
"""Value of all weights: about the standard deviation of initialised weights, and exact in float32."""
STILL = 1e-13
"""A smaller change of a weight counts as no change."""
_CLOSE = 0.06
"""Relative tolerance for measured changes of a weight: ``eps`` and weight decay may alter them slightly."""
_LONGEST = 1000
"""Maximum number of real steps. A later step is reached by setting the optimizer's step count, as resuming does."""


def close(value: float, expected: float) -> bool:
    """True if a measured change, or a ratio of two changes, equals ``expected`` within the tolerance."""
    return math.isclose(value, expected, rel_tol=_CLOSE)


def coupling(larger: float, whole: float) -> DecayUse:
    """Return how an optimizer uses weight decay that it has added to the gradient.

    The result is "in the gradient" if a gradient that is ten times as large changes the weight ten times as much: for
    example, SGD. Otherwise it is "in the adaptive gradient": for example, Adam adapts its steps to the gradients' size.

    Args:
        larger: change of a weight if the gradient is ten times as large.
        whole: change of the same weight with the original gradient.
    """
    return "in the gradient" if close(larger, 10 * whole) else "in the adaptive gradient"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Use only one thread in this block, which is enough for tiny tensors. Restore the random state afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=()):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Setup:
    """Inputs for a measured optimizer, with one tensor in each group."""

    lrs: tuple[float, ...]
    decays: tuple[float, ...] = (0.0, 0.0)
    weights: tuple[float, ...] = (WEIGHT, WEIGHT)
    gradient: float = 1.0
    """Value of every element of every gradient."""
    shape: tuple[int, ...] = (16, 8)
    dtype: torch.dtype = torch.float64
    demands: tuple[Demand, ...] = ()
    """Requirements of the optimizer that mmengine does not meet."""

    def start(self, build: Build) -> tuple[torch.optim.Optimizer, list[torch.Tensor]]:
        """Build the optimizer. Returns the optimizer and the tensors of its groups."""
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
        """Set the gradients and take a step."""
        for tensor in tensors:
            gradient = torch.full_like(tensor, self.gradient)
            tensor.grad = gradient.to_sparse() if "sparse gradients" in self.demands else gradient
        if "a closure" in self.demands:
            optimizer.step(lambda: float(sum((tensor * self.gradient).sum().item() for tensor in tensors)))
        else:
            optimizer.step()


class Probe:
    """An optimizer and a setup in which it takes steps.

    Args:
        build: function that builds the optimizer.
        base: the lrs, weights and other inputs of the optimizer. A measurement may change some of them. If the
            optimizer accepts only one lr, all its groups have this lr.
    """

    def __init__(self, build: Build, base: Setup) -> None:
        self.build, self.base = build, base

    @property
    def lr(self) -> float:
        """The highest lr of the groups."""
        return max(self.base.lrs)

    @property
    def has_lrs(self) -> bool:
        """True if groups may have different lrs."""
        return not {"one group", "one lr"} & {*self.base.demands}

    @property
    def has_groups(self) -> bool:
        """True if the optimizer accepts several groups."""
        return "one group" not in self.base.demands

    def changes(self, steps: Iterable[int] = (1,), *, hold: bool = False, **varied: Any) -> dict[int, list[float]]:
        """Return the signed mean change of the elements of each group, for each step in ``steps``.

        Args:
            steps: numbers of the steps to return, from 1.
            hold: reset the weights before every step.
            varied: fields of the setup to change.
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
        """Return the number of the first step that changes a tensor.

        This is not always 1: some optimizers only sum up gradients in the first steps.
        """
        moved = self.changes(range(1, 12))
        return next((step for step, changes in moved.items() if abs(changes[0]) > STILL), 1)

    def first(self, **varied: Any) -> list[float]:
        """Return the change of each group in the first step that changes a tensor."""
        return self.changes((self.begins,), hold=self.begins > 1, **varied)[self.begins]


def _set_step(optimizer: torch.optim.Optimizer, step: int) -> bool:
    """Set the step count of an optimizer, as loading a saved state does. False if the optimizer has no step count."""
    counts = [kept for kept in optimizer.state.values() if isinstance(kept, dict) and "step" in kept]
    for kept in counts:
        kept["step"] = torch.full_like(kept["step"], step) if isinstance(kept["step"], torch.Tensor) else step
    return bool(counts)
