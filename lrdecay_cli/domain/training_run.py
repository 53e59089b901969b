"""Records that compare the lrs in the log of a training with the planned lrs from its config and schedulers.

Iterations count from 0; ``iter`` in mmengine's log counts from 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.training import Batch

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
iterations per epoch    epochs were longer or shorter than planned: another number of GPUs or batch size
auto_scale_lr           mmengine scaled every lr, but not by the planned factor, or the plan does not scale lrs
hook                    a hook set the lr
schedulers not stepped  no hook steps the parameter schedulers
resume                  mmengine restored schedulers and lrs of an earlier run from a checkpoint
factor                  every logged lr is the planned lr times the same factor; the reason is unknown
unknown                 none of these causes explains the logged lrs
======================  ==================================================================================
"""


class PartingCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cause of the difference between logged and planned lrs."""

    kind: CauseKind
    proven: bool
    """True if the plan, corrected for this cause and for all earlier causes, gives every logged lr."""
    name: str = ""
    """What caused the difference: the config, the class and method of the hook, or the source of a resumed training.

    The source of a resumed training is a checkpoint or an earlier run. Empty for other causes.
    """
    factor: float | None = None
    """The factor by which ``auto_scale_lr`` multiplied every lr; for another cause, logged lr divided by planned lr."""
    gpus: int | None = None
    """The number of GPUs that explains the difference."""
    iterations_per_epoch: int | None = None
    """The number of iterations per epoch that the log shows."""
    settings: tuple[str, ...] = ()
    """Paths of the settings that differ between the config of the run and the compared config."""


class LoggedCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The logged and planned values of one lr, over the iterations after one start of the training."""

    key: str
    """The key in the log: ``lr``, ``base_lr``, ``generator.lr``, ``lr/layer_0``."""
    group: str | None
    """The group with this lr. Null for ``base_lr``, which belongs to no group."""
    entries: int
    """Number of logged lrs. If there are more than a thousand, ``logged`` and ``planned`` contain only some."""
    iterations: tuple[int, ...]
    logged: tuple[float | None, ...]
    """Logged lrs, one for each of ``iterations``. Null for NaN and infinity."""
    planned: tuple[float | None, ...]
    """Planned lrs, one for each of ``iterations``. Null after the end of the plan."""
    parts_at: int | None
    """The first logged iteration in which logged and planned lr differ. Null if the two lrs never differ."""
    logged_there: float | None = None
    planned_there: float | None = None
    ratio: float | None = None
    """Logged lr divided by planned lr in the iteration ``parts_at``."""
    constant_ratio: bool = False
    """True if logged lr divided by planned lr is the same in every logged iteration."""


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of the training. mmengine logs each start in its own folder, whose name is a timestamp."""

    name: str
    """The timestamp of the start, which is the name of its folder: ``20260101_000000``."""
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
    """Number of iterations per epoch. Null if the number is unknown; the planned lrs then do not depend on it."""
    iterations_per_epoch_from: str
    """The source of ``iterations_per_epoch`` in words, such as ``the log``."""
    gpus: int | None
    """Number of GPUs, from the text log. Null if there is no text log."""
    resumed: bool
    curves: tuple[LoggedCurve, ...]
    parts_at: int | None
    """The first iteration in which a logged lr differs from the planned lr. Null if no lr differs."""
    causes: tuple[PartingCause, ...]
    """The causes of the difference, in the order in which they act."""
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """Batch size, number of GPUs and factor of ``auto_scale_lr`` in the plan. Unset if no planned lr depends on
    them.
    """


class TrainingRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All logged lrs in a work directory of mmengine, compared with the planned lrs."""

    schema_version: int
    tool: Tool
    work_dir: str
    equal: bool
    segments: tuple[Segment, ...]
    """The starts of the training, in the order of their timestamps."""
