"""What a training that resumes from a checkpoint has ahead, beside what its config plans.

Source: mmengine 0.10.7, ``Runner.resume``: the optimizer's groups and the whole state of every scheduler are restored
from the checkpoint, by position; the config's lr, weight decay, ``end``, ``T_max`` and the like are not looked at.
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
    """Whether ``begin`` and ``end`` count epochs, on the side of ``after``."""
    settings: tuple[RestoredSetting, ...]
    foreign: tuple[str, ...]
    """Attributes in the saved state that this class has not: it was saved by a scheduler of another class."""


class ComingValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups of which a scheduled value will not be the same on the two sides."""

    parameter: str
    """``lr``, or another option that schedulers change."""
    groups: tuple[str, ...]
    where: tuple[str, ...]
    """Patterns that match their parameters and no others."""
    tensors: int
    iteration: int
    """The first iteration in which it differs."""
    before: float
    """In that iteration; so is ``after``."""
    after: float
    last_before: float
    """In the last iteration that both sides have; so is ``last_after``."""
    last_after: float
    rests_before: int
    """The first iteration from which it stays what it is to the end; so is ``rests_after``."""
    rests_after: int


class Coming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lrs that are to come, on both sides: those of a config alone are planned, those of a checkpoint resumed."""

    first: int
    """The first iteration that is compared: the one in which the training resumes."""
    last: int
    """The last one."""
    iterations_per_epoch: int | None
    """Null for an iteration-based loop."""
    schedulers: int
    """How many the config has."""
    groups: int
    """Likewise."""
    saved: tuple[int | None, int | None]
    """How many each side's checkpoint has; null for a checkpoint without any, and for a config."""
    restored: tuple[RestoredScheduler, ...]
    values: tuple[ComingValue, ...]
    """What will differ; empty where all values are the same in every iteration."""
    finished: bool = False
    """Whether a checkpoint is of the end of the config's training, so that nothing is to come."""
    unjudged: str | None = None
    """Why nothing was compared; null where it was."""
    fix: str | None = None
    """How it could be."""
