"""Comparing groups and parameters before and after something acts, so that every change has its cause."""

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
    """Follows the groups of some optimizers, and which parameters of a model require a gradient.

    Args:
        parameters: of the model, by name; several names may have one, which a model wrapper made of them.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = parameters
        self.iteration = 0
        """The next iteration: what changes now is seen by it first."""
        self._optimizers: Mapping[str, torch.optim.Optimizer] = {}
        self.states: list[StateChange] = []
        self.causes: list[dict[str, Cause]] = []
        """By group, what has set its lr, by name, with the first time of each."""
        self.built: list[tuple[float | None, float | None]] = []
        """lr and weight decay of every group, as the constructor gave them."""
        self._tensors = list(self.parameters.values())
        self._required = self._requirements()
        self._seen: list[float | None] | None = None
        """The lrs when somebody acted last: all that changes them is attributed to somebody."""

    def follow(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Follow the groups of these optimizers from now on."""
        self._optimizers = optimizers
        self._seen = None
        self.causes = [{} for _ in self.groups]
        self.built = self.values()

    @property
    def groups(self) -> list[tuple[str, dict[str, Any]]]:
        """Every group of every optimizer, with the optimizer's name; a resumed optimizer has other ones than before."""
        return [(name, group) for name, optimizer in self._optimizers.items() for group in optimizer.param_groups]

    @contextmanager
    def acting(self, stage: Stage, name: str) -> Iterator[None]:
        """Attribute to ``name`` whatever changes in here."""
        before = self._seen or self.lrs()
        try:
            yield
        finally:
            self.attribute(before, stage, name)
            required = self._requirements()
            if required != self._required:
                self._note_states(required, Cause(stage, name, self.iteration))

    def attribute(self, before: list[float | None], stage: Stage, name: str) -> None:
        """Note ``name`` as a cause for each group whose lr is no longer what it was."""
        self._seen = now = self.lrs()
        if now == before:
            return
        for causes, old, new in zip(self.causes, before, now, strict=False):
            if old != new and name not in causes:
                causes[name] = Cause(stage, name, self.iteration)

    def lrs(self) -> list[float | None]:
        """The lr of every group, as it stands."""
        return lrs_of([group for optimizer in self._optimizers.values() for group in optimizer.param_groups])

    def values(self) -> list[tuple[float | None, float | None]]:
        """lr and weight decay of every group."""
        return [(number(group.get("lr")), number(group.get("weight_decay"))) for _, group in self.groups]

    def frozen(self) -> tuple[str, ...]:
        """Names of the parameters that require no gradient now."""
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
    """The lr of each group as a number of its own: some optimizers keep a tensor that they change in place."""
    # mmengine's constructor makes ConfigDicts, whose own get is fifty times as slow.
    lrs = [dict.get(group, "lr") for group in groups]
    return lrs if {*map(type, lrs)} == {float} else [number(lr) for lr in lrs]
