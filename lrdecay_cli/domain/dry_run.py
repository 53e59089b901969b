"""What a dry run of the training loop observed: who changed which value of which group, and when.

Iterations count from 0. A value at an iteration is the one that the optimizer uses in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.optimizer_effects import DecayUse, OptimizerEffects
from lrdecay_cli.domain.provenance import Formula
from lrdecay_cli.text.counting import count

DRY_RUN_SCHEMA_VERSION = 1
TOLERANCE = 0.01
"""How much a measured step may differ from what the lr implies, as a share of that: weight decay is in it, too."""

Stage = Literal["construction", "auto_scale_lr", "param_scheduler", "resume", "hook", "train()", "optimizer"]
"""What can change a value.

===============  =====================================================================================
stage            what acts
===============  =====================================================================================
construction     the optimizer wrapper constructor, when the optimizer is built
auto_scale_lr    ``Runner.scale_lr``, once, before the schedulers are built
param_scheduler  a parameter scheduler, when it is built or stepped by mmengine's ParamSchedulerHook
resume           ``Runner.load_or_resume``
hook             any other hook
train()          ``model.train()``, at the start of every epoch (of every iteration in an iteration-based loop)
optimizer        the optimizer's own step
===============  =====================================================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who changed something, and when."""

    stage: Stage
    name: str
    """The class and method that acted: ``WildFreezeHook.before_train``; of a stage without one, the stage."""
    iteration: int
    """The first iteration that sees the change."""


class StateChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that started or stopped to require a gradient."""

    trainable: bool
    """What they are afterwards."""
    cause: Cause
    parameters: tuple[str, ...]


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the optimizer makes of one group, measured with equal weights and gradients."""

    step: float | None
    """Mean change of an element, over that of the group with the highest lr; null where nothing could move."""
    expected: float | None
    """The lr over the highest lr."""
    decay: DecayUse | None
    """What pulls its weights toward zero in a step without a gradient; null without a weight decay and a pull."""

    @property
    def deviates(self) -> bool:
        """Whether the step differs from what the lr implies, by more than float32 explains."""
        if self.step is None or self.expected is None:
            return False
        return abs(self.step - self.expected) > TOLERANCE * max(abs(self.expected), TOLERANCE)


class LrAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lr that the optimizer uses for a group in one iteration."""

    iteration: int
    lr: float | None


class GroupRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One group over the run."""

    name: str
    named: bool
    """Whether the constructor named it; else it has its position for a name."""
    parameters: tuple[str, ...]
    """Names of its tensors, in the optimizer's order."""
    built_lr: float | None
    """The lr that the constructor gave it."""
    weight_decay: float | None
    """In the first iteration."""
    last_weight_decay: float | None
    first: LrAt
    after_warm_up: LrAt | None
    """In the first iteration that no warm-up changes; null where there is none or it does not end."""
    peak: LrAt
    """In the first iteration with the highest lr."""
    last: LrAt
    causes: tuple[Cause, ...]
    """What set its lr after it was built, each once, with the first time."""
    effect: Effect | None
    """Null where the optimizer could not take a step."""
    from_gpus: tuple[Formula, ...] = ()
    """How the constructor computed its numbers from the number of GPUs; empty where it did not."""


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the training that the dry run does without."""

    name: str
    reason: str
    failed: bool = False
    """Whether it could not run here, so that what it does is not known; else it only logs, saves or measures."""


class LogLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that mmengine logs."""

    iteration: int
    text: str
    """As far as the last lr: ``Epoch(train)  [1][  50/7330]  base_lr: 1.0000e-04 lr: 3.4917e-06``."""
    lrs: Mapping[str, float]
    """By its names in the log: ``base_lr``, and ``lr``, which is the first group's."""


class DryRun(Displayed, frozen=True, forbid_unknown_fields=True):
    """Everything that a dry run observed."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    gpus: int
    batch_size: int
    """Of one GPU."""
    iterations: int
    iterations_per_epoch: int
    epochs: int | None
    """Null for an iteration-based loop."""
    lr_factor: float | None
    """What auto_scale_lr multiplied every lr by; null where it is off."""
    optimizers: Mapping[str, str]
    """Class by name; one without a name is under the empty string."""
    effects: Mapping[str, OptimizerEffects]
    """What each class was measured to do, likewise by name; one that was not measured is left out."""
    groups: tuple[GroupRun, ...]
    first_log: LogLine | None
    """The first line with an lr that mmengine logs; null where it logs none."""
    states: tuple[StateChange, ...]
    frozen: tuple[str, ...]
    """Parameters that require no gradient at the end of the run."""
    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    steps_schedulers: bool
    """Whether a hook steps the parameter schedulers: mmengine's ParamSchedulerHook, or one of the project's own."""
    step_error: str | None
    """What the optimizer raised in its first step; null for nothing."""
    unmoved: tuple[str, ...]
    """Parameters that require a gradient and have an lr above 0, and did not move in the first steps."""
    moved_at_zero: tuple[str, ...]
    """Parameters whose lr was 0 throughout the first steps, and that moved."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...] = ()
    """Hooks and schedulers that may change the training in its validations, which are not run."""
    resumed_from: str | None = None
    """The checkpoint whose groups and schedulers mmengine restored before the first iteration; null for a new run."""

    @property
    def optimizer_labels(self) -> tuple[str, ...]:
        """Each class once, with the distribution and version that were measured: ``AdamW (torch 2.13.0)``."""
        labels = (self.effects[name].label if name in self.effects else kind for name, kind in self.optimizers.items())
        return tuple(dict.fromkeys(labels))

    def headline(self) -> str:
        """How long the run is, and what stopped it."""
        stopped = [f"stops: {self.step_error}"] if self.step_error else []
        parts = (count(self.iterations, "iteration"), count(len(self.groups), "group"), *stopped)
        return f"{self.config.path}: {', '.join(parts)}"
