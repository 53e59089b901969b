"""The optimizer of a running program, whose groups were read without a config."""

from __future__ import annotations

import msgspec


class LiveScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr scheduler of the program."""

    type: str
    """Its class, with the module."""
    interval: str = ""
    """When Lightning steps it: after each ``epoch`` or ``step``; empty if unknown."""
    minimum: float | None = None
    """The lr at which it ends for every group (``eta_min``); null if it has none."""
    steps: int | None = None
    """Its length in steps, for CyclicLR that of a cycle; null if unknown."""

    @property
    def name(self) -> str:
        """Its class name."""
        return self.type.rpartition(".")[2]


class LiveOptimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The schedulers of an optimizer, and whether its lr scales are applied."""

    schedulers: tuple[LiveScheduler, ...]
    """Those that the program passed, and those that they run in turn."""
    scales_applied: bool
    """Whether the lr of groups with an ``lr_scale`` is multiplied by it: timm's schedulers do that."""
