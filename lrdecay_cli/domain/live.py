"""Records of the schedulers of a running program.

A group map has these records if lrdecay read the groups from the program's optimizer, without a config.
"""

from __future__ import annotations

import msgspec


class LiveScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr scheduler of a running program."""

    type: str
    """The class of the scheduler, with its module: ``torch.optim.lr_scheduler.StepLR``."""
    interval: str = ""
    """When Lightning steps the scheduler: after each ``epoch`` or ``step``. Empty if unknown."""
    minimum: float | None = None
    """The final lr of every group (``eta_min``); null if there is none."""
    steps: int | None = None
    """Length of the schedule in steps (for CyclicLR: of one cycle); null if unknown."""
    optimizer: str | None = None
    """Name of the optimizer whose lrs it sets, as in :attr:`ParameterGroup.optimizer`; null if unknown."""
    peaks: tuple[float, ...] = ()
    """The highest lr of each group (CyclicLR), in the order of the optimizer's groups; empty if unknown."""

    @property
    def name(self) -> str:
        """Return the class name of the scheduler."""
        return self.type.rpartition(".")[2]


class LiveOptimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The schedulers of a running program, and whether they multiply the lr of a group by its ``lr_scale``."""

    schedulers: tuple[LiveScheduler, ...]
    """The schedulers of the program, including schedulers inside other schedulers."""
    scales_applied: bool
    """True if the schedulers multiply the lr of a group by its ``lr_scale``, as timm's schedulers do."""
