"""The parts of a group map besides the groups: constructor, optimizer, modules, and the config's options.

With these records, rules and explanations work without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects

Naming = Literal["recorded", "by position"]
"""The source of the parameter names of a checkpoint: ``recorded`` in its groups by the constructor, or taken from a
config's groups ``by position``, as a resumed run assigns them.
"""


UNKNOWN = "unknown"
"""The type of a constructor or optimizer that the source of a map does not name: a checkpoint, a live optimizer."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts about a checkpoint. Its groups have the saved lrs, which include the schedule up to that point."""

    epoch: int | None
    iteration: int | None
    written_by: str | None
    """``mmengine`` and its version, as recorded in the checkpoint."""
    names: Naming
    config: str | None
    """The config or exported map that the saved groups were compared with; null if the user gave none."""
    misfit: str | None
    """Why a run of that config cannot resume from the checkpoint; null if it can resume, or without a config."""
    unclaimed: int
    """Tensors of the saved model in no group: buffers and frozen parameters. 0 if a config lists them."""


class Constructor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer wrapper constructor that built the groups."""

    type: str
    options: Mapping[str, Any]
    """The constructor's ``paramwise_cfg``."""
    module: str = ""
    """The module that defines the class; empty if the class was not loaded, and in maps of schema 1."""
    copy_of: str = ""
    """The known constructor whose rules recompute every number of the map, if the class is from an unknown module and
    contains that constructor's name; else empty.
    """


class Optimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer that holds the groups."""

    type: str
    wrapper: str
    """The optimizer wrapper that the config names."""
    options: Mapping[str, Any]
    """Further options of the optimizer in the config."""
    types: Mapping[str, str] = {}
    """Class by optimizer name; a single optimizer has the empty name."""
    effects: Mapping[str, OptimizerEffects] = {}
    """The measured effects of each class, by the same names. Omits classes that were not measured."""
    turns: tuple[tuple[str, ...], ...] | msgspec.UnsetType = msgspec.UNSET
    """Sets of optimizers, by name, of which only one steps at a time. A tensor may be in a group of each optimizer of a
    set. Unset if all optimizers step in every iteration.
    """


def takes_turn(turns: Sequence[Sequence[str]], holders: Sequence[str], optimizer: str) -> bool:
    """True if an optimizer is stepped alternately with all ``holders`` of a tensor. False for a holder itself."""
    return optimizer not in holders and any({optimizer, *holders} <= {*turn} for turn in turns)


class Totals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sums over the model's parameters. A parameter with several names is counted once."""

    tensors: int
    parameters: int
    grouped_tensors: int
    grouped_parameters: int
    frozen_tensors: int
    frozen_parameters: int
    missing_tensors: int
    missing_parameters: int
    duplicate_names: int


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model that was built from the config."""

    type: str
    backbone: str | None
    totals: Totals
    averages: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths of modules that are moving averages of other modules and need no optimizer. Unset without such modules."""


Trait = Literal["norm", "depthwise", "conv2d", "deformable", "offset"]
"""The module types that mmengine's default constructor distinguishes.

==========  ===========================================================================================
trait       the module
==========  ===========================================================================================
norm        is a batch, instance, group or layer norm (``isinstance``)
depthwise   is a ``Conv2d`` with as many groups as input channels
conv2d      is a ``Conv2d``
deformable  is one of mmcv's ``DeformConv2d`` and ``ModulatedDeformConv2d``
offset      is the child of a deformable one
==========  ===========================================================================================
"""

RUNNER_KEYS = ("optim_wrapper", "param_scheduler", "train_cfg", "custom_imports", "custom_hooks", "auto_scale_lr")
"""Top-level config keys that change what the optimizer does. Source: mmengine 0.10, ``Runner.from_cfg``."""


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module that registers parameters of its own."""

    type: str
    """Its class name."""
    traits: tuple[Trait, ...]
    parameters: tuple[str, ...]
    """Names within the module, in the order of registration: ``("weight", "bias")``."""


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loop of training, validation or test, with the arguments of its class."""

    type: str
    """Class name of the loop, from the config or chosen by the Runner from ``by_epoch``."""
    settings: Mapping[str, Any]
    """The config's settings for the loop."""
    takes: tuple[str, ...] | None
    """Argument names of the class, without arguments that the Runner passes; null if the class is not registered."""
    needs: tuple[str, ...]
    """Names of the required arguments."""
    takes_more: bool
    """True if the class accepts ``**kwargs``: ``takes`` may then be incomplete."""


class TrainMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The changes by ``model.train()``, which mmengine's loops call after the optimizer is built."""

    freezes: tuple[str, ...]
    """Parameters that stopped requiring a gradient after the optimizer was built, in the model's order."""
    thaws: tuple[str, ...]
    """Parameters that started requiring a gradient."""
    error: str | None
    """The exception of ``train()`` on one line; null if ``train()`` succeeded."""


class UnusedParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DDP's option to search for parameters without a gradient in every iteration."""

    option: str
    """Path in the config of this option, even if the config does not set it."""
    found: bool
    """The option's value."""


class PositionedLr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr that a hook assigns to one group by the group's position."""

    hook: str
    """Its class name."""
    option: str
    """Path of its settings in the config."""
    position: int
    lr: float
    """The assigned lr in the first iteration. It does not depend on the lr from the constructor."""
    argument: str = ""
    """The hook's setting with this value; empty if no setting or several settings have the value."""


class RefusedScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler that mmengine's Runner does not build, or that raises when it steps."""

    option: str
    """Path in the config: of the scheduler, of the rejected setting, or ``param_scheduler``."""
    problem: str
    """The exception from mmengine, or the problem in words."""
    # The name in maps of schema 2, which stay readable.
    fix: str = msgspec.field(name="remedy")
    """What to do; empty where only ``problem`` says it."""


class UnrunCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code in the config that acts only during training. Group maps do not show its effect."""

    name: str
    """Its class."""
    option: str
    """Path of its settings in the config."""
    may: tuple[Literal["lr", "freezing", "groups"], ...]
    """What it changes, as far as its code shows: the lr of groups, ``requires_grad``, or the groups. Empty if
    unknown.
    """


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config's training options, as plain values."""

    optim_wrapper: Mapping[str, Any]
    param_scheduler: tuple[Any, ...]
    train_cfg: Mapping[str, Any]
    misplaced: Mapping[str, Any]
    """Ignored settings of the optimizer wrapper, by their path in the config; and misspelt ``RUNNER_KEYS``."""
    reads: tuple[str, ...] | None
    """Paths within ``paramwise_cfg`` in the order in which the constructor first read them; null if not recorded."""
    inherited: tuple[str, ...]
    """Paths within ``paramwise_cfg`` that come from a base and that the config itself does not set."""
    asked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Missing paths within ``paramwise_cfg`` that the constructor tried to read, in that order; unset in maps of older
    versions.
    """
    from_bases: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Entries of ``RUNNER_KEYS`` that come from a base and that the config itself does not set. Unset in older maps."""
    scheduler_modules: Mapping[str, str] = {}
    """The module that defines a scheduler's class, by the name in the config; not for mmengine's classes."""
    loops: Mapping[str, Loop] | msgspec.UnsetType = msgspec.UNSET
    """Loops by ``train_cfg``, ``val_cfg`` and ``test_cfg``, if the config has these keys. Unset in older maps."""
    train_mode: TrainMode | msgspec.UnsetType = msgspec.UNSET
    """The changes by ``model.train()``; unset in maps of older versions and for a checkpoint without a config."""
    positioned_lrs: tuple[PositionedLr, ...] | msgspec.UnsetType = msgspec.UNSET
    """The lrs that hooks of the config assign to single groups by position; unset without such hooks."""
    refused_schedulers: tuple[RefusedScheduler, ...] | msgspec.UnsetType = msgspec.UNSET
    """The schedulers in ``param_scheduler`` that mmengine rejects; unset if it accepts all of them."""
    unwritable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths in the config of values that mmengine cannot write as text; unset without any."""
    unrun: tuple[UnrunCode, ...] | msgspec.UnsetType = msgspec.UNSET
    """Hooks, training loops and strategies that may change what trains and at which lr; unset without any."""
    unused_parameters: UnusedParameters | msgspec.UnsetType = msgspec.UNSET
    """Whether DistributedDataParallel searches for parameters without a gradient."""


class WrappedGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group that the constructor makes for the wrapped model."""

    lr: float | None
    weight_decay: float | None
    parameters: tuple[str, ...]
    """Names in the model without its wrapper; for a flat parameter, the names of everything in it."""


class Wrapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The effect of the model wrapper of a distributed training on the groups."""

    type: str
    """Its class name."""
    option: str
    """Path of its settings in the config; empty for mmengine's default wrapper."""
    gpus: int
    """Number of GPUs that the model was wrapped for."""
    groups: tuple[WrappedGroup, ...]
    """The groups of the optimizer in training."""
    flat: tuple[str, ...]
    """Names of the parameters within a flat parameter, which has a single lr and weight decay."""
    refused: Literal["wrapper", "constructor"] | None
    """If the training cannot start: what raises, the wrapper or the constructor for the wrapped model."""
    failure: str | None
    """The exception."""


class Launch(msgspec.Struct, frozen=True):
    """The launch options of a training that may affect learning rates and weight decays."""

    gpus: int | None = None
    """Number of GPUs; None if the user does not give the number."""
    batch_size: int | None = None
    """Batch size of one GPU; None for the config's."""
    auto_scale_lr: bool = False
    """True to switch the config's ``auto_scale_lr`` on, like ``tools/train.py --auto-scale-lr``."""

    @property
    def world_size(self) -> int:
        """Number of GPUs; 1 if the user does not give the number."""
        return self.gpus or 1

    @property
    def options(self) -> tuple[str, ...]:
        """Return the user's values as command-line options."""
        numbers = (("--gpus", self.gpus), ("--batch-size", self.batch_size))
        switch = ("--auto-scale-lr",) if self.auto_scale_lr else ()
        return (*(f"{name} {value}" for name, value in numbers if value is not None), *switch)


PLAIN_LAUNCH = Launch()
"""The default: 1 GPU, and the batch size and ``auto_scale_lr`` of the config."""


class OnOtherGpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number of a group that depends on the number of GPUs."""

    number: Literal["lr", "weight_decay"]
    """The number from the constructor, without ``auto_scale_lr``."""
    group: str
    """The first group with this number."""
    here: float | None
    gpus: int
    there: float | None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The batch size and the number of GPUs that the groups are for.

    Recorded if a number depends on them, or if the user gave the batch size.
    """

    gpus: int
    gpus_given: bool
    """True if the user gave the number of GPUs; otherwise 1 GPU is assumed."""
    size: int | None
    """Batch size of one GPU; null if neither the user nor the config gives it."""
    base_size: int | float | None = None
    """``auto_scale_lr.base_batch_size``, if ``auto_scale_lr`` is on."""
    lr_factor: float | None = None
    """The factor of ``auto_scale_lr`` on every lr: ``gpus * size / base_size``; null if ``auto_scale_lr`` is off."""
    differs: OnOtherGpus | None = None
    """The first number that the constructor computes differently for another number of GPUs; null if all numbers are
    equal, or if this was not tested.
    """
