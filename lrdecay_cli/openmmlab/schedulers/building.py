"""Build the parameter schedulers of a config as mmengine's Runner does, on stub optimizers.

A stub optimizer has tiny parameters, but its groups have the options of the real groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import BaseLoop, Runner

from lrdecay_cli.analysis.verification import missing_lr
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.schedule import RunLength
from lrdecay_cli.openmmlab.config_values import find_registered, number, type_name
from lrdecay_cli.openmmlab.failures.translate import translate_errors
from lrdecay_cli.openmmlab.failures.unknown_types import check_registered
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import spare_compiler
from lrdecay_cli.openmmlab.schedulers.training_plan import SCHEDULING, PlannedConfig, SchedulerConfig, scheduler_configs
from lrdecay_cli.text.spelling import nearest

# These schedulers take a list with one value per group, so they need every group.
_PER_GROUP = ("eta_max", "min_value")
# Packages whose schedulers treat equal groups alike.
_KNOWN = {"mmengine", "mmdet", "mmpretrain"}
# Groups that differ only in this option have the same lr at all times, unless this option is scheduled.
_NO_MATTER = ("weight_decay",)


class _Groups(torch.optim.Optimizer):  # type: ignore[misc]
    """An optimizer that has parameter groups but takes no steps."""

    def step(self, closure: Any = None) -> None:
        """Do nothing."""


class StubOptimizer:
    """Stub for an optimizer of the config, in mmengine's own optimizer wrapper.

    Groups with equal options are stored as one group.

    Args:
        base: lr and weight decay of the optimizer itself.
        groups: the groups of the real optimizer.
        no_matter: options to ignore when groups are compared. None: store each group separately.
        stacked: store all groups as one group. An option with different values becomes an array, with one value for
            each set of groups with equal options. mmengine's schedulers compute exactly the same values with arrays as
            with floats, because they only add, subtract, multiply and divide.
    """

    def __init__(
        self,
        base: Mapping[str, float | None],
        groups: Sequence[ParameterGroup],
        no_matter: Sequence[str] | None,
        *,
        stacked: bool,
    ) -> None:
        alike: dict[str, list[ParameterGroup]] = {}
        for group in groups:
            options = {key: value for key, value in _values(group).items() if key not in (no_matter or ())}
            key = group.name if no_matter is None else repr(sorted(options.items()))
            alike.setdefault(key, []).append(group)
        self._members = [tuple(group.name for group in members) for members in alike.values()]
        kinds = [_values(members[0]) for members in alike.values()]
        self._stacked = stacked
        held = [{key: _stacked([kind.get(key) for kind in kinds]) for key in kinds[0]}] if stacked else kinds
        defaults = {**kinds[0], **{key: value for key, value in base.items() if value is not None}}
        # With several groups mmengine also stores base settings.
        further = [kinds[0]] if len(held) == 1 and len(groups) > 1 else []
        optimizer = _Groups(
            [{"params": [torch.nn.Parameter(torch.zeros(()))], **options} for options in [*held, *further]], defaults
        )
        self.wrapper = OptimWrapper(optimizer)
        del optimizer.param_groups[len(held) :]

    def scheduled_options(self) -> Iterator[tuple[list[tuple[str, ...]], dict[str, Any]]]:
        """Yield each dict of options that schedulers change, after the names of the groups with these options.

        The names are a list with one tuple for each set of groups with equal options: ``[("group_0", "group_1")]``.
        The last dict may be the base settings that mmengine stores in the optimizer wrapper. Base settings belong to no
        group, so the tuple is empty.
        """
        held = self.wrapper.optimizer.param_groups
        if self._stacked:
            yield self._members, held[0]
        else:
            yield from (([groups], options) for groups, options in zip(self._members, held, strict=True))
        if (base := getattr(self.wrapper, "base_param_settings", None)) is not None:
            yield [()], base


def _values(group: ParameterGroup) -> dict[str, Any]:
    return {"lr": group.lr, "weight_decay": group.weight_decay, **group.options}


def _stacked(values: Sequence[Any]) -> Any:
    """Return the value of an option in all groups: one value if all are equal, otherwise an array."""
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, (int, float)) for value in values):
        return numpy.array(values, dtype=float)
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        # A list of betas.
        return [_stacked(each) for each in zip(*values, strict=True)]
    # A name or another value that schedulers do not compute with.
    return first


def stub_optimizers(
    config: Config, group_map: GroupMap, no_matter: Sequence[str] | None, *, stacked: bool
) -> dict[str, StubOptimizer]:
    """Return a stub for each optimizer of the config, by name. A single optimizer has the empty name."""
    wrapper: Mapping[str, Any] = config.optim_wrapper
    named = {name: own for name, own in wrapper.items() if isinstance(own, Mapping) and "optimizer" in own}
    of = {name: [group for group in group_map.groups if group.optimizer == name] for name in named}
    if named and sum(map(len, of.values())) == len(group_map.groups) and all(of.values()):
        bases = {
            name: {key: number(own["optimizer"].get(key)) for key in ("lr", "weight_decay")}
            for name, own in named.items()
        }
    else:
        of = {"": list(group_map.groups)}
        bases = {"": {"lr": group_map.base_lr, "weight_decay": group_map.base_weight_decay}}
    return {name: StubOptimizer(bases[name], groups, no_matter, stacked=stacked) for name, groups in of.items()}


class BuiltScheduler(NamedTuple):
    """A scheduler that was built on a stub optimizer."""

    optimizer: str
    path: str
    """The scheduler's path in the config."""
    settings: Mapping[str, Any]
    scheduler: _ParamScheduler


def build_schedulers(
    planned: PlannedConfig, group_map: GroupMap, length: RunLength
) -> tuple[dict[str, StubOptimizer], list[BuiltScheduler]]:
    """Build the schedulers of a config on stub optimizers.

    Returns:
        The stubs by optimizer name, and the schedulers in the order of the config.

    Raises:
        LrdecayError: a scheduler cannot be built, or a scheduler counts iterations but the number of iterations per
            epoch is unknown.
    """
    where = planned.plan.where
    listed = scheduler_configs(planned.config, where)
    for given in listed:
        # ``build_scheduler_from_cfg`` raises different errors for each path.
        check_registered(PARAM_SCHEDULERS, given.settings, where, {"param_scheduler": planned.config.param_scheduler})
    check_lrs(listed, group_map, where)
    settings = [given.settings for given in listed]
    kinds = (find_registered(PARAM_SCHEDULERS, each["type"], each.get("_scope_")) for each in settings)
    packages = {str(getattr(kind, "__module__", "")).partition(".")[0] for kind in kinds}
    spare_compiler()
    # A scheduler of another project may use the index of a group.
    per_group = any(isinstance(each.get(key), (list, tuple)) for each in settings for key in _PER_GROUP)
    fold = packages <= _KNOWN and not per_group
    no_matter: Sequence[str] | None = _NO_MATTER if fold else None
    stacked = fold and packages <= {"mmengine"}
    optimizers = stub_optimizers(planned.config, group_map, no_matter, stacked=stacked)
    built = _build(planned, length, listed, optimizers)
    if fold and any(each.scheduler.param_name in _NO_MATTER for each in built):
        optimizers = stub_optimizers(planned.config, group_map, (), stacked=stacked)
        built = _build(planned, length, listed, optimizers)
    for each in built:
        if length.unit == "epoch" and not each.scheduler.by_epoch:
            called = f"{each.settings['type']} at {each.path}"
            problem = f"{called} counts iterations, but the number of iterations per epoch is unknown"
            raise LrdecayError(problem, where=where, fix="give --iters-per-epoch N")
    return optimizers, built


def built_alone(
    given: SchedulerConfig, planned: PlannedConfig, group_map: GroupMap, length: RunLength
) -> _ParamScheduler | None:
    """Return one of the config's schedulers, built on the stub of its optimizer.

    If the scheduler names no optimizer, its optimizer is the first one. The result is None if the scheduler names an
    optimizer that does not exist.

    Raises:
        LrdecayError: the type of the scheduler is not registered.
        Exception: mmengine's error if the scheduler does not build.
    """
    of_all = {"param_scheduler": planned.config.param_scheduler}
    check_registered(PARAM_SCHEDULERS, given.settings, planned.plan.where, of_all)
    optimizers = stub_optimizers(planned.config, group_map, None, stacked=False)
    optimizer = next((each for name, each in optimizers.items() if given.optimizer in (None, name)), None)
    if optimizer is None:
        return None
    training = _Training(planned, optimizers, length)
    (scheduler,) = training._build_param_scheduler(given.settings, optimizer.wrapper)
    optimizer.wrapper._global_step = 0
    return scheduler


def check_lrs(listed: Sequence[SchedulerConfig], group_map: GroupMap, where: str) -> None:
    """Raise LrdecayError if a scheduler changes the lr, but a group has no lr."""
    for path, optimizer, settings in listed:
        named = type_name(settings["type"])
        if not named.endswith("LR") and settings.get("param_name") != "lr":
            continue
        groups = [group for group in group_map.groups if optimizer in (None, group.optimizer)]
        if found := missing_lr(groups, f"{named.rpartition('.')[2]} at {path}"):
            problem, fix = found
            raise LrdecayError(problem, where=where, fix=fix, final=True)


def _build(
    planned: PlannedConfig, length: RunLength, listed: Sequence[SchedulerConfig], optimizers: dict[str, StubOptimizer]
) -> list[BuiltScheduler]:
    given_by_name = planned.config.get("param_scheduler")
    if isinstance(given_by_name, Mapping) and "type" not in given_by_name:
        where, names = planned.plan.where, ", ".join(map(repr, given_by_name))
        if len(optimizers) == 1:
            problem = f"param_scheduler has the keys {names} and no 'type', but there is only one optimizer"
            raise LrdecayError(problem, where=where, fix="set param_scheduler to a scheduler or a list of schedulers")
        if lacking := [name for name in optimizers if name not in given_by_name]:
            others = [str(name) for name in given_by_name if name not in optimizers]
            like = nearest(lacking[0], others, likeness=0.6)
            fix = f"rename {like} to {lacking[0]}" if like else f"add {lacking[0]}=[...]"
            raise LrdecayError(f"param_scheduler has no entry for the optimizer {lacking[0]!r}", where=where, fix=fix)
    with translate_errors(SCHEDULING, planned.plan.where, planned.config):
        built = _Training(planned, optimizers, length).built_schedulers()
    for optimizer in optimizers.values():
        # Avoids the warning that a scheduler steps before its optimizer.
        optimizer.wrapper._global_step = 0
    return placed(built, listed)


def placed(built: Mapping[str, Sequence[_ParamScheduler]], listed: Sequence[SchedulerConfig]) -> list[BuiltScheduler]:
    """Return the schedulers of all optimizers, each with its path in the config.

    ``listed`` contains the schedulers of the config with their paths.
    """
    found = []
    for name, schedulers in built.items():
        own = [given for given in listed if given.optimizer in (None, name)]
        for given, scheduler in zip(own, schedulers, strict=True):
            found.append(BuiltScheduler(name, given.path, given.settings, scheduler))
    return found


class _Loop(BaseLoop):  # type: ignore[misc]
    """A train loop that is never run. Its data loader has only a length."""

    def __init__(self, runner: Runner, max_epochs: int, max_iters: int, epoch_length: int) -> None:
        super().__init__(runner, range(epoch_length))
        self.max_epochs, self.max_iters = max_epochs, max_iters
        self.epoch = self.iter = 0

    def run(self) -> None:
        """Do nothing."""


class _Training(Runner):  # type: ignore[misc]
    """A stub of mmengine's Runner with only the attributes that are needed to build schedulers."""

    def __init__(self, planned: PlannedConfig, optimizers: Mapping[str, StubOptimizer], length: RunLength) -> None:
        wrappers = {name: optimizer.wrapper for name, optimizer in optimizers.items()}
        self.optim_wrapper = OptimWrapperDict(**wrappers) if len(wrappers) > 1 else next(iter(wrappers.values()))
        self.param_schedulers = planned.config.get("param_scheduler")
        self.logger = MMLogger.get_current_instance()
        # An iteration-based loop calls its whole run one epoch.
        self._train_loop = _Loop(self, length.epochs or 1, length.steps, length.iterations_per_epoch or 1)

    def built_schedulers(self) -> dict[str, list[_ParamScheduler]]:
        """Return the schedulers of each optimizer by name, in the order of the config."""
        self._check_scheduler_cfg(self.param_schedulers)
        if self.param_schedulers is None:
            return {}
        built = self.build_param_scheduler(self.param_schedulers)
        return built if isinstance(built, dict) else {"": built}
