"""The optimizer of a running program, whose groups were read without a config."""

from __future__ import annotations

import msgspec


class LiveScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr scheduler of the program."""

    type: str
    """Its class, with the module."""
    interval: str = ""
    """After what Lightning steps it: ``epoch`` or ``step``; empty where nobody says."""
    minimum: float | None = None
    """The lr that it takes every group to (``eta_min``); null where it has none."""
    steps: int | None = None
    """How many steps it is made for, of CyclicLR a cycle; null where it does not say."""

    @property
    def name(self) -> str:
        """Its class name."""
        return self.type.rpartition(".")[2]


class LiveOptimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an optimizer beside its groups."""

    schedulers: tuple[LiveScheduler, ...]
    """Those that the program named; of one that runs others in turn, these too."""
    scales_applied: bool
    """Whether the lr of groups with an ``lr_scale`` is multiplied by it: timm's schedulers do that."""
