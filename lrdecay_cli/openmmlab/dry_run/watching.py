"""Find the cause of every change of an lr or ``requires_grad``.

The values are compared before and after each hook, scheduler and other step of the training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from lrdecay_cli.domain.dry_run import Cause, Stage, StateChange
from lrdecay_cli.openmmlab.config_values import number

_REQUIRES_GRAD = attrgetter("requires_grad")


class Watch:
    """Record which steps change the lrs of groups, and each change of ``requires_grad`` of a model's parameters.

    Args:
        parameters: parameters of the model by name. With a model wrapper, several names may share one parameter.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = parameters
        self.iteration = 0
        """The next iteration. A change that a hook makes now takes effect in this iteration."""
        self._optimizers: Mapping[str, torch.optim.Optimizer] = {}
        self.states: list[StateChange] = []
        self.causes: list[dict[str, Cause]] = []
        """For each group: a dict from the name of a step, such as a hook, to the first lr change by this step."""
        self.built: list[tuple[float | None, float | None]] = []
        """lr and weight decay of every group, as set by the constructor."""
        self._tensors = list(self.parameters.values())
        self._required = self._requirements()
        self._seen: list[float | None] | None = None
        """The lr of every group after the last hook, scheduler or other step; None before the first step."""

    def follow(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Start recording the groups of these optimizers."""
        self._optimizers = optimizers
        self._seen = None
        self.causes = [{} for _ in self.groups]
        self.built = self.values()

    @property
    def groups(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every group of every optimizer, with the name of its optimizer.

        The result is not cached, because resuming replaces the groups.
        """
        return [(name, group) for name, optimizer in self._optimizers.items() for group in optimizer.param_groups]

    @contextmanager
    def acting(self, stage: Stage, name: str) -> Iterator[None]:
        """Record ``name``, such as a hook, as the cause of all changes in this block."""
        before = self._seen or self.lrs()
        try:
            yield
        finally:
            self.attribute(before, stage, name)
            required = self._requirements()
            if required != self._required:
                self._note_states(required, Cause(stage, name, self.iteration))

    def attribute(self, before: list[float | None], stage: Stage, name: str) -> None:
        """Record ``name``, such as a hook, as a cause for each group with a changed lr.

        ``before`` contains the lr of each group before ``name`` ran.
        """
        self._seen = now = self.lrs()
        if now == before:
            return
        for causes, old, new in zip(self.causes, before, now, strict=False):
            if old != new and name not in causes:
                causes[name] = Cause(stage, name, self.iteration)

    def lrs(self) -> list[float | None]:
        """Return the current lr of every group."""
        return lrs_of([group for optimizer in self._optimizers.values() for group in optimizer.param_groups])

    def values(self) -> list[tuple[float | None, float | None]]:
        """Return the current lr and weight decay of every group."""
        return [(number(group.get("lr")), number(group.get("weight_decay"))) for _, group in self.groups]

    def frozen(self) -> tuple[str, ...]:
        """Return the names of parameters that currently require no gradient."""
        return tuple(name for name, tensor in self.parameters.items() if not tensor.requires_grad)

    def _requirements(self) -> list[bool]:
        return [*map(_REQUIRES_GRAD, self._tensors)]

    def _note_states(self, required: list[bool], cause: Cause) -> None:
        for trainable in (False, True):
            names = tuple(
                name
                for name, was, now in zip(self.parameters, self._required, required, strict=True)
                if was is not now and now is trainable
            )
            if names:
                self.states.append(StateChange(trainable, cause, names))
        self._required = required


def lrs_of(groups: Sequence[dict[str, Any]]) -> list[float | None]:
    """Return a copy of the lr of each group, because some optimizers store a tensor and change it in place."""
    # mmengine's constructor makes ConfigDicts, whose get is fifty times slower.
    lrs = [dict.get(group, "lr") for group in groups]
    return lrs if {*map(type, lrs)} == {float} else [number(lr) for lr in lrs]
