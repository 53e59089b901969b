"""Parts of a group map other than the groups: constructor, optimizer, modules, and training options of the config.

Rules and explanations read these records instead of the model, so they do not need torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects

Naming = Literal["recorded", "by position"]
"""The source of parameter names for the groups of a checkpoint.

``recorded``: the constructor recorded the names in the groups. ``by position``: the names come from the groups that a
config builds. Saved and built groups are matched by position, as in a resumed run.
"""


UNKNOWN = "unknown"
"""The type of a constructor or optimizer if the source of the map does not name it (checkpoints, running programs)."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts about a checkpoint. The groups have the lrs that the schedulers had set when the checkpoint was saved."""

    epoch: int | None
    iteration: int | None
    written_by: str | None
    """``mmengine`` with its version, as the checkpoint records it."""
    names: Naming
    config: str | None
    """The config or exported map that the saved groups were compared with. Null if the user gave none."""
    misfit: str | None
    """Why a run of this config cannot resume from the checkpoint. Null if it can, or if no config was given."""
    unclaimed: int
    """Number of saved tensors in no group: buffers and frozen parameters. 0 if ``config`` is set and ``misfit`` is
    null.
    """


class Constructor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer wrapper constructor that built the groups."""

    type: str
    options: Mapping[str, Any]
    """The constructor's ``paramwise_cfg``."""
    module: str = ""
    """The module that defines the class. Empty if the class was not loaded, and in maps of schema 1."""
    copy_of: str = ""
    """Short name of the constructor that this class is a copy of; empty if lrdecay finds no such constructor.

    A class in an unknown module is a copy under two conditions: its name contains the name of a constructor that
    lrdecay knows, and the rules of that constructor give every number of the map.
    """


class Optimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer or the optimizers that update the groups."""

    type: str
    wrapper: str
    """The optimizer wrapper that the config names."""
    options: Mapping[str, Any]
    """The options of the optimizer in the config, except its class, lr and weight decay."""
    types: Mapping[str, str] = {}
    """The class name of each optimizer, by optimizer name. A single optimizer has an empty optimizer name."""
    effects: Mapping[str, OptimizerEffects] = {}
    """How each optimizer uses lr and weight decay, by optimizer name. Optimizers with unknown effects are left out."""
    turns: tuple[tuple[str, ...], ...] | msgspec.UnsetType = msgspec.UNSET
    """Sets of names of optimizers that step alternately: in each iteration, only one optimizer of a set takes a step.

    A tensor may be in a group of each optimizer of a set. Unset if all optimizers step in every iteration.
    """


def takes_turn(turns: Sequence[Sequence[str]], holders: Sequence[str], optimizer: str) -> bool:
    """True if ``optimizer`` and all ``holders`` step alternately: one set in ``turns`` contains all of them.

    ``holders`` are the optimizers that already update a tensor. If they include ``optimizer``, the result is False.
    """
    return optimizer not in holders and any({optimizer, *holders} <= {*turn} for turn in turns)


class Totals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of tensors and of elements in the model. A parameter with several names is counted once."""

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
    """Paths of modules that are moving averages of other modules and need no optimizer. Unset if there are none."""


Trait = Literal["norm", "depthwise", "conv2d", "deformable", "offset"]
"""The module types that mmengine's default constructor distinguishes.

==========  ===========================================================================================
trait       the module
==========  ===========================================================================================
norm        is a batch, instance, group or layer norm (``isinstance``)
depthwise   is a ``Conv2d`` with as many groups as input channels
conv2d      is a ``Conv2d``
deformable  is one of mmcv's ``DeformConv2d`` and ``ModulatedDeformConv2d``
offset      is a child of a deformable convolution
==========  ===========================================================================================
"""

RUNNER_KEYS = ("optim_wrapper", "param_scheduler", "train_cfg", "custom_imports", "custom_hooks", "auto_scale_lr")
"""Top-level config keys that affect the optimizer. Source: mmengine 0.10, ``Runner.from_cfg``."""


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module of the model that registers parameters of its own."""

    type: str
    """Class name of the module."""
    traits: tuple[Trait, ...]
    parameters: tuple[str, ...]
    """Names of the parameters within the module, in the order of registration, for example ``("weight", "bias")``."""


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loop class for training, validation or test, with the settings in the config and the accepted settings."""

    type: str
    """Class name of the loop. If the config sets no ``type``: the class that the Runner chooses by ``by_epoch``."""
    settings: Mapping[str, Any]
    """The config's settings for the loop."""
    takes: tuple[str, ...] | None
    """Names of the settings that the class accepts. Arguments that the Runner itself passes are left out. Null if the
    class is not registered.
    """
    needs: tuple[str, ...]
    """Names of the settings that the class requires."""
    takes_more: bool
    """True if the class accepts ``**kwargs``, so that ``takes`` may be incomplete."""


class TrainMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that ``model.train()`` freezes or unfreezes. mmengine's loops call it after the optimizer is built."""

    freezes: tuple[str, ...]
    """Parameters that stopped requiring a gradient after the optimizer was built, in the model's order."""
    thaws: tuple[str, ...]
    """Parameters that started requiring a gradient after the optimizer was built, in the model's order."""
    error: str | None
    """The exception that ``train()`` raised, in one line. Null if ``train()`` succeeded."""


class UnusedParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DDP's option ``find_unused_parameters``: whether DDP looks for parameters without gradient in each iteration."""

    option: str
    """Path of the option in the config, even if the config does not set the option."""
    found: bool
    """True if the config sets the option to True."""


class PositionedLr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr that a hook sets for one group, selected by its position in ``optimizer.param_groups``."""

    hook: str
    """Class name of the hook."""
    option: str
    """Path of the hook's settings in the config."""
    position: int
    lr: float
    """The lr that the hook sets in the first iteration. It does not depend on the lr from the constructor."""
    argument: str = ""
    """Name of the hook's setting that contains this lr. Empty if no setting or several settings contain it."""


class RefusedScheduler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduler that mmengine's Runner cannot build, or that raises an exception when it steps."""

    option: str
    """The config option that mmengine rejects: a scheduler, a setting of a scheduler, or ``param_scheduler``."""
    problem: str
    """The exception of mmengine, or a description of the problem."""
    # The name in maps of schema 2, which stay readable.
    fix: str = msgspec.field(name="remedy")
    """How to fix the problem. Empty if ``problem`` already contains the fix."""


class UnrunCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code of the config that acts only during training, such as a hook. A group map does not show its effect."""

    name: str
    """Class name of the hook, loop or strategy."""
    option: str
    """The config option that contains the settings of the hook, loop or strategy, for example ``train_cfg``."""
    may: tuple[Literal["lr", "freezing", "groups"], ...]
    """What the code may change, according to its source code. Empty if unknown.

    ``lr``: the lr of groups. ``freezing``: ``requires_grad`` of parameters. ``groups``: the groups themselves.
    """


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config's training options, as plain values."""

    optim_wrapper: Mapping[str, Any]
    param_scheduler: tuple[Any, ...]
    train_cfg: Mapping[str, Any]
    misplaced: Mapping[str, Any]
    """Settings that mmengine ignores, by their path in the config.

    These are settings of the optimizer wrapper at another level of the config, settings of MMCV 1, and misspelt
    ``RUNNER_KEYS``.
    """
    reads: tuple[str, ...] | None
    """Paths within ``paramwise_cfg`` that the constructor read, in order of first read. Null if not recorded."""
    inherited: tuple[str, ...]
    """Paths within ``paramwise_cfg`` that a base config sets and the config itself does not set."""
    asked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Paths within ``paramwise_cfg`` that the constructor tried to read but the config does not set, in order.

    Unset in maps of older versions.
    """
    from_bases: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Keys of ``RUNNER_KEYS`` that a base config sets and the config itself does not set. Unset in maps of older
    versions.
    """
    scheduler_modules: Mapping[str, str] = {}
    """For each scheduler class that is not mmengine's, by its name in the config: the module that defines the class."""
    loops: Mapping[str, Loop] | msgspec.UnsetType = msgspec.UNSET
    """The loops of the config by key: ``train_cfg``, ``val_cfg``, ``test_cfg``. Unset in maps of older versions."""
    train_mode: TrainMode | msgspec.UnsetType = msgspec.UNSET
    """What ``model.train()`` freezes or unfreezes. Unset for a checkpoint without a config, and in older maps."""
    positioned_lrs: tuple[PositionedLr, ...] | msgspec.UnsetType = msgspec.UNSET
    """The lrs that hooks of the config set for single groups by position. Unset if no hook does this."""
    refused_schedulers: tuple[RefusedScheduler, ...] | msgspec.UnsetType = msgspec.UNSET
    """The schedulers in ``param_scheduler`` that mmengine rejects. Unset if it accepts all of them."""
    unwritable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Config options whose values mmengine cannot write as text. Unset if there are none."""
    unrun: tuple[UnrunCode, ...] | msgspec.UnsetType = msgspec.UNSET
    """Hooks, training loops and strategies that may change which parameters train, and at which lr. Unset if there are
    none.
    """
    unused_parameters: UnusedParameters | msgspec.UnsetType = msgspec.UNSET
    """Whether DistributedDataParallel looks for parameters without a gradient."""
    custom_imports: Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """The config's ``custom_imports``: modules that register classes.

    Unset if the config has no ``custom_imports``, and in maps of older versions.
    """


class WrappedGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group that the constructor builds if a model wrapper for distributed training contains the model."""

    lr: float | None
    weight_decay: float | None
    parameters: tuple[str, ...]
    """Parameter names without the prefix of the model wrapper.

    For a flat parameter of FSDP: the names of all parameters in the flat parameter.
    """


class Wrapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model wrapper of a distributed training, such as FSDP, changes the parameter groups."""

    type: str
    """Class name of the model wrapper."""
    option: str
    """Path of the model wrapper's settings in the config. Empty for mmengine's default model wrapper."""
    gpus: int
    """Number of GPUs for which lrdecay wrapped the model."""
    groups: tuple[WrappedGroup, ...]
    """The parameter groups that the constructor builds for the wrapped model."""
    flat: tuple[str, ...]
    """Names of the parameters inside a flat parameter. A flat parameter has a single lr and weight decay."""
    refused: Literal["wrapper", "constructor"] | None
    """What fails when the training starts: the model wrapper, or the constructor for the wrapped model. Null if neither
    fails.
    """
    failure: str | None
    """The exception that stops the training; null if the training can start."""


class Launch(msgspec.Struct, frozen=True):
    """Launch options of a training, such as the number of GPUs, that may affect learning rates and weight decays."""

    gpus: int | None = None
    """Number of GPUs. None if the user did not give it."""
    batch_size: int | None = None
    """Batch size of one GPU. None to use the batch size of the config."""
    auto_scale_lr: bool = False
    """True to switch the config's ``auto_scale_lr`` on, like ``tools/train.py --auto-scale-lr``."""

    @property
    def world_size(self) -> int:
        """Number of GPUs. 1 if the user did not give it."""
        return self.gpus or 1

    @property
    def options(self) -> tuple[str, ...]:
        """Return command-line options with the values that the user gave: ``--gpus 8``."""
        numbers = (("--gpus", self.gpus), ("--batch-size", self.batch_size))
        switch = ("--auto-scale-lr",) if self.auto_scale_lr else ()
        return (*(f"{name} {value}" for name, value in numbers if value is not None), *switch)


PLAIN_LAUNCH = Launch()
"""The default launch options: 1 GPU, and the batch size and ``auto_scale_lr`` of the config."""


class OnOtherGpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An lr or weight decay of a group that depends on the number of GPUs."""

    number: Literal["lr", "weight_decay"]
    """The number that differs, as the constructor sets it, before ``auto_scale_lr`` scales the lr."""
    group: str
    """The first group in which the number differs."""
    here: float | None
    gpus: int
    there: float | None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The batch size and the number of GPUs for which the groups were computed.

    A map has this record in three cases: an lr or weight decay depends on the number of GPUs, ``auto_scale_lr`` is on,
    or the user gave a launch option such as ``--batch-size``.
    """

    gpus: int
    gpus_given: bool
    """True if the user gave the number of GPUs. Otherwise lrdecay assumes 1 GPU."""
    size: int | None
    """Batch size of one GPU. Null if neither the user nor the config gives it."""
    base_size: int | float | None = None
    """``auto_scale_lr.base_batch_size``, if ``auto_scale_lr`` is on."""
    lr_factor: float | None = None
    """The factor by which ``auto_scale_lr`` multiplies every lr: ``gpus * size / base_size``. Null if ``auto_scale_lr``
    is off.
    """
    differs: OnOtherGpus | None = None
    """The first lr or weight decay that the constructor computes differently for another number of GPUs.

    Null if the constructor computes the same values, or if lrdecay did not test other numbers of GPUs.
    """
