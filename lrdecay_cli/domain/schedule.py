"""The learning rates over a run: the plan of a training, the values that its schedulers set, and notes on them.

A *step* is the unit of the run: an iteration, or an epoch if the number of iterations is unknown and nothing depends
on it. Steps count from 0; the value at a step is the one that the optimizer uses in that step.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.dry_run import Cause, LeftOut, StateChange
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.training import Batch
from lrdecay_cli.text.counting import count

SCHEDULE_SCHEMA_VERSION = 2

Unit = Literal["iteration", "epoch"]
MeetingKind = Literal["meet", "part", "cross"]


class TrainingPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The length of a config's run and the settings that change values over the run, in plain values."""

    where: str
    """Path of the config, as given."""
    by_epoch: bool
    """True for a loop over epochs (EpochBasedTrainLoop), False for one over iterations (IterBasedTrainLoop)."""
    loop: str
    """The train loop's class."""
    length: int
    """``max_epochs`` or ``max_iters``."""
    schedulers: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Path in the config and settings of each scheduler, in order."""
    dataset: str | None = None
    """Type of the training set, without wrappers."""
    annotations: str | None = None
    """Annotation file of the training set."""
    repeats: int = 1
    """How often an epoch repeats the dataset: the product of every RepeatDataset's ``times``."""
    batch_size: int | None = None
    """Samples in a batch of one GPU."""
    batches_per_epoch: int | None = None
    """The dataloader's ``num_batch_per_epoch``."""
    drop_last: bool = False
    infinite: bool = False
    """True if the sampler's length ignores the number of GPUs (InfiniteSampler)."""
    base_batch_size: int | None = None
    """``auto_scale_lr.base_batch_size``."""
    auto_scale_lr: bool = False
    """True if ``auto_scale_lr`` is enabled."""
    digits: int = 4
    """Digits of an lr in mmengine's log line."""


class RunLength(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The length of a run and its source."""

    unit: Unit
    steps: int
    """Number of epochs or iterations."""
    iterations_per_epoch: int | None
    """Length of the dataloader; null if it is neither known nor needed."""
    epochs: int | None
    """Null for an iteration-based loop."""
    source: str
    """The source of the iterations per epoch, in words."""


class RunScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter scheduler as it was built and run."""

    path: str
    """Path of the scheduler in the config: ``param_scheduler[0]``."""
    optimizer: str
    """Name of the optimizer that it changes; empty with a single optimizer."""
    type: str
    parameter: str
    """The option that it changes: ``lr``, ``momentum`` (for Adam and similar: the first beta) or another option."""
    by_epoch: bool
    """True if the scheduler steps after every epoch; False if it steps after every iteration."""
    converted: bool
    """True if the scheduler counts epochs in the config and was converted to iterations (``convert_to_iter_based``)."""
    begin: int
    """First step, counted in the scheduler's own steps: epochs or iterations."""
    end: int | None
    """End, exclusive, counted in the scheduler's own steps; null for no end."""
    first_step: int | None
    """The first step of the run in which the scheduler can change a value; null if there is none."""
    last_step: int | None
    """The last step of the run in which the scheduler can change a value; null if there is none."""
    warm_up: bool
    """True if the scheduler raises the lr from the start of the run."""
    monitor: str | None
    """The validation metric that a ReduceOnPlateau scheduler follows; its changes are unknown before training."""
    options: Mapping[str, Any]
    """Further settings of the scheduler in the config."""
    first_drop: int | None = None
    """ReduceOnPlateau with a metric that never improves: the first epoch with a lower value (for a loop without epochs:
    the first iteration), even after the end of the run. Null if the config does not validate or changes its validation
    interval.
    """
    stepped: int | None = None
    """Number of the scheduler's steps in the run, by all hooks; null if only mmengine's ParamSchedulerHook steps it."""
    expected: int | None = None
    """Number of steps that mmengine's ParamSchedulerHook alone would make; null if ``stepped`` is null."""


class Moments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value at important moments, over every step of the run."""

    start: float
    after_warm_up: float | None
    """At the first step after warm-up; null without a warm-up or if it does not end."""
    peak: float
    """The highest value."""
    peak_step: int
    """The first step with the highest value."""
    lowest: float
    end: float
    """The value in the last step."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups with the same scheduled values at every step."""

    label: str
    """A readable, unique name. It ends in ``(frozen)`` if no parameter of the curve requires a gradient."""
    optimizer: str
    groups: tuple[str, ...]
    """In the optimizer's order."""
    layer_ids: tuple[int, ...]
    configured: tuple[float, ...]
    """The lrs from the constructor, each once, ascending: several if schedulers ignore the initial lrs."""
    tensors: int
    parameters: int
    where: tuple[str, ...]
    """Patterns that match exactly the curve's parameters."""
    head: bool
    """True if the curve contains most parameters of the model's head modules."""
    moments: Mapping[str, Moments]
    """The important values by scheduled option; ``lr`` is always included."""
    values: Mapping[str, tuple[float, ...]]
    """Values by scheduled option, one at each of :attr:`Schedule.samples`."""


class LogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr in mmengine's log line."""

    key: str
    """The key as printed: ``lr``, ``base_lr``, with the optimizer's name in front if there are several."""
    group: str | None
    """The group with this lr: an optimizer's first group. Null for ``base_lr``, which belongs to no group."""
    curve: int | None
    """The curve that contains this group."""
    moments: Moments


class Meeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first step at which curves become equal (``meet``), differ (``part``) or have swapped their order."""

    kind: MeetingKind
    step: int
    lr: float
    """The lr of the first curve."""
    curves: tuple[int, ...]


class Setter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hook other than mmengine's ParamSchedulerHook that sets the lr of groups."""

    cause: Cause
    """Class and method of the hook, and the first step after the change."""
    groups: tuple[str, ...]


class Rehearsal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Observations of a dry run in addition to the schedule, if hooks other than mmengine's set values."""

    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    setters: tuple[Setter, ...]
    states: tuple[StateChange, ...]
    """Parameters that start or stop requiring a gradient; causes count in steps of the schedule."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...]
    """Hooks and schedulers that may change lrs during validation, which is not run."""
    tried: tuple[int, ...]
    """The numbers of iterations per epoch that were tested, because the config gives none; all gave the same result."""


class Schedule(Displayed, frozen=True, forbid_unknown_fields=True):
    """Every scheduled value of every group over a run, as mmengine's schedulers set them."""

    schema_version: int
    tool: Tool
    stack: Mapping[str, str]
    config: ConfigSource
    optimizer: str
    loop: str
    length: RunLength
    warm_up_end: int | None
    """The first step after warm-up; null without a warm-up."""
    schedulers: tuple[RunScheduler, ...]
    log: tuple[LogEntry, ...]
    meetings: tuple[Meeting, ...]
    complete: bool
    """True if ``samples`` contains every step with a change; False if some of these steps are left out."""
    samples: tuple[int, ...]
    """Steps. If a value differs between two neighbours, it changed between them."""
    curves: tuple[Curve, ...]
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """The batch that the lrs are computed for, as in the group map."""
    rehearsal: Rehearsal | None = None
    """Observations of the dry run. Null if only mmengine's ParamSchedulerHook sets values: then no dry run is made."""

    def headline(self) -> str:
        """Return the length of the run, and the number of schedulers and curves."""
        length = f"{count(self.length.steps, self.length.unit)}"
        parts = (length, count(len(self.schedulers), "scheduler"), count(len(self.curves), "curve"))
        return f"{self.config.path}: {', '.join(parts)}"


class Track(msgspec.Struct, frozen=True):
    """One recorded value over a run."""

    optimizer: str
    parameter: str
    """``lr``, or another option of a group."""
    groups: tuple[str, ...]
    """The groups with this value; empty for mmengine's base settings, which belong to no group."""


class Series:
    """Several values at every step of a run; stored only for steps with a change.

    Args:
        tracks: the recorded values.
        length: number of steps of the run.
    """

    def __init__(self, tracks: tuple[Track, ...], length: int) -> None:
        self.tracks = tracks
        self.length = length
        self.steps = array("q")
        """Steps at which values were set, ascending, from 0; in between, the last values hold."""
        self.rows = array("d")
        """For each of these steps, a value for each track."""

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, step: int, track: int) -> float:
        """Return the value of a track at a step."""
        return self.rows[(bisect_right(self.steps, step) - 1) * len(self.tracks) + track]

    def row(self, index: int) -> array[float]:
        """Return the values of all tracks from ``steps[index]`` to the next one."""
        width = len(self.tracks)
        return self.rows[index * width : (index + 1) * width]

    def column(self, track: int) -> array[float]:
        """Return the values of a track at each of ``steps``."""
        return self.rows[track :: len(self.tracks)]

    def of(self, parameter: str) -> Iterator[int]:
        """Yield the indexes of the tracks of an option; omits mmengine's base settings."""
        return (i for i, track in enumerate(self.tracks) if track.parameter == parameter and track.groups)


class Run(msgspec.Struct, frozen=True):
    """The result of running a config's schedulers."""

    schedulers: tuple[RunScheduler, ...]
    series: Series
    stack: Mapping[str, str]
    log_keys: tuple[tuple[str, int], ...]
    """The names in mmengine's log line, with their tracks."""
    rehearsal: Rehearsal | None = None
