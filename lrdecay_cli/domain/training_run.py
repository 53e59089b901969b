"""Records of a finished training, compared with its plan: the lrs in its log, and the lrs from its config and
schedulers.

Iterations count from 0; ``iter`` in mmengine's log counts from 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import ConfigSource, Tool

TRAINING_RUN_SCHEMA_VERSION = 1
TOLERANCE = 1e-6
"""Logged and planned lrs with a relative difference up to this value count as equal."""

CauseKind = Literal[
    "config", "iterations per epoch", "auto_scale_lr", "hook", "schedulers not stepped", "resume", "factor", "unknown"
]
"""Why logged lrs differ from the plan.

======================  ==================================================================================
kind                    what happened
======================  ==================================================================================
config                  the run was started from another config
iterations per epoch    the epochs had another number of iterations: another number of GPUs or batch size
auto_scale_lr           mmengine multiplied every lr by batch size × GPUs / ``base_batch_size``
hook                    a hook set the lr
schedulers not stepped  no hook steps the parameter schedulers
resume                  mmengine restored schedulers and lrs of an earlier run from a checkpoint
factor                  every logged lr is the planned lr times one factor, for an unknown reason
unknown                 none of these causes explains the logged lrs
======================  ==================================================================================
"""


class PartingCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cause of the difference between logged and planned lrs."""

    kind: CauseKind
    proven: bool
    """True if the plan gives every logged lr after a correction for this cause and for the causes before it."""
    name: str = ""
    """The config, the class and method of the hook, or the checkpoint or run from which the training resumed."""
    factor: float | None = None
    """The factor between logged and planned lrs."""
    gpus: int | None = None
    """The number of GPUs that explains the difference."""
    iterations_per_epoch: int | None = None
    """Iterations per epoch of the run."""
    settings: tuple[str, ...] = ()
    """Paths of the settings that differ between the two configs."""


class LoggedCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logged lr and the planned lr, over the iterations of a segment."""

    key: str
    """The key in the log: ``lr``, ``base_lr``, ``generator.lr``, ``lr/layer_0``."""
    group: str | None
    """The group with this lr. Null for ``base_lr``, which belongs to no group."""
    entries: int
    """Number of logged values. If it is above a thousand, ``logged`` and ``planned`` contain only some of them."""
    iterations: tuple[int, ...]
    logged: tuple[float | None, ...]
    """Logged values. Null for NaN and infinity."""
    planned: tuple[float | None, ...]
    """Planned values. Null for iterations after the end of the plan."""
    parts_at: int | None
    """The first logged iteration in which logged and planned lr differ. Null if they are equal in all iterations."""
    logged_there: float | None = None
    planned_there: float | None = None
    ratio: float | None = None
    """Logged lr divided by planned lr in the iteration ``parts_at``."""
    constant_ratio: bool = False
    """True if this ratio is the same in every iteration of the segment."""


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of the training. mmengine logs it in a folder of its own, named by timestamp."""

    name: str
    """The timestamp: the name of the segment's folder."""
    config: ConfigSource
    """The config from which the plan is computed."""
    log: str
    """The log file, relative to the work directory."""
    first: int
    """The first iteration in the log."""
    last: int
    """The last iteration in the log."""
    planned_iterations: int
    iterations_per_epoch: int | None
    """Number of iterations per epoch. Null if it is unknown and not needed."""
    iterations_per_epoch_from: str
    """The source of ``iterations_per_epoch`` in words, such as ``the log``."""
    gpus: int | None
    """Number of GPUs, from the text log. Null if there is no text log."""
    resumed: bool
    curves: tuple[LoggedCurve, ...]
    parts_at: int | None
    """The first iteration in which a logged lr differs from the plan. Null if all lrs are equal."""
    causes: tuple[PartingCause, ...]
    """The causes of the difference, in the order in which they act."""


class TrainingRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All logged lrs in a work directory of mmengine, compared with the plan."""

    schema_version: int
    tool: Tool
    work_dir: str
    equal: bool
    segments: tuple[Segment, ...]
    """The starts of the training, in the order of their timestamps."""
