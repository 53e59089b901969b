"""Take real steps of the real optimizers with a gradient of ones."""

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
    """Take the first steps of a training, and measure the optimizers in these steps and in steps of copies.

    Args:
        count: number of steps to take.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self.error: str | None = None
        """An optimizer's error in a step, or None."""
        self.effects: list[Effect] | None = None
        """Effects by group; None if the optimizer could not take a step."""
        self._wrapper: Any = None
        self._lrs: dict[int, list[float]] = {}
        self._trained: set[int] = set()
        self._whole: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        self._begun: dict[str, torch.Tensor] = {}

    @property
    def are_left(self) -> bool:
        """True if the next iteration takes a step."""
        return self._left > 0

    def prepare(self, wrapper: Any) -> None:
        """Shrink the optimizers' tensors before anything copies them."""
        self._wrapper = wrapper
        self._whole = shrink(optimizers_of(wrapper).values())

    @contextmanager
    def whole_shapes(self) -> Iterator[None]:
        """Restore the original shapes of the optimizers' tensors inside the block; values are not restored."""
        small = [parameter.data for parameter, _ in self._whole]
        for parameter, whole in self._whole:
            parameter.data = whole
        try:
            yield
        finally:
            for (parameter, _), data in zip(self._whole, small, strict=True):
                parameter.data = data

    def measure(self, watch: Watch) -> None:
        """Measure the effect of a step on each group, on copies."""
        try:
            self.effects = [effect for each in optimizers_of(self._wrapper).values() for effect in measured(each)]
        except Exception as error:
            self.error = describe_error(error)
        # Other parameters have their full size in untouched memory, which a copy would fill.
        held = {id(parameter) for _, group in watch.groups for parameter in group["params"]}
        self._begun = {name: p.detach().clone() for name, p in watch.parameters.items() if id(p) in held}

    def take(self, wrapper: Any, watch: Watch) -> None:
        """Update every parameter that requires a gradient, through the real wrapper."""
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
        """Return parameters that had a gradient and an lr above 0 in some step, and did not move."""
        return self._named(watch, lambda lrs, moved, trained: trained and any(lrs) and not moved)

    def moved_at_zero(self, watch: Watch) -> tuple[str, ...]:
        """Return parameters that moved although their lr was 0 in every step."""
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
