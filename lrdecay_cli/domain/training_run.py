"""A training compared with its plan: logged lrs, and the lrs that config and schedulers determine.

Iterations count from 0; the log's own ``iter`` counts from 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import ConfigSource, Tool

TRAINING_RUN_SCHEMA_VERSION = 1
TOLERANCE = 1e-6
"""Logged and planned lrs within this relative distance count as equal."""

CauseKind = Literal[
    "config", "iterations per epoch", "auto_scale_lr", "hook", "schedulers not stepped", "resume", "factor", "unknown"
]
"""Why logged lrs differ from the plan.

======================  ==================================================================================
kind                    what happened
======================  ==================================================================================
config                  the run was started from another config
iterations per epoch    an epoch had another number of iterations: other GPUs or batch size
auto_scale_lr           mmengine multiplied every lr by batch size × GPUs / ``base_batch_size``
hook                    a hook set the lr
schedulers not stepped  no hook steps the parameter schedulers
resume                  mmengine restored schedulers and lrs of an earlier run from a checkpoint
factor                  every logged lr is the same multiple of the planned one, for an unknown reason
unknown                 none of these explains the logged lrs
======================  ==================================================================================
"""


class PartingCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reason why logged lrs differ from the plan."""

    kind: CauseKind
    proven: bool
    """True if the plan, corrected by this cause and the causes before, gives every logged lr."""
    name: str = ""
    """The config, the hook's class and method, or the checkpoint or run that was resumed."""
    factor: float | None = None
    """The factor on every lr."""
    gpus: int | None = None
    """The number of GPUs that this cause implies."""
    iterations_per_epoch: int | None = None
    """Iterations per epoch of the run."""
    settings: tuple[str, ...] = ()
    """Paths of the settings that differ between the two configs."""


class LoggedCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One logged lr over the iterations of a segment, with the planned lr."""

    key: str
    """Key as logged: ``lr``, ``base_lr``, ``generator.lr``, ``lr/layer_0``."""
    group: str | None
    """The group with this lr; null for ``base_lr``, which belongs to no group."""
    entries: int
    """Number of logged values. Above a thousand, ``logged`` and ``planned`` omit some of them."""
    iterations: tuple[int, ...]
    logged: tuple[float | None, ...]
    """Null for a number that is not finite."""
    planned: tuple[float | None, ...]
    """Null in iterations beyond the plan."""
    parts_at: int | None
    """The first logged iteration in which the lrs differ; null if all are equal."""
    logged_there: float | None = None
    planned_there: float | None = None
    ratio: float | None = None
    """Logged lr divided by planned lr in that iteration."""
    constant_ratio: bool = False
    """True if the ratio is the same in every iteration of the segment."""


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of the training: everything logged under one timestamp."""

    name: str
    """The timestamp, which is the folder's name."""
    config: ConfigSource
    """The config that the plan is computed from."""
    log: str
    """The log file, relative to the work directory."""
    first: int
    """The first iteration in the log."""
    last: int
    """The last iteration in the log."""
    planned_iterations: int
    iterations_per_epoch: int | None
    """Number of iterations per epoch; null if unknown and not needed."""
    iterations_per_epoch_from: str
    """The source of ``iterations_per_epoch``, in words: ``the log``."""
    gpus: int | None
    """Number of GPUs, from the text log; null without a text log."""
    resumed: bool
    curves: tuple[LoggedCurve, ...]
    parts_at: int | None
    """The first iteration in which a logged lr differs from the plan; null if all are equal."""
    causes: tuple[PartingCause, ...]
    """In the order in which they act."""


class TrainingRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every logged lr of a work directory, compared with its plan."""

    schema_version: int
    tool: Tool
    work_dir: str
    equal: bool
    segments: tuple[Segment, ...]
    """In the order of their timestamps."""
