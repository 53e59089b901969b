"""The observations of a dry run of the training loop: changed values of groups, with source and time.

Iterations count from 0. A value at an iteration is the one that the optimizer uses in that iteration.
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
"""Relative tolerance between a measured step and the lr's ratio. The step also includes weight decay."""

Stage = Literal["construction", "auto_scale_lr", "param_scheduler", "resume", "hook", "train()", "optimizer"]
"""The source of a change.

===============  =====================================================================================
stage            source of the change
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
    """The source and the time of a change."""

    stage: Stage
    name: str
    """Class and method that made the change: ``WildFreezeHook.before_train``; otherwise the stage."""
    iteration: int
    """The first iteration after the change."""


class StateChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that started or stopped requiring a gradient."""

    trainable: bool
    """``requires_grad`` after the change."""
    cause: Cause
    parameters: tuple[str, ...]


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The effect of the optimizer on one group, measured with equal weights and gradients."""

    step: float | None
    """Mean change of an element, relative to the group with the highest lr; null if no element can move."""
    expected: float | None
    """The group's lr divided by the highest lr."""
    decay: DecayUse | None
    """What pulls its weights toward zero in a step without a gradient; null without weight decay and without a pull."""

    @property
    def deviates(self) -> bool:
        """True if the step differs from the lr's ratio by more than float32 rounding explains."""
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
    """True if the constructor named the group; otherwise the name is the group's position."""
    parameters: tuple[str, ...]
    """Names of the group's tensors, in the optimizer's order."""
    built_lr: float | None
    """The lr from the constructor."""
    weight_decay: float | None
    """The weight decay in the first iteration."""
    last_weight_decay: float | None
    first: LrAt
    after_warm_up: LrAt | None
    """The lr in the first iteration after warm-up; null without a warm-up or if it does not end."""
    peak: LrAt
    """The first iteration with the highest lr."""
    last: LrAt
    causes: tuple[Cause, ...]
    """What set the group's lr after construction: each source once, with its first change."""
    effect: Effect | None
    """Null if the optimizer could not take a step."""
    from_gpus: tuple[Formula, ...] = ()
    """Formulas of the group's numbers that contain the number of GPUs; empty without any."""


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the training that the dry run leaves out."""

    name: str
    reason: str
    failed: bool = False
    """True if the part could not run here, so its effect is unknown. False if the part only logs, saves or measures."""


class LogLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that mmengine logs."""

    iteration: int
    text: str
    """The line up to the last lr: ``Epoch(train)  [1][  50/7330]  base_lr: 1.0000e-04 lr: 3.4917e-06``."""
    lrs: Mapping[str, float]
    """Values by their names in the log: ``base_lr``, and ``lr``, the first group's lr."""


class DryRun(Displayed, frozen=True, forbid_unknown_fields=True):
    """All observations of a dry run."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    gpus: int
    batch_size: int
    """Batch size of one GPU."""
    iterations: int
    iterations_per_epoch: int
    epochs: int | None
    """Null for an iteration-based loop."""
    lr_factor: float | None
    """The factor of ``auto_scale_lr`` for every lr; null if ``auto_scale_lr`` is off."""
    optimizers: Mapping[str, str]
    """Class by optimizer name; a single optimizer has the empty name."""
    effects: Mapping[str, OptimizerEffects]
    """The measured effects of each class, by the same names. Omits classes that were not measured."""
    groups: tuple[GroupRun, ...]
    first_log: LogLine | None
    """The first log line with an lr; null if none is logged."""
    states: tuple[StateChange, ...]
    frozen: tuple[str, ...]
    """Parameters that require no gradient at the end of the run."""
    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    steps_schedulers: bool
    """True if a hook steps the parameter schedulers: mmengine's ParamSchedulerHook or one of the project."""
    step_error: str | None
    """The exception of the optimizer's first step; null if the step succeeds."""
    unmoved: tuple[str, ...]
    """Parameters that require a gradient and have an lr above 0, but did not move in the first steps."""
    moved_at_zero: tuple[str, ...]
    """Parameters that moved although their lr was 0 throughout the first steps."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...] = ()
    """Hooks and schedulers that may change the training during validation, which is not run."""
    resumed_from: str | None = None
    """The checkpoint whose groups and schedulers mmengine restored before the first iteration; null for a new run."""

    @property
    def optimizer_labels(self) -> tuple[str, ...]:
        """Return each class once, with the measured distribution and version: ``AdamW (torch 2.13.0)``."""
        labels = (self.effects[name].label if name in self.effects else kind for name, kind in self.optimizers.items())
        return tuple(dict.fromkeys(labels))

    def headline(self) -> str:
        """Return the length of the run, and the reason if it stopped early."""
        stopped = [f"stops: {self.step_error}"] if self.step_error else []
        parts = (count(self.iterations, "iteration"), count(len(self.groups), "group"), *stopped)
        return f"{self.config.path}: {', '.join(parts)}"
