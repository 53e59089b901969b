"""What the learning rates do over a run: the plan of a training, what its schedulers did, and what is said of it.

A *step* is what the run is counted in: an iteration, or an epoch where nothing is known about iterations and nothing
depends on them. Steps count from 0; the value at a step is the one that the optimizer uses in it.
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

SCHEDULE_SCHEMA_VERSION = 1

Unit = Literal["iteration", "epoch"]
MeetingKind = Literal["meet", "part", "cross"]


class TrainingPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a config says about the length of its run and about what changes on the way, in plain values."""

    where: str
    """The config, as it was given."""
    by_epoch: bool
    """Whether the train loop runs epochs (EpochBasedTrainLoop) or iterations (IterBasedTrainLoop)."""
    loop: str
    """The train loop's class."""
    length: int
    """``max_epochs`` or ``max_iters``."""
    schedulers: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Path in the config and settings of each, in order."""
    dataset: str | None = None
    """Type of the training set, without what is wrapped around it."""
    annotations: str | None = None
    """Its annotation file."""
    repeats: int = 1
    """How often it is gone through in an epoch: the product of every RepeatDataset's ``times``."""
    batch_size: int | None = None
    """Samples in a batch of one GPU."""
    batches_per_epoch: int | None = None
    """The dataloader's ``num_batch_per_epoch``."""
    drop_last: bool = False
    infinite: bool = False
    """Whether the sampler does not share the samples among GPUs when it tells its length (InfiniteSampler)."""
    base_batch_size: int | None = None
    """``auto_scale_lr.base_batch_size``."""
    auto_scale_lr: bool = False
    """Whether ``auto_scale_lr`` is enabled."""
    digits: int = 4
    """How many digits mmengine's log line prints of an lr."""


class RunLength(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a run is, and how that is known."""

    unit: Unit
    steps: int
    """How many of these there are."""
    iterations_per_epoch: int | None
    """Length of the dataloader; null where it is neither known nor needed."""
    epochs: int | None
    """Null for an iteration-based loop."""
    told: str
    """Where the iterations per epoch come from, in words."""


class RunScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter scheduler as it was built and run."""

    path: str
    """Its place in the config: ``param_scheduler[0]``."""
    optimizer: str
    """Name of the optimizer it works on; empty where there is only one."""
    type: str
    parameter: str
    """What it changes: ``lr``, ``momentum`` (of Adam and its kin the first beta) or another option."""
    by_epoch: bool
    """Whether it steps after every epoch, else after every iteration."""
    converted: bool
    """Whether the config says epochs and it was made to step by iteration (``convert_to_iter_based``)."""
    begin: int
    """In its own steps: epochs or iterations."""
    end: int | None
    """In its own steps, exclusive; null for never."""
    first_step: int | None
    """The first step of the run that it can change; null if it changes none."""
    last_step: int | None
    """The last one."""
    warm_up: bool
    """Whether it raises the lr from the start of the run."""
    monitor: str | None
    """The validation metric that it waits for (ReduceOnPlateau): what it will do is not known before training."""
    options: Mapping[str, Any]
    """Its other settings in the config."""
    first_drop: int | None = None
    """Where it waits for a metric that never improves: the first epoch (iteration, in a loop without epochs) with a
    lower value, even where the run ends before; null where the config validates nothing or at intervals that change."""
    stepped: int | None = None
    """How often the training steps it, by whatever hooks; null where mmengine's ParamSchedulerHook alone does it."""
    expected: int | None = None
    """How often mmengine's ParamSchedulerHook would; null likewise."""


class Moments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a value is at the moments that people ask for, over every step of the run."""

    start: float
    after_warm_up: float | None
    """At the first step that no warm-up changes; null where there is no warm-up or it does not end."""
    peak: float
    """The highest value."""
    peak_step: int
    """The first step that has it."""
    lowest: float
    end: float
    """In the last step."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups whose scheduled values are the same at every step."""

    label: str
    """A name for people, unique among the curves; it ends in ``(frozen)`` where no parameter requires a gradient."""
    optimizer: str
    groups: tuple[str, ...]
    """In the optimizer's order."""
    layer_ids: tuple[int, ...]
    configured: tuple[float, ...]
    """The lr that the constructor gave its groups, each once, ascending: several if schedulers took no heed of them."""
    tensors: int
    parameters: int
    where: tuple[str, ...]
    """Patterns that match its parameters and no others."""
    head: bool
    """Whether it holds most of what the model calls a head."""
    moments: Mapping[str, Moments]
    """By what is scheduled: ``lr`` always."""
    values: Mapping[str, tuple[float, ...]]
    """The same, at each of :attr:`Schedule.samples`."""


class LogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr that mmengine's log line prints."""

    key: str
    """As it is printed: ``lr``, ``base_lr``, with the optimizer's name in front where there are several."""
    group: str | None
    """The group that it is of, which is an optimizer's first; null for ``base_lr``, which is no group's."""
    curve: int | None
    """The curve that has this group."""
    moments: Moments


class Meeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step from which the lr of curves is the same (``meet``), is no longer (``part``) or has changed places."""

    kind: MeetingKind
    step: int
    lr: float
    """Of the first of the curves."""
    curves: tuple[int, ...]


class Setter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hook that sets the lr of groups, other than mmengine's ParamSchedulerHook."""

    cause: Cause
    """Its class and method, and the first step that sees it."""
    groups: tuple[str, ...]


class Rehearsal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a dry run of the training observed beside the schedule, where more than mmengine's own hook acts."""

    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    setters: tuple[Setter, ...]
    states: tuple[StateChange, ...]
    """What starts and stops to require a gradient; causes count in steps of the schedule."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...]
    """Hooks and schedulers that may change lrs in validations, which are not run."""
    tried: tuple[int, ...]
    """Iterations an epoch was given, one run each, where the config does not say and all gave the same; else empty."""


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
    """The first step that no warm-up changes; null where there is none."""
    schedulers: tuple[RunScheduler, ...]
    log: tuple[LogEntry, ...]
    meetings: tuple[Meeting, ...]
    complete: bool
    """Whether ``samples`` has every step at which anything changes; else some of those between are left out."""
    samples: tuple[int, ...]
    """Steps; a value that differs in two of them with nothing between changed on the way."""
    curves: tuple[Curve, ...]
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """What the lrs start from, as in the group map."""
    rehearsal: Rehearsal | None = None
    """Null where mmengine's ParamSchedulerHook alone sets values, and the schedulers were run by themselves."""

    def headline(self) -> str:
        """How long the run is, and how many schedulers and curves it has."""
        length = f"{count(self.length.steps, self.length.unit)}"
        parts = (length, count(len(self.schedulers), "scheduler"), count(len(self.curves), "curve"))
        return f"{self.config.path}: {', '.join(parts)}"


class Track(msgspec.Struct, frozen=True):
    """One value that was followed through a run."""

    optimizer: str
    parameter: str
    """``lr``, or another option of a group."""
    groups: tuple[str, ...]
    """The groups that have it; none for mmengine's base settings, which are no group."""


class Series:
    """What several values were at every step of a run, kept only where something stepped.

    Args:
        tracks: what is followed.
        length: steps of the run.
    """

    def __init__(self, tracks: tuple[Track, ...], length: int) -> None:
        self.tracks = tracks
        self.length = length
        self.steps = array("q")
        """Steps at which values were set, ascending, from 0; those in between are as the one before."""
        self.rows = array("d")
        """For each of these steps a value for each track."""

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, step: int, track: int) -> float:
        """The value of a track in a step."""
        return self.rows[(bisect_right(self.steps, step) - 1) * len(self.tracks) + track]

    def row(self, index: int) -> array[float]:
        """The values of all tracks in ``steps[index]`` and until the next one."""
        width = len(self.tracks)
        return self.rows[index * width : (index + 1) * width]

    def column(self, track: int) -> array[float]:
        """The values of a track at each of ``steps``."""
        return self.rows[track :: len(self.tracks)]

    def of(self, parameter: str) -> Iterator[int]:
        """The tracks of a parameter, those of groups only."""
        return (i for i, track in enumerate(self.tracks) if track.parameter == parameter and track.groups)


class Run(msgspec.Struct, frozen=True):
    """What happened when the schedulers of a config were run."""

    schedulers: tuple[RunScheduler, ...]
    series: Series
    stack: Mapping[str, str]
    log_keys: tuple[tuple[str, int], ...]
    """What mmengine's log line prints, and the track it is of."""
    rehearsal: Rehearsal | None = None
