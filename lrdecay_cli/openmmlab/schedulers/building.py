"""Building a config's parameter schedulers as mmengine's Runner does it, on stub optimizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import BaseLoop, Runner

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import RunLength
from lrdecay_cli.openmmlab.config_values import find_registered
from lrdecay_cli.openmmlab.failures.translate import explained
from lrdecay_cli.openmmlab.failures.unknown_types import check_registered
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import spare_compiler
from lrdecay_cli.openmmlab.schedulers.stub_optimizers import StubOptimizer, stub_optimizers
from lrdecay_cli.openmmlab.schedulers.training_plan import SCHEDULING, PlannedConfig, SchedulerConfig, scheduler_configs

# A list of one value for each group: these schedulers need every group.
_PER_GROUP = ("eta_max", "min_value")
# Packages whose schedulers treat equal groups alike.
_KNOWN = {"mmengine", "mmdet", "mmpretrain"}
# Groups that differ in this alone have the same lr throughout, unless this is what is scheduled.
_NO_MATTER = ("weight_decay",)


class BuiltScheduler(NamedTuple):
    """A scheduler on a stub optimizer."""

    optimizer: str
    """Name of the optimizer."""
    path: str
    """In the config."""
    settings: Mapping[str, Any]
    scheduler: _ParamScheduler


def build_schedulers(
    planned: PlannedConfig, group_map: GroupMap, length: RunLength
) -> tuple[dict[str, StubOptimizer], list[BuiltScheduler]]:
    """The stubs for the config's optimizers, by name, and the schedulers on them, in the order of the config.

    Raises LrdecayError if one does not build, or counts iterations where the run counts epochs.
    """
    where = planned.plan.where
    listed = scheduler_configs(planned.config, where)
    for given in listed:
        # ``build_scheduler_from_cfg`` has an error of its own for each road.
        check_registered(PARAM_SCHEDULERS, given.settings, where, {"param_scheduler": planned.config.param_scheduler})
    packages = _packages(listed)
    spare_compiler()
    # What a scheduler of somebody else's makes of a group is not known: it may go by its number.
    fold = packages <= _KNOWN and not any(
        isinstance(given.settings.get(key), (list, tuple)) for given in listed for key in _PER_GROUP
    )
    no_matter: Sequence[str] | None = _NO_MATTER if fold else None
    stacked = fold and packages <= {"mmengine"}
    optimizers, built = _build(planned, group_map, length, listed, no_matter, stacked=stacked)
    if fold and any(each.scheduler.param_name in _NO_MATTER for each in built):
        optimizers, built = _build(planned, group_map, length, listed, (), stacked=stacked)
    for each in built:
        if length.unit == "epoch" and not each.scheduler.by_epoch:
            raise LrdecayError(
                f"{each.settings['type']} at {each.path} counts iterations, and the run is counted in epochs",
                where=where,
                remedy="give --iters-per-epoch N",
            )
    return optimizers, built


def _build(
    planned: PlannedConfig,
    group_map: GroupMap,
    length: RunLength,
    listed: Sequence[SchedulerConfig],
    no_matter: Sequence[str] | None,
    *,
    stacked: bool,
) -> tuple[dict[str, StubOptimizer], list[BuiltScheduler]]:
    """The stubs and the schedulers on them; ``no_matter`` and ``stacked`` as for :class:`StubOptimizer`."""
    optimizers = stub_optimizers(planned.config, group_map, no_matter, stacked=stacked)
    _check_names(planned.config.get("param_scheduler"), optimizers, planned.plan.where)
    with explained(SCHEDULING, planned.plan.where, planned.config):
        built = _Training(planned, optimizers, length).built_schedulers()
    for optimizer in optimizers.values():
        # Else the first step of a scheduler warns that none of the optimizer came before.
        optimizer.wrapper._global_step = 0
    return optimizers, [
        BuiltScheduler(name, given.path, given.settings, scheduler)
        for name, schedulers in built.items()
        for given, scheduler in zip(
            [given for given in listed if given.optimizer in (None, name)], schedulers, strict=True
        )
    ]


def _check_names(given: Any, optimizers: Mapping[str, StubOptimizer], where: str) -> None:
    """Raise LrdecayError if schedulers are given by optimizer, and these are not its names."""
    if not isinstance(given, Mapping) or "type" in given:
        return
    if len(optimizers) == 1:
        names = ", ".join(map(repr, given))
        raise LrdecayError(
            f"param_scheduler has {names} and no 'type', and there is only one optimizer",
            where=where,
            remedy="give a scheduler or a list of them",
        )
    for name in optimizers:
        if name not in given:
            raise LrdecayError(f"param_scheduler has nothing for the optimizer {name!r}", where=where)


class _Loop(BaseLoop):  # type: ignore[misc]
    """A train loop that is not run, over a dataloader of which only the length is known."""

    def __init__(self, runner: Runner, max_epochs: int, max_iters: int, epoch_length: int) -> None:
        super().__init__(runner, range(epoch_length))
        self.max_epochs, self.max_iters = max_epochs, max_iters
        self.epoch = self.iter = 0

    def run(self) -> None:
        """Do nothing."""


class _Training(Runner):  # type: ignore[misc]
    """As much of mmengine's Runner as builds schedulers: the loop's length and the optimizers."""

    def __init__(self, planned: PlannedConfig, optimizers: Mapping[str, StubOptimizer], length: RunLength) -> None:
        wrappers = {name: optimizer.wrapper for name, optimizer in optimizers.items()}
        self.optim_wrapper = OptimWrapperDict(**wrappers) if len(wrappers) > 1 else next(iter(wrappers.values()))
        self.param_schedulers = planned.config.get("param_scheduler")
        self.logger = MMLogger.get_current_instance()
        # An iteration-based loop calls its whole run one epoch.
        self._train_loop = _Loop(self, length.epochs or 1, length.steps, length.iterations_per_epoch or 1)

    def built_schedulers(self) -> dict[str, list[_ParamScheduler]]:
        """The schedulers of each optimizer, by its name, in the order of the config."""
        self._check_scheduler_cfg(self.param_schedulers)
        if self.param_schedulers is None:
            return {}
        built = self.build_param_scheduler(self.param_schedulers)
        return built if isinstance(built, dict) else {"": built}


def _packages(listed: Sequence[SchedulerConfig]) -> set[str]:
    """The packages that define the schedulers."""
    settings = [given.settings for given in listed]
    kinds = (find_registered(PARAM_SCHEDULERS, given["type"], given.get("_scope_")) for given in settings)
    return {str(getattr(kind, "__module__", "")).partition(".")[0] for kind in kinds}
