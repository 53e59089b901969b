"""A training that was, or is, against its plan: the lrs in its log beside those that the config and schedulers give.

Iterations count from 0; the log's own ``iter`` counts from 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import ConfigSource, Tool

TRAINING_RUN_SCHEMA_VERSION = 1
TOLERANCE = 1e-6
"""Logged and planned lrs that differ by less than this share of the larger one are the same."""

CauseKind = Literal[
    "config", "iterations per epoch", "auto_scale_lr", "hook", "schedulers not stepped", "resume", "factor", "unknown"
]
"""Why logged lrs differ from the plan.

======================  ==================================================================================
kind                    what happened
======================  ==================================================================================
config                  the run was started from another config than the one that it is compared with
iterations per epoch    an epoch had another number of iterations: another number of GPUs or batch size
auto_scale_lr           mmengine multiplied every lr by batch size × GPUs / ``base_batch_size``
hook                    a hook set the lr
schedulers not stepped  no hook steps the parameter schedulers
resume                  mmengine restored schedulers and lrs of an earlier run from a checkpoint
factor                  every logged lr is the same multiple of the planned one, for an unknown reason
unknown                 none of these gives the logged lrs
======================  ==================================================================================
"""


class PartingCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reason why logged lrs differ from the plan."""

    kind: CauseKind
    proven: bool
    """Whether the plan with this cause, and those before it, gives every logged lr."""
    name: str = ""
    """The config, the hook's class and method, or the checkpoint or earlier run that was resumed from."""
    factor: float | None = None
    """What every lr was multiplied by."""
    gpus: int | None = None
    """How many GPUs that implies."""
    iterations_per_epoch: int | None = None
    """Of the run."""
    settings: tuple[str, ...] = ()
    """Paths of the settings that differ between the two configs."""


class LoggedCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One lr in the log over the iterations of a segment, beside the planned one."""

    key: str
    """As it is logged: ``lr``, ``base_lr``, ``generator.lr``, ``lr/layer_0``."""
    group: str | None
    """The group that it is of; null for ``base_lr``."""
    entries: int
    """How many of its values are in the log; of more than a thousand, some are left out below."""
    iterations: tuple[int, ...]
    logged: tuple[float | None, ...]
    """Null for what is not a finite number."""
    planned: tuple[float | None, ...]
    """Null in iterations that the plan does not have."""
    parts_at: int | None
    """The first iteration in the log in which they differ; null where they are equal."""
    logged_there: float | None = None
    planned_there: float | None = None
    ratio: float | None = None
    """Logged over planned in that iteration."""
    constant_ratio: bool = False
    """Whether it is the same in every iteration of the segment."""


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of the training: what is logged under one time stamp."""

    name: str
    """The time stamp: the folder's name."""
    config: ConfigSource
    """The config that its plan is made from."""
    log: str
    """The file that was read, from the work directory."""
    first: int
    """The first iteration in the log."""
    last: int
    """The last one."""
    planned_iterations: int
    iterations_per_epoch: int | None
    """Null where it is not known, and nothing depends on it."""
    iterations_per_epoch_from: str
    """Where it is from, in words: ``the log``."""
    gpus: int | None
    """From its text log; null where there is none."""
    resumed: bool
    curves: tuple[LoggedCurve, ...]
    parts_at: int | None
    """The first iteration in which any of its lrs differs from the plan."""
    causes: tuple[PartingCause, ...]
    """In the order in which they act."""


class TrainingRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every lr in the logs of a work directory, against its plan."""

    schema_version: int
    tool: Tool
    work_dir: str
    equal: bool
    segments: tuple[Segment, ...]
    """In the order of their time stamps."""
