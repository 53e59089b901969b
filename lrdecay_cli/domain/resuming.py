"""The future lrs of a training that resumes from a checkpoint, compared with the plan of its config.

Source: mmengine 0.10.7, ``Runner.resume``: the optimizer's groups and the whole state of every scheduler are restored
from the checkpoint, by position; the config's lr, weight decay, ``end``, ``T_max`` and the like are ignored.
"""

from __future__ import annotations

from typing import Any

import msgspec


class RestoredSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting of a scheduler that differs between the two sides."""

    name: str
    before: Any
    after: Any


class RestoredScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler of the config whose settings differ between the two sides."""

    path: str
    """Its place in the config: ``param_scheduler[0]``."""
    optimizer: str
    type: str
    by_epoch: bool
    """True if ``begin`` and ``end`` count epochs, on the side of ``after``."""
    settings: tuple[RestoredSetting, ...]
    foreign: tuple[str, ...]
    """Saved attributes that this class does not have: another class of scheduler saved them."""


class ComingValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups whose future scheduled value differs between the two sides."""

    parameter: str
    """``lr``, or another option that schedulers change."""
    groups: tuple[str, ...]
    where: tuple[str, ...]
    """Patterns that match exactly their parameters."""
    tensors: int
    iteration: int
    """The first iteration with different values."""
    before: float
    """The value in that iteration; likewise ``after``."""
    after: float
    last_before: float
    """The value in the last iteration of both sides; likewise ``last_after``."""
    last_after: float
    rests_before: int
    """The iteration from which the value stays constant to the end; likewise ``rests_after``."""
    rests_after: int


class Coming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The future lrs on both sides: planned for a config alone, resumed for a checkpoint."""

    first: int
    """The first compared iteration: where the training resumes."""
    last: int
    """The last compared iteration."""
    iterations_per_epoch: int | None
    """Null for an iteration-based loop."""
    schedulers: int
    """Number of schedulers in the config."""
    groups: int
    """Likewise."""
    saved: tuple[int | None, int | None]
    """Number of schedulers in each side's checkpoint; null for a checkpoint without any, and for a config."""
    restored: tuple[RestoredScheduler, ...]
    values: tuple[ComingValue, ...]
    """The values that differ; empty if all are equal in every iteration."""
    finished: bool = False
    """True if a checkpoint is from the end of the config's training, so that no lr follows."""
    unjudged: str | None = None
    """Why nothing was compared; null if it was."""
    fix: str | None = None
    """How to make the comparison possible."""
