"""Real steps of an optimizer over a few tiny tensors."""

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
"""Builds an optimizer from groups, which have their lr and weight decay, and from the lr that a config gives it."""

WEIGHT = 2.0**-6
"""About the standard deviation that weights are initialised with, and the same when it is rounded to float32."""
STILL = 1e-13
"""A change up to which nothing has moved."""
_CLOSE = 0.06
"""How much a pull may differ from the one that it is compared with: ``eps`` and decay of the weight are in it."""
_LONGEST = 1000
"""How many steps are taken; a later one is reached by setting the optimizer's count, as a resumed checkpoint does."""


def close(value: float, expected: float) -> bool:
    """Whether a measured pull, or a ratio of two, is the expected one."""
    return math.isclose(value, expected, rel_tol=_CLOSE)


def coupling(larger: float, whole: float) -> DecayUse:
    """Name how weight decay acts in the gradient, from how far gradients move a weight after some steps.

    Args:
        larger: with ten times the gradient.
        whole: with the gradient.
    """
    return "in the gradient" if close(larger, 10 * whole) else "in the adaptive gradient"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Use one thread in here, since tiny tensors gain nothing from more, and restore the random numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=()):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Setup:
    """What a probe gives an optimizer: one tensor a group."""

    lrs: tuple[float, ...]
    decays: tuple[float, ...] = (0.0, 0.0)
    weights: tuple[float, ...] = (WEIGHT, WEIGHT)
    gradient: float = 1.0
    """Of every element of every tensor."""
    shape: tuple[int, ...] = (16, 8)
    dtype: torch.dtype = torch.float64
    demands: tuple[Demand, ...] = ()
    """What it is given beyond what mmengine gives it."""

    def start(self, build: Build) -> tuple[torch.optim.Optimizer, list[torch.Tensor]]:
        """The optimizer, and the tensors of its groups."""
        count = 1 if "one group" in self.demands else len(self.lrs)
        tensors = [torch.nn.Parameter(torch.full(self.shape, each, dtype=self.dtype)) for each in self.weights[:count]]
        groups: list[dict[str, Any]] = [
            {"params": [tensor], "lr": lr, "weight_decay": decay}
            for tensor, lr, decay in zip(tensors, self.lrs, self.decays, strict=False)
        ]
        if "no further keys" not in self.demands:
            for index, group in enumerate(groups):
                # mmdet's layer decay constructor gives its groups these keys.
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
    """An optimizer that takes steps under the demands that it has.

    Args:
        build: builds it.
        base: the setup that other probes vary; both groups have the same lr in it if it demands so.
    """

    def __init__(self, build: Build, base: Setup) -> None:
        self.build, self.base = build, base

    @property
    def lr(self) -> float:
        """Of the faster group."""
        return max(self.base.lrs)

    @property
    def has_lrs(self) -> bool:
        """Whether groups can have several lrs."""
        return not {"one group", "one lr"} & {*self.base.demands}

    @property
    def has_groups(self) -> bool:
        """Whether there can be several groups."""
        return "one group" not in self.base.demands

    def changes(self, steps: Iterable[int] = (1,), *, hold: bool = False, **varied: Any) -> dict[int, list[float]]:
        """Mean change of an element of each group, signed, by the number of the step, from 1.

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
        """The first step in which it moves a tensor: some only gather in the steps before."""
        moved = self.changes(range(1, 12))
        return next((step for step, changes in moved.items() if abs(changes[0]) > STILL), 1)

    def first(self, **varied: Any) -> list[float]:
        """The changes of the first step that can move anything."""
        return self.changes((self.begins,), hold=self.begins > 1, **varied)[self.begins]


def _set_step(optimizer: torch.optim.Optimizer, step: int) -> bool:
    """Make an optimizer count from ``step`` on, as one does whose state was restored; False if it keeps no count."""
    counts = [kept for kept in optimizer.state.values() if isinstance(kept, dict) and "step" in kept]
    for kept in counts:
        kept["step"] = torch.full_like(kept["step"], step) if isinstance(kept["step"], torch.Tensor) else step
    return bool(counts)
