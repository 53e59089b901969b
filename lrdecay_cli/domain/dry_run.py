"""Records of the command ``dry-run``, which runs mmengine's training loop without data.

They show which parameter groups changed, in which iteration, and the source of each change. Iterations count from 0.
The value at an iteration is the value that the optimizer uses in this iteration.
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
"""A measured step may differ from the expected step by this fraction, because measured steps include weight decay."""

Stage = Literal["construction", "auto_scale_lr", "param_scheduler", "resume", "hook", "train()", "optimizer"]
"""What made a change, for example of an lr.

===============  =====================================================================================
stage            what made the change
===============  =====================================================================================
construction     the optimizer wrapper constructor, when the optimizer is built
auto_scale_lr    ``Runner.scale_lr``, once, before the schedulers are built
param_scheduler  a parameter scheduler, when it is built or stepped by mmengine's ParamSchedulerHook
resume           ``Runner.load_or_resume``, which restores a checkpoint
hook             a hook other than mmengine's ParamSchedulerHook
train()          ``model.train()``, at the start of every epoch (of every iteration in an iteration-based loop)
optimizer        a step of the optimizer
===============  =====================================================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What made a change, for example a hook, and the first iteration with the changed value."""

    stage: Stage
    name: str
    """Class of a scheduler, or class and method of a hook (``WildFreezeHook.before_train``); otherwise the stage."""
    iteration: int
    """The first iteration with the changed value."""


class StateChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that started or stopped requiring a gradient at the same time, with the cause."""

    trainable: bool
    """``requires_grad`` after the change."""
    cause: Cause
    parameters: tuple[str, ...]


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one optimizer step changes the weights of a group: measured, and as expected from the group's lr.

    For the measurement, all weights of all groups are equal, and all gradients are equal.
    """

    step: float | None
    """Mean change of a weight in this group, divided by the mean change in the group with the highest lr.

    Null if the group has no trainable tensor, or if no group changes.
    """
    expected: float | None
    """The expected value of ``step``: the group's lr divided by the highest lr of the groups that change."""
    decay: DecayUse | None
    """How the optimizer applies weight decay to the group, measured in a step in which all gradients are zero.

    Null if the group has no weight decay and this step does not change its weights.
    """

    @property
    def deviates(self) -> bool:
        """True if the measured step differs from the expected step by more than :data:`TOLERANCE`."""
        if self.step is None or self.expected is None:
            return False
        return abs(self.step - self.expected) > TOLERANCE * max(abs(self.expected), TOLERANCE)


class LrAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lr that the optimizer uses for a group in one iteration."""

    iteration: int
    lr: float | None


class GroupRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter group over the run: its lr at important iterations, and what changed the lr."""

    name: str
    named: bool
    """True if the constructor named the group. Otherwise ``name`` contains the group's index: ``group_0``."""
    parameters: tuple[str, ...]
    """Names of the group's tensors, in the optimizer's order."""
    built_lr: float | None
    """The lr that the constructor set."""
    weight_decay: float | None
    """The weight decay that the constructor set."""
    last_weight_decay: float | None
    first: LrAt
    after_warm_up: LrAt | None
    """The lr in the first iteration after warm-up. Null if there is no warm-up, or if the run ends during warm-up."""
    peak: LrAt
    """The highest lr of the group, and the first iteration with this lr."""
    last: LrAt
    causes: tuple[Cause, ...]
    """What changed the group's lr after construction, for example a hook, and the iteration of its first change."""
    effect: Effect | None
    """How much an optimizer step changes the group. Null if the optimizer could not take a step."""
    from_gpus: tuple[Formula, ...] = ()
    """The formulas of the group's lr and weight decay that contain the number of GPUs."""


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the training, such as a hook, that the dry run does not run."""

    name: str
    reason: str
    failed: bool = False
    """True if the part fails in the dry run: its effect is unknown. False if it only logs, saves or measures."""
    option: str = ""
    """For a hook that stops the training, because its error does not depend on data: its settings in the config."""


class LogLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log line of mmengine that contains learning rates."""

    iteration: int
    text: str
    """The line up to its last lr, such as ``Epoch(train)  [1][  50/7330]  base_lr: 1.0000e-04 lr: 3.4917e-06``."""
    lrs: Mapping[str, float]
    """Each lr in the line, by its key: ``lr`` is the lr of the first group, ``base_lr`` is the base lr."""


class DryRun(Displayed, frozen=True, forbid_unknown_fields=True):
    """All results of a dry run."""

    schema_version: int
    tool: Tool
    config: ConfigSource
    gpus: int
    batch_size: int
    """Batch size of one GPU."""
    iterations: int
    iterations_per_epoch: int
    epochs: int | None
    """Number of epochs. Null for an iteration-based loop."""
    lr_factor: float | None
    """The factor of ``auto_scale_lr`` for every lr; null if ``auto_scale_lr`` is off."""
    optimizers: Mapping[str, str]
    """For each optimizer name, the class name. The optimizer name is empty if there is only one optimizer."""
    effects: Mapping[str, OptimizerEffects]
    """For each optimizer name: the measured effects of lr and weight decay. Unmeasured optimizers are left out."""
    groups: tuple[GroupRun, ...]
    first_log: LogLine | None
    """The first log line with an lr; null if none is logged."""
    states: tuple[StateChange, ...]
    frozen: tuple[str, ...]
    """Parameters that require no gradient at the end of the run."""
    hooks: tuple[str, ...]
    """Hooks that ran, in their order."""
    steps_schedulers: bool
    """True if a hook steps the parameter schedulers: mmengine's ParamSchedulerHook, or a hook of the project."""
    step_error: str | None
    """The exception that the optimizer raises in its first step. Null if the step succeeds."""
    unmoved: tuple[str, ...]
    """Parameters that did not change in the first steps, although they require a gradient and have an lr above 0."""
    moved_at_zero: tuple[str, ...]
    """Parameters that changed in the first steps, although their lr was 0 in all of these steps."""
    left_out: tuple[LeftOut, ...]
    in_validation: tuple[LeftOut, ...] = ()
    """Hooks and schedulers that may change the training during validation. The dry run does not run validation."""
    resumed_from: str | None = None
    """The checkpoint from which mmengine restored groups and schedulers at the start. Null for a new run."""

    @property
    def optimizer_labels(self) -> tuple[str, ...]:
        """Return the class name of each optimizer, each name once.

        If the effects of a class were measured, its package and version follow: ``AdamW (torch 2.13.0)``.
        """
        labels = (self.effects[name].label if name in self.effects else kind for name, kind in self.optimizers.items())
        return tuple(dict.fromkeys(labels))

    def headline(self) -> str:
        """Return the number of iterations and groups, and the error if the run stopped early."""
        stopped = [f"stops: {self.step_error}"] if self.step_error else []
        parts = (count(self.iterations, "iteration"), count(len(self.groups), "group"), *stopped)
        return f"{self.config.path}: {', '.join(parts)}"
