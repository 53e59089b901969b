"""What a group map says beside the groups: what made them, the modules that own parameters, what the config asked for.

The groups are what was built; this is what it was built from, so that rules and explanations need no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects

Naming = Literal["recorded", "by position"]
"""Where the names of a checkpoint's parameters are from: ``recorded`` in its groups by the constructor, or those that a
config's groups hold at the same position, which is what a resumed run goes by."""


UNKNOWN = "unknown"
"""The type of a constructor or optimizer that the source of a map does not name: a checkpoint, a live optimizer."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint, beside its groups. The lr of a group is the saved one, where the schedule had got to."""

    epoch: int | None
    iteration: int | None
    written_by: str | None
    """``mmengine`` and its version, as the checkpoint says."""
    names: Naming
    config: str | None
    """The config, or exported map, that its groups were held against; null if none was given."""
    misfit: str | None
    """Why a run of that config would not resume from it as it is; null if it would, or if there is no config."""
    unclaimed: int
    """Tensors of the saved model that are in no group: buffers, and frozen parameters. 0 where a config tells them."""


class Constructor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer wrapper constructor that built the groups."""

    type: str
    options: Mapping[str, Any]
    """Its ``paramwise_cfg``."""
    module: str = ""
    """The module that defines the class; empty where nobody loaded it, and in maps of schema 1."""
    copy_of: str = ""
    """The constructor whose rules recompute every number of the map, where the class is of a module that lrdecay does
    not know and carries that constructor's name; empty where there is none."""


class Optimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer that holds the groups."""

    type: str
    wrapper: str
    """The optimizer wrapper that the config names."""
    options: Mapping[str, Any]
    """The config's other options of the optimizer."""
    types: Mapping[str, str] = {}
    """Class by the optimizer's name; the only optimizer is under the empty string."""
    effects: Mapping[str, OptimizerEffects] = {}
    """What each does with lr and weight decay, likewise by name; one that was not measured is left out."""
    turns: tuple[tuple[str, ...], ...] | msgspec.UnsetType = msgspec.UNSET
    """Sets of optimizers that take turns, by their names: of a set one steps at a time, so that a tensor may be in a
    group of each. Unset where all of them step."""


def takes_turn(turns: Sequence[Sequence[str]], holders: Sequence[str], optimizer: str) -> bool:
    """Whether an optimizer takes turns with all of those that hold a tensor, ``holders``, and is none of them."""
    return optimizer not in holders and any({optimizer, *holders} <= {*turn} for turn in turns)


class Totals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model's parameters add up: every one is counted once, under its first name."""

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
    """The model that was built."""

    type: str
    backbone: str | None
    totals: Totals
    averages: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths of modules that are moving averages of others, so that no optimizer has to update them. Unset where there
    is none."""


Trait = Literal["norm", "depthwise", "conv2d", "deformable", "offset"]
"""What mmengine's default constructor asks of a module, in its own terms.

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
"""Top-level names of a config that change what the optimizer does. Source: mmengine 0.10, ``Runner.from_cfg``."""


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module that registers parameters of its own."""

    type: str
    """Its class name."""
    traits: tuple[Trait, ...]
    parameters: tuple[str, ...]
    """Names within the module, in the order of registration: ``("weight", "bias")``."""


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What mmengine's Runner runs the training, validation or test by, and what its class takes."""

    type: str
    """Its class name, as the config has it or as the Runner chooses it by ``by_epoch``."""
    settings: Mapping[str, Any]
    """The config's words on it."""
    takes: tuple[str, ...] | None
    """Names of its settings, but for those that the Runner gives; null where no such class is registered."""
    needs: tuple[str, ...]
    """Those of them that have no default."""
    takes_more: bool
    """Whether it takes any other name too (``**kwargs``), so that ``takes`` may not be all."""


class TrainMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``model.train()`` changes: mmengine's loops call it after the optimizer is built."""

    freezes: tuple[str, ...]
    """Parameters that required a gradient when the optimizer was built, and no longer do; in the model's order."""
    thaws: tuple[str, ...]
    """Those that did not, and now do."""
    error: str | None
    """What it raised, on one line; null for nothing."""


class UnusedParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether DistributedDataParallel finds out in every iteration which parameters get no gradient, or awaits all."""

    option: str
    """Path in the config of the option that is read for it, whether it is there or not."""
    found: bool
    """Its value."""


class PositionedLr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr that a hook gives one group by its position among the groups, whatever the group holds."""

    hook: str
    """Its class name."""
    option: str
    """Path of its settings in the config."""
    position: int
    lr: float
    """In the first iteration, whatever the group's own lr is."""
    argument: str = ""
    """The setting of the hook that has this value; empty where none has, or several have."""


class RefusedScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler that mmengine's Runner does not build, or that raises when it is stepped."""

    option: str
    """Path in the config: of the scheduler, of what it cannot have, or ``param_scheduler``."""
    problem: str
    """What mmengine raises, or what is wrong in words."""
    fix: str
    """What to do; empty where only ``problem`` says it."""


class UnrunCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code that the config names and that acts in the training alone: no group map shows what it does."""

    name: str
    """Its class."""
    option: str
    """Path of its settings in the config."""
    may: tuple[Literal["lr", "freezing", "groups"], ...]
    """What it changes, as far as its code names it: the lr of groups, what requires a gradient, the groups themselves.
    Empty if unknown."""


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config's own words on how the model is trained, in plain values."""

    optim_wrapper: Mapping[str, Any]
    param_scheduler: tuple[Any, ...]
    train_cfg: Mapping[str, Any]
    misplaced: Mapping[str, Any]
    """Settings of the optimizer wrapper that stand where nobody reads them, by their path in the config; names that
    are nearly one of ``RUNNER_KEYS`` too."""
    reads: tuple[str, ...] | None
    """Paths within ``paramwise_cfg`` in the order in which the constructor first read them; null if nobody watched."""
    inherited: tuple[str, ...]
    """Paths within ``paramwise_cfg`` that the config has from one of its bases and does not name itself."""
    asked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths within ``paramwise_cfg`` that the constructor asked for and that are not there, in the order of the first
    time; not there in a map of an lrdecay that did not watch for them."""
    from_bases: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Those of ``RUNNER_KEYS`` that the config has from one of its bases and does not name itself; likewise."""
    scheduler_modules: Mapping[str, str] = {}
    """The module that defines a scheduler's class, by the name that the config writes, where that is not mmengine's."""
    loops: Mapping[str, Loop] | msgspec.UnsetType = msgspec.UNSET
    """By ``train_cfg``, ``val_cfg`` and ``test_cfg``, where the config has them; likewise."""
    train_mode: TrainMode | msgspec.UnsetType = msgspec.UNSET
    """What ``model.train()`` changes; likewise, and of a checkpoint that is read alone."""
    positioned_lrs: tuple[PositionedLr, ...] | msgspec.UnsetType = msgspec.UNSET
    """What hooks of the config give single groups by position; unset where none does."""
    refused_schedulers: tuple[RefusedScheduler, ...] | msgspec.UnsetType = msgspec.UNSET
    """What mmengine refuses of ``param_scheduler``; unset where it takes all of it."""
    unwritable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths in the config of values for which mmengine cannot write the config as text; unset where it can."""
    unrun: tuple[UnrunCode, ...] | msgspec.UnsetType = msgspec.UNSET
    """Hooks, training loops and strategies that may change what trains, and at which lr; unset where there is none."""
    unused_parameters: UnusedParameters | msgspec.UnsetType = msgspec.UNSET
    """Whether DistributedDataParallel looks for parameters without a gradient; likewise."""


class WrappedGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group of the optimizer that the constructor makes of a wrapped model."""

    lr: float | None
    weight_decay: float | None
    parameters: tuple[str, ...]
    """Names in the model without its wrapper; of a flat parameter, those of everything in it."""


class Wrapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model wrapper of a distributed training makes of the groups: it was put around the model."""

    type: str
    """Its class name."""
    option: str
    """Path of its settings in the config; empty for the wrapper that mmengine takes by default."""
    gpus: int
    """How many GPUs the model was wrapped for."""
    groups: tuple[WrappedGroup, ...]
    """As the optimizer has them in training."""
    flat: tuple[str, ...]
    """Names of the parameters that are part of a flat one, which has a single lr and weight decay."""
    refused: Literal["wrapper", "constructor"] | None
    """Who raises, so that no training begins: the wrapper, or the constructor for the wrapped model."""
    failure: str | None
    """What it raises."""


class Launch(msgspec.Struct, frozen=True):
    """How a training is started, as far as its learning rates and weight decays may depend on it."""

    gpus: int | None = None
    """None where the user does not say."""
    batch_size: int | None = None
    """Samples in a batch of one GPU; None for the config's."""
    auto_scale_lr: bool = False
    """Whether to switch the config's ``auto_scale_lr`` on, as ``tools/train.py --auto-scale-lr`` does."""

    @property
    def world_size(self) -> int:
        """How many GPUs train: 1 is assumed where the user does not say."""
        return self.gpus or 1

    @property
    def told(self) -> tuple[str, ...]:
        """What the user said, as options of the command line."""
        numbers = (("--gpus", self.gpus), ("--batch-size", self.batch_size))
        switch = ("--auto-scale-lr",) if self.auto_scale_lr else ()
        return (*(f"{name} {value}" for name, value in numbers if value is not None), *switch)


PLAIN_LAUNCH = Launch()
"""Nothing said: 1 GPU, the config's batch size and its own ``auto_scale_lr``."""


class OnOtherGpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that is another one on another number of GPUs."""

    number: Literal["lr", "weight_decay"]
    """As the constructor gives it, without ``auto_scale_lr``."""
    group: str
    """The first group that has it."""
    here: float | None
    gpus: int
    there: float | None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The batch that the groups are made for, where one of their numbers depends on it or the user gave it."""

    gpus: int
    gpus_given: bool
    """Whether the user said so; else a training on 1 GPU is assumed."""
    size: int | None
    """Samples in a batch of one GPU; null where neither the user nor the config says."""
    base_size: int | float | None = None
    """``auto_scale_lr.base_batch_size``, where ``auto_scale_lr`` is on."""
    lr_factor: float | None = None
    """What ``auto_scale_lr`` multiplied every lr by: ``gpus * size / base_size``; null where it is off."""
    differs: OnOtherGpus | None = None
    """The first number that the constructor makes another one on other GPUs; null if it makes none, or no one asked."""
