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
    """Its path in the config: ``param_scheduler[0]``."""
    optimizer: str
    type: str
    by_epoch: bool
    """True if ``begin`` and ``end`` count epochs, on the side of ``after``."""
    settings: tuple[RestoredSetting, ...]
    foreign: tuple[str, ...]
    """Saved attributes that the scheduler's class does not have, because another class saved them."""


class ComingValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups whose future scheduled value differs between the two sides."""

    parameter: str
    """``lr``, or another option that schedulers change."""
    groups: tuple[str, ...]
    where: tuple[str, ...]
    """Patterns that match exactly the parameters of these groups."""
    tensors: int
    iteration: int
    """The first iteration with different values."""
    before: float
    """The value of the first side in that iteration; ``after`` is the value of the second side."""
    after: float
    last_before: float
    """The value of the first side in the last compared iteration; ``last_after`` is the value of the second side."""
    last_after: float
    rests_before: int
    """The iteration from which the first side's value stays constant; ``rests_after`` is for the second side."""
    rests_after: int


class Coming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The future scheduled values of two compared maps.

    The values of a checkpoint continue from its saved state; the values of a config are planned from the start."""

    first: int
    """The first compared iteration: where the training resumes."""
    last: int
    """The last compared iteration."""
    iterations_per_epoch: int | None
    """Null for an iteration-based loop."""
    schedulers: int
    """Number of schedulers in the config."""
    groups: int
    """Number of parameter groups of the config."""
    saved: tuple[int | None, int | None]
    """Number of schedulers in each side's checkpoint; null for a config, and for a checkpoint without schedulers."""
    restored: tuple[RestoredScheduler, ...]
    values: tuple[ComingValue, ...]
    """The values that differ; empty if all are equal in every iteration."""
    finished: bool = False
    """True if a checkpoint is from the end of the config's training: no iterations remain."""
    unjudged: str | None = None
    """Why the values were not compared; null if they were."""
    fix: str | None = None
    """How to make the comparison possible."""
