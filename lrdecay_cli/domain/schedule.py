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
    """The length of a training, and the settings in its config that determine the lrs during the training."""

    where: str
    """Path of the config, as the user named it."""
    by_epoch: bool
    """True for a train loop that counts epochs; False for a train loop that counts iterations."""
    loop: str
    """Class name of the train loop, for example ``EpochBasedTrainLoop``."""
    length: int
    """Length of the training: ``max_epochs`` or ``max_iters`` of the config."""
    schedulers: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """For each scheduler, in order: its path in the config, and its settings."""
    dataset: str | None = None
    """Class of the training dataset. For a wrapper such as RepeatDataset, the class of the wrapped dataset."""
    annotations: str | None = None
    """Annotation file of the training dataset."""
    repeats: int = 1
    """How many times an epoch contains the dataset: the product of ``times`` of all RepeatDatasets."""
    batch_size: int | None = None
    """Number of samples in a batch of one GPU."""
    batches_per_epoch: int | None = None
    """Value of ``train_dataloader.num_batch_per_epoch``."""
    drop_last: bool = False
    infinite: bool = False
    """True for an InfiniteSampler, whose length does not depend on the number of GPUs."""
    base_batch_size: int | None = None
    """Value of ``auto_scale_lr.base_batch_size``."""
    auto_scale_lr: bool = False
    """True if ``auto_scale_lr`` is enabled."""
    digits: int = 4
    """Number of digits after the decimal point of an lr in mmengine's log line."""


class RunLength(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The length of a run, and the source of this length."""

    unit: Unit
    steps: int
    """Number of epochs or iterations."""
    iterations_per_epoch: int | None
    """Number of batches in the dataloader. Null if this number is unknown and no scheduler needs it."""
    epochs: int | None
    """Number of epochs. Null for an iteration-based loop."""
    source: str
    """Where ``iterations_per_epoch`` comes from, for example ``--iters-per-epoch``."""


class RunScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter scheduler of the config, as mmengine builds and steps it."""

    path: str
    """Path of the scheduler in the config: ``param_scheduler[0]``."""
    optimizer: str
    """Name of the optimizer that the scheduler changes; empty if the training has only one optimizer."""
    type: str
    parameter: str
    """The option that the scheduler changes: ``lr``, ``momentum`` (for Adam and similar: the first beta) or another."""
    by_epoch: bool
    """True if the scheduler steps after every epoch; False if it steps after every iteration."""
    converted: bool
    """True if mmengine converted the scheduler from epochs to iterations (``convert_to_iter_based``)."""
    begin: int
    """The first epoch or iteration of the scheduler, depending on ``by_epoch``."""
    end: int | None
    """The first epoch or iteration after the scheduler's last one. Null if the scheduler never ends."""
    first_step: int | None
    """The first step of the run in which the scheduler can change a value; null if there is no such step."""
    last_step: int | None
    """The last step of the run in which the scheduler can change a value; null if there is no such step."""
    warm_up: bool
    """True if the scheduler raises the lr from the start of the run."""
    monitor: str | None
    """The validation metric that a ReduceOnPlateau scheduler follows. The metric is unknown before the training."""
    options: Mapping[str, Any]
    """Settings of the scheduler in the config that have no attribute here, such as ``T_max``."""
    first_drop: int | None = None
    """For ReduceOnPlateau: the first epoch with a lower value if the metric never improves.

    The epoch may be after the end of the run. In a loop without epochs, an iteration replaces the epoch. Null if the
    config does not run validation, or if it changes the validation interval during the training.
    """
    stepped: int | None = None
    """How many times all hooks step the scheduler in the run. Null if only mmengine's ParamSchedulerHook steps it."""
    expected: int | None = None
    """How many times mmengine's ParamSchedulerHook alone would step the scheduler. Null if ``stepped`` is null."""


class Moments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Important values of the lr or another scheduled option: the first, highest, lowest and last value of the run."""

    start: float
    after_warm_up: float | None
    """The value at the first step after warm-up. Null without a warm-up that ends within the run."""
    peak: float
    """The highest value in the run."""
    peak_step: int
    """The first step with the highest value."""
    lowest: float
    end: float
    """The value in the last step of the run."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameter groups that have the same lr, and the same value of every other scheduled option, at every step."""

    label: str
    """A unique name for readers, such as ``layers 0–3``. It ends in ``(frozen)`` if all parameters are frozen."""
    optimizer: str
    groups: tuple[str, ...]
    """Names of the groups, in the optimizer's order."""
    layer_ids: tuple[int, ...]
    configured: tuple[float, ...]
    """The distinct lrs that the constructor set in ``groups``, ascending.

    There are several lrs if a scheduler ignores the initial lrs and sets the same lr in all ``groups``.
    """
    tensors: int
    parameters: int
    where: tuple[str, ...]
    """Name patterns that match all parameters of ``groups``, and no other parameters."""
    head: bool
    """True for the curve that contains the most parameters of head modules, such as ``bbox_head``."""
    moments: Mapping[str, Moments]
    """For each scheduled option, such as ``lr``: its important values, for example the highest value."""
    values: Mapping[str, tuple[float, ...]]
    """For each scheduled option, the values at the steps of :attr:`Schedule.samples`."""


class LogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A learning rate in mmengine's log line."""

    key: str
    """The key in the log: ``lr`` or ``base_lr``. With several optimizers, the key starts with the optimizer's name."""
    group: str | None
    """The group whose lr is logged: the first group of an optimizer. Null for ``base_lr``, which has no group."""
    curve: int | None
    """Index in :attr:`Schedule.curves` of the curve that contains the logged group. Null for ``base_lr``."""
    moments: Moments


class Meeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The step at which the lrs of curves become equal (``meet``), become different (``part``) or cross (``cross``)."""

    kind: MeetingKind
    step: int
    lr: float
    """The lr of the first curve in ``curves`` at this step."""
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
    """The hooks of the dry run, in the order in which they ran."""
    setters: tuple[Setter, ...]
    states: tuple[StateChange, ...]
    """Parameters that start or stop requiring a gradient. ``cause.iteration`` counts steps of the schedule."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...]
    """Hooks and schedulers that may change lrs during validation. The dry run does not run validation."""
    tried: tuple[int, ...]
    """If the number of iterations per epoch is unknown: the numbers that lrdecay tested, all with the same result."""


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
    """True if ``samples`` contains every step at which a value changes."""
    samples: tuple[int, ...]
    """The steps whose values are stored in ``curves``. Unless ``complete``, values may also change between samples."""
    curves: tuple[Curve, ...]
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """The batch size and number of GPUs for which the lrs are computed."""
    rehearsal: Rehearsal | None = None
    """Results of the dry run. Null if no dry run was needed, because only mmengine's ParamSchedulerHook sets lrs."""

    def headline(self) -> str:
        """Return one line with the config, the length of the run, and the number of schedulers and curves."""
        length = f"{count(self.length.steps, self.length.unit)}"
        parts = (length, count(len(self.schedulers), "scheduler"), count(len(self.curves), "curve"))
        return f"{self.config.path}: {', '.join(parts)}"


class Track(msgspec.Struct, frozen=True):
    """A recorded option of some groups, such as their lr. Its values over a run are in a :class:`Series`."""

    optimizer: str
    parameter: str
    """Name of the recorded option, for example ``lr``."""
    groups: tuple[str, ...]
    """The groups whose option is recorded. Empty for mmengine's ``base_param_settings``, which belong to no group."""


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
        """The steps at which values were set: 0 and later steps, ascending. Between two of them, no value changes."""
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
    """For each lr in mmengine's log line: its key, such as ``base_lr``, and the index of its track."""
    rehearsal: Rehearsal | None = None
