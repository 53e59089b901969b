"""Take real steps with the config's optimizers. Every element of every gradient is 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict

from lrdecay_cli.domain.dry_run import Effect
from lrdecay_cli.openmmlab.building import optimizers_of
from lrdecay_cli.openmmlab.dry_run.effects import measured, shrink
from lrdecay_cli.openmmlab.dry_run.watching import Watch
from lrdecay_cli.openmmlab.train_mode import describe_error


class Steps:
    """Take the first optimizer steps of a training, and measure the effects of the optimizers.

    Args:
        count: number of steps to take.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self.error: str | None = None
        """The error that an optimizer raised in a step; None if no optimizer raised an error."""
        self.effects: list[Effect] | None = None
        """The effect of a step on each group; None if not measured, or if an optimizer raised an error."""
        self._wrapper: Any = None
        self._lrs: dict[int, list[float]] = {}
        self._trained: set[int] = set()
        self._whole: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        self._begun: dict[str, torch.Tensor] = {}

    @property
    def are_left(self) -> bool:
        """True if the next iteration takes an optimizer step."""
        return self._left > 0

    def prepare(self, wrapper: Any) -> None:
        """Shrink the tensors of the optimizers to save memory. Call this before other code copies these tensors."""
        self._wrapper = wrapper
        self._whole = shrink(optimizers_of(wrapper).values())

    @contextmanager
    def whole_shapes(self) -> Iterator[None]:
        """Give the optimizers' tensors their original shapes, but not their values, inside the ``with`` block."""
        small = [parameter.data for parameter, _ in self._whole]
        for parameter, whole in self._whole:
            parameter.data = whole
        try:
            yield
        finally:
            for (parameter, _), data in zip(self._whole, small, strict=True):
                parameter.data = data

    def measure(self, watch: Watch) -> None:
        """Measure the effect of a step on each group, with copies of the optimizers."""
        try:
            self.effects = [effect for each in optimizers_of(self._wrapper).values() for effect in measured(each)]
        except Exception as error:
            self.error = describe_error(error)
        # Parameters outside the groups are not copied: they have their full size, and a copy would need this memory.
        held = {id(parameter) for _, group in watch.groups for parameter in group["params"]}
        self._begun = {name: p.detach().clone() for name, p in watch.parameters.items() if id(p) in held}

    def take(self, wrapper: Any, watch: Watch) -> None:
        """Take a step with the config's optimizer wrapper, and update all parameters that require a gradient."""
        self._left -= 1
        for index, lr in enumerate(watch.lrs()):
            self._lrs.setdefault(index, []).append(lr or 0.0)
        if self.error is not None:
            return
        for each in wrapper.values() if isinstance(wrapper, OptimWrapperDict) else (wrapper,):
            groups = each.optimizer.param_groups
            trained = [p for group in groups for p in group["params"] if p.requires_grad]
            self._trained.update(map(id, trained))
            if trained:
                try:
                    each.update_params(torch.stack([parameter.sum() for parameter in trained]).sum())
                except Exception as error:
                    self.error = describe_error(error)
                    self._left = 0
                    return

    def unmoved(self, watch: Watch) -> tuple[str, ...]:
        """Return the parameters that no step changed, although an optimizer should have changed them.

        These parameters had a gradient, and an lr above 0 in at least one step.
        """
        return self._named(watch, lambda lrs, moved, trained: trained and any(lrs) and not moved)

    def moved_at_zero(self, watch: Watch) -> tuple[str, ...]:
        """Return the parameters that a step changed, although their lr was 0 in every step."""
        return self._named(watch, lambda lrs, moved, trained: not any(lrs) and moved)

    def _named(self, watch: Watch, wanted: Any) -> tuple[str, ...]:
        if self.error is not None or not self._lrs:
            return ()
        group_of = {id(p): index for index, (_, group) in enumerate(watch.groups) for p in group["params"]}
        return tuple(
            name
            for name, parameter in watch.parameters.items()
            if id(parameter) in group_of
            and wanted(
                self._lrs[group_of[id(parameter)]],
                not torch.equal(parameter.detach(), self._begun[name]),
                id(parameter) in self._trained,
            )
        )
