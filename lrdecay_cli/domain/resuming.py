"""Records of the lrs that a training will use after it resumes from a checkpoint, compared with the plan of its config.

Source: mmengine 0.10.7, ``Runner.resume``. mmengine restores the optimizer's groups and the whole state of every
scheduler from the checkpoint, by position. It ignores the config's lr, weight decay, ``end``, ``T_max`` and similar
settings.
"""

from __future__ import annotations

from typing import Any

import msgspec


class RestoredSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler setting that has different values in the two compared configs or checkpoints."""

    name: str
    before: Any
    after: Any


class RestoredScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler whose state mmengine restores from a checkpoint when a training resumes.

    The report contains it if its settings differ in the two compared trainings, or if a scheduler of another class
    saved the state.
    """

    path: str
    """The scheduler's path in the config: ``param_scheduler[0]``."""
    optimizer: str
    type: str
    by_epoch: bool
    """True if ``begin`` and ``end`` count epochs in the second training (``after``)."""
    settings: tuple[RestoredSetting, ...]
    foreign: tuple[str, ...]
    """Saved attributes that the scheduler's class does not have. A scheduler of another class saved them."""


class ComingValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups for which schedulers will set different values in the two compared trainings."""

    parameter: str
    """``lr``, or another option that schedulers change."""
    groups: tuple[str, ...]
    where: tuple[str, ...]
    """Name patterns that match all parameters of ``groups``, and no other parameters."""
    tensors: int
    iteration: int
    """The first iteration in which the values differ."""
    before: float
    """The value in this iteration of the first training. ``after`` is the value in the second training."""
    after: float
    last_before: float
    """The value in the last compared iteration of the first training. ``last_after`` is for the second training."""
    last_after: float
    rests_before: int
    """In the first training, the value is constant from this iteration. ``rests_after`` is for the second training."""
    rests_after: int


class Coming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values that schedulers will set in the two compared trainings, from the iteration at which the training
    resumes.

    Each of the two trainings is given by a checkpoint or by a config. After a checkpoint, the schedulers continue from
    their saved state. For a config, its schedulers run from the start of the training.
    """

    first: int
    """The first compared iteration: where the training resumes."""
    last: int
    """The last compared iteration."""
    iterations_per_epoch: int | None
    """Iterations per epoch. Null for an iteration-based loop."""
    schedulers: int
    """Number of schedulers in the config."""
    groups: int
    """Number of parameter groups of the config."""
    saved: tuple[int | None, int | None]
    """Two numbers of schedulers: in the checkpoint of the first training, and in the checkpoint of the second training.

    Null if a training is given by a config, or if its checkpoint contains no schedulers.
    """
    restored: tuple[RestoredScheduler, ...]
    values: tuple[ComingValue, ...]
    """The groups whose values differ; empty if all values are equal in every iteration."""
    finished: bool = False
    """True if a checkpoint is from the end of the config's training: no iterations remain."""
    unjudged: str | None = None
    """Why the values were not compared. Null if they were compared."""
    fix: str | None = None
    """How to make the comparison possible."""
