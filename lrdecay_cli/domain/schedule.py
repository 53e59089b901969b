"""Records of the learning rates over a run: the plan of a training, and the values that its schedulers set.

A *step* is the unit of the run: an iteration, or an epoch if the number of iterations is unknown and no value depends
on it. Steps count from 0. The value at a step is the value that the optimizer uses in this step.
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
    """The length of a config's run, and the settings that change values over the run."""

    where: str
    """Path of the config, as given."""
    by_epoch: bool
    """True for a loop over epochs (EpochBasedTrainLoop), False for one over iterations (IterBasedTrainLoop)."""
    loop: str
    """The train loop's class."""
    length: int
    """``max_epochs`` or ``max_iters``."""
    schedulers: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """For each scheduler, in order: its path in the config, and its settings."""
    dataset: str | None = None
    """Type of the training set, without wrappers."""
    annotations: str | None = None
    """Annotation file of the training set."""
    repeats: int = 1
    """How often an epoch repeats the dataset: the product of the ``times`` of all RepeatDatasets."""
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
    """The length of a run, and the source of this length."""

    unit: Unit
    steps: int
    """Number of epochs or iterations."""
    iterations_per_epoch: int | None
    """Length of the dataloader. Null if it is unknown and not needed."""
    epochs: int | None
    """Number of epochs. Null for an iteration-based loop."""
    source: str
    """The source of the iterations per epoch, in words."""


class RunScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter scheduler, as it was built and run."""

    path: str
    """Path of the scheduler in the config: ``param_scheduler[0]``."""
    optimizer: str
    """Name of the optimizer that it changes; empty with a single optimizer."""
    type: str
    parameter: str
    """The option that the scheduler changes: ``lr``, ``momentum`` (for Adam and similar: the first beta) or another."""
    by_epoch: bool
    """True if the scheduler steps after every epoch; False if it steps after every iteration."""
    converted: bool
    """True if mmengine converted the scheduler from epochs to iterations (``convert_to_iter_based``)."""
    begin: int
    """The scheduler's first step, in its own unit: epochs or iterations."""
    end: int | None
    """The scheduler's end, exclusive, in its own unit: epochs or iterations. Null if it has no end."""
    first_step: int | None
    """The first step of the run in which the scheduler can change a value; null if there is none."""
    last_step: int | None
    """The last step of the run in which the scheduler can change a value; null if there is none."""
    warm_up: bool
    """True if the scheduler raises the lr from the start of the run."""
    monitor: str | None
    """The validation metric that a ReduceOnPlateau scheduler follows. Its changes are unknown before the training."""
    options: Mapping[str, Any]
    """Further settings of the scheduler in the config."""
    first_drop: int | None = None
    """For ReduceOnPlateau, if the metric never improves: the first epoch with a lower value, even after the end of the
    run.

    For a loop without epochs it is the first iteration. Null if the config does not validate, or changes its validation
    interval.
    """
    stepped: int | None = None
    """How often all hooks step the scheduler in the run. Null if only mmengine's ParamSchedulerHook steps it."""
    expected: int | None = None
    """How often mmengine's ParamSchedulerHook alone would step the scheduler. Null if ``stepped`` is null."""


class Moments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduled value at the start, the peak, the lowest point and the end of the run, and after warm-up.

    The peak and the lowest value are taken from all steps of the run.
    """

    start: float
    after_warm_up: float | None
    """The value at the first step after warm-up. Null if there is no warm-up, or if it does not end in the run."""
    peak: float
    """The highest value."""
    peak_step: int
    """The first step with the highest value."""
    lowest: float
    end: float
    """The value in the last step."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups that have the same scheduled values at every step."""

    label: str
    """A readable, unique name. It ends in ``(frozen)`` if no parameter of the curve requires a gradient."""
    optimizer: str
    groups: tuple[str, ...]
    """Names of the groups, in the optimizer's order."""
    layer_ids: tuple[int, ...]
    configured: tuple[float, ...]
    """The lrs that the constructor set, each once, ascending. Groups with different lrs are in one curve if schedulers
    ignore the initial lrs.
    """
    tensors: int
    parameters: int
    where: tuple[str, ...]
    """Patterns that match exactly the curve's parameters."""
    head: bool
    """True if the curve contains most parameters of the model's head modules."""
    moments: Mapping[str, Moments]
    """Important values by scheduled option. ``lr`` is always included."""
    values: Mapping[str, tuple[float, ...]]
    """For each scheduled option, the values at the steps of :attr:`Schedule.samples`."""


class LogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A learning rate in mmengine's log line."""

    key: str
    """The key in the log: ``lr`` or ``base_lr``. If there are several optimizers, it starts with the name of the
    optimizer.
    """
    group: str | None
    """The group with this lr: the first group of an optimizer. Null for ``base_lr``, which belongs to no group."""
    curve: int | None
    """The curve that contains this group."""
    moments: Moments


class Meeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first step at which curves become equal (``meet``), become different (``part``) or change their order."""

    kind: MeetingKind
    step: int
    lr: float
    """The lr of the first curve."""
    curves: tuple[int, ...]


class Setter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hook other than mmengine's ParamSchedulerHook that sets the lr of groups."""

    cause: Cause
    """Class and method of the hook, and the first step with the changed value."""
    groups: tuple[str, ...]


class Rehearsal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Results of the dry run that the command ``schedule`` makes if hooks may change lrs or other scheduled values.

    mmengine's ParamSchedulerHook, which steps the schedulers, does not count as such a hook.
    """

    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    setters: tuple[Setter, ...]
    states: tuple[StateChange, ...]
    """Parameters that start or stop requiring a gradient. Their causes count in steps of the schedule."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...]
    """Hooks and schedulers that may change lrs during validation. The dry run does not run validation."""
    tried: tuple[int, ...]
    """The tested numbers of iterations per epoch, if the config gives no number. All of them had the same result."""


class Schedule(Displayed, frozen=True, forbid_unknown_fields=True):
    """All scheduled values of all groups over a run, as the schedulers set them."""

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
    """The steps of the stored values. If the values at two neighbouring steps differ, the change is between the two
    steps.
    """
    curves: tuple[Curve, ...]
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """The batch that the lrs are computed for, as in the group map."""
    rehearsal: Rehearsal | None = None
    """Results of the dry run. Null if only mmengine's ParamSchedulerHook sets values, because no dry run is needed
    then.
    """

    def headline(self) -> str:
        """Return the length of the run, and the number of schedulers and curves."""
        length = f"{count(self.length.steps, self.length.unit)}"
        parts = (length, count(len(self.schedulers), "scheduler"), count(len(self.curves), "curve"))
        return f"{self.config.path}: {', '.join(parts)}"


class Track(msgspec.Struct, frozen=True):
    """A recorded option of some groups, such as their lr. Its values over a run are in a :class:`Series`."""

    optimizer: str
    parameter: str
    """``lr``, or another option of a group."""
    groups: tuple[str, ...]
    """The groups with this value. Empty for mmengine's base settings, which belong to no group."""


class Series:
    """The values of several tracks at every step of a run. Only steps at which a value changes are stored.

    Args:
        tracks: the recorded options.
        length: number of steps of the run.
    """

    def __init__(self, tracks: tuple[Track, ...], length: int) -> None:
        self.tracks = tracks
        self.length = length
        self.steps = array("q")
        """Ascending steps at which values were set, starting with 0. Between two of these steps the values stay the
        same.
        """
        self.rows = array("d")
        """The values of all tracks: first those at ``steps[0]``, then those at ``steps[1]``, and so on."""

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, step: int, track: int) -> float:
        """Return the value of the track with index ``track`` at a step of the run."""
        return self.rows[(bisect_right(self.steps, step) - 1) * len(self.tracks) + track]

    def row(self, index: int) -> array[float]:
        """Return the values of all tracks from the step ``steps[index]`` until the next step in ``steps``."""
        width = len(self.tracks)
        return self.rows[index * width : (index + 1) * width]

    def column(self, track: int) -> array[float]:
        """Return the values of the track with index ``track`` at all stored steps."""
        return self.rows[track :: len(self.tracks)]

    def of(self, parameter: str) -> Iterator[int]:
        """Yield the index of each track that records the option ``parameter`` for at least one group."""
        return (i for i, track in enumerate(self.tracks) if track.parameter == parameter and track.groups)


class Run(msgspec.Struct, frozen=True):
    """The result of running a config's schedulers: the values of every group at every step."""

    schedulers: tuple[RunScheduler, ...]
    series: Series
    stack: Mapping[str, str]
    log_keys: tuple[tuple[str, int], ...]
    """Pairs of a key in mmengine's log line and the index of its track."""
    rehearsal: Rehearsal | None = None
