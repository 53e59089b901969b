"""Compute how the batch size and the number of GPUs change the groups.

``auto_scale_lr`` scales the lr with the batch size. Some constructors use the number of GPUs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from lrdecay_cli.constructors.recomputation import with_provenance
from lrdecay_cli.decay.batch_scaling import OPTION, lr_factor, scaled_map
from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.provenance import Formula, Provenance
from lrdecay_cli.domain.training import Batch, Launch, OnOtherGpus
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_optimizer, training_scope
from lrdecay_cli.openmmlab.config_values import number
from lrdecay_cli.openmmlab.failures.translate import translate_errors
from lrdecay_cli.openmmlab.recorded_numbers import formula_of, named
from lrdecay_cli.openmmlab.world import world_of

GPUS = "gpus"
"""Symbol of the number of GPUs in formulas."""
_OTHER_GPUS = (1, 2, 8, 64)
"""If a constructor uses the number of GPUs, lrdecay also runs the constructor with these numbers of GPUs."""

Numbers = list[tuple[float | None, float | None]]
"""The lr and weight decay that the constructor sets for each group."""


def batch_of(config: Config, launch: Launch, where: str) -> Batch:
    """Return the batch size of a training, together with the factor by which ``auto_scale_lr`` multiplies the lr.

    Switches ``auto_scale_lr`` on in ``config`` if ``launch.auto_scale_lr`` is set.

    Raises:
        LrdecayError: ``auto_scale_lr`` is on, but its ``base_batch_size`` or the batch size is missing.
    """
    given, loader = config.get(OPTION), config.get("train_dataloader") or {}
    scaling: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    size = launch.batch_size or (loader.get("batch_size") if isinstance(loader, Mapping) else None)
    size = size if isinstance(size, int) and not isinstance(size, bool) else None
    batch = Batch(launch.world_size, launch.gpus is not None, size)
    if not (launch.auto_scale_lr or scaling.get("enable", False)):
        return batch
    leave = "remove --auto-scale-lr" if launch.auto_scale_lr else f"set {OPTION}.enable=False"
    base = scaling.get("base_batch_size")
    if base is None:
        problem, fix = "the config has no auto_scale_lr.base_batch_size", "add auto_scale_lr = "
        fix += f"dict(base_batch_size=N), where N is the batch size for which the lr was chosen, or {leave}"
        raise LrdecayError(problem, where=where, fix=fix, final=True)
    if not isinstance(base, (int, float)) or isinstance(base, bool) or not base > 0:
        problem = f"auto_scale_lr.base_batch_size is {base!r}, not a number of samples"
        raise LrdecayError(problem, where=where, fix=f"set base_batch_size to a number above 0, or {leave}", final=True)
    if number_or_none(base) is None:
        problem, fix = (
            "auto_scale_lr.base_batch_size is not finite",
            "set base_batch_size to the batch size for which the lr was chosen",
        )
        raise LrdecayError(problem, where=where, fix=f"{fix}, or {leave}", final=True)
    if size is None:
        problem = "the config has no train_dataloader.batch_size"
        raise LrdecayError(problem, where=where, fix="give --batch-size N", final=True)
    if number_or_none(batch.gpus * size) is None:
        raise LrdecayError(
            "train_dataloader.batch_size is not finite", where=where, fix="give --batch-size N", final=True
        )
    if launch.auto_scale_lr:
        scaling["enable"] = True  # type: ignore[index]
    return msgspec.structs.replace(batch, base_size=base, lr_factor=lr_factor(batch.gpus, size, base))


class _Scaling(Runner):  # type: ignore[misc]
    """A stub of mmengine's Runner with only the attributes that its method ``scale_lr`` reads."""

    def __init__(self, batch: Batch) -> None:
        self._world_size = batch.gpus
        self._train_dataloader = {"batch_size": batch.size}
        self.param_schedulers = None
        self.logger = MMLogger.get_current_instance()


class BuiltGroups:
    """The groups that a constructor makes, and their dependence on the number of GPUs.

    Args:
        config: the loaded config.
        model: built from the config.
        where: the config's name in error messages.
        batch: result of :func:`batch_of`.
        launch: number of GPUs and options of the training.
        reload: function that loads the config again; None if the config does not use the number of GPUs.

    Raises:
        LrdecayError: the constructor fails.
    """

    def __init__(
        self,
        config: Config,
        model: nn.Module,
        where: str,
        batch: Batch,
        launch: Launch,
        reload: Callable[[], Config] | None = None,
    ) -> None:
        self._config, self._model, self._where, self._reload = config, model, where, reload
        self.batch, self._launch = batch, launch
        with world_of(batch.gpus, given=batch.gpus_given) as requests:
            self.built = build_optimizer(config, model, where)
        self._asked = requests.asked or reload is not None

    def finished(self, group_map: GroupMap, *, scale: bool = True) -> GroupMap:
        """Return ``group_map`` with the lrs that ``auto_scale_lr`` computes. With ``scale=False``, lrs stay unchanged.

        If an lr or weight decay depends on the number of GPUs, the map also contains the formula of this value.
        """
        batch, numbers = self.batch, numbers_of(self.built)
        if self._asked:
            with training_scope(self._config):
                batch = msgspec.structs.replace(batch, differs=self._on_other_gpus(numbers, group_map.groups))
                if batch.differs is not None:
                    known = with_provenance(msgspec.structs.replace(group_map, batch=batch), None)
                    group_map = self._recorded(known, numbers)
        if batch.differs is None and batch.lr_factor is None and not self._launch.options:
            return group_map
        if batch.lr_factor is None or not scale:
            return scaled_map(group_map, msgspec.structs.replace(batch, lr_factor=None, base_size=None))
        with translate_errors(f"{OPTION} cannot scale the lr", self._where, self._config):
            scaling: Mapping[str, Any] = self._config[OPTION]
            _Scaling(batch).scale_lr(self.built.wrapper, scaling)
        return scaled_map(group_map, batch, [lr for lr, _ in numbers_of(self.built)])

    def _on_other_gpus(self, here: Numbers, groups: Sequence[ParameterGroup]) -> OnOtherGpus | None:
        for gpus in _OTHER_GPUS:
            if gpus == self.batch.gpus:
                continue
            there: Numbers = []
            # If the constructor fails for this number, its groups stay unknown.
            with suppress(LrdecayError), world_of(gpus):
                config = self._reload() if self._reload else self._config
                there = numbers_of(build_optimizer(config, self._model, self._where))
            if len(there) != len(here):
                continue
            for group, mine, theirs in zip(groups, here, there, strict=True):
                if mine[1] != theirs[1]:
                    return OnOtherGpus("weight_decay", group.name, mine[1], gpus, theirs[1])
                if mine[0] != theirs[0]:
                    return OnOtherGpus("lr", group.name, mine[0], gpus, theirs[0])
        return None

    def _recorded(self, group_map: GroupMap, real: Numbers) -> GroupMap:
        """Return ``group_map`` with the formulas of lr and weight decay.

        Runs the constructor again with numbers that record each computation (:mod:`.recorded_numbers`). ``real``
        contains the values of the first run.
        """
        config = copy.deepcopy(self._config)
        optimizer = config.optim_wrapper.get("optimizer") or {}
        for key, value in optimizer.items():
            if type(value) in (int, float):
                optimizer[key] = named(f"base_{key}" if key in ("lr", "weight_decay") else key, value)
        groups: list[dict[str, Any]] = []
        with suppress(LrdecayError), world_of(self.batch.gpus, convert=lambda gpus: named(GPUS, gpus)):
            groups = groups_of(build_optimizer(config, self._model, self._where))
        if len(groups) != len(real):
            return group_map
        found = []
        for group, options, (lr, weight_decay) in zip(group_map.groups, groups, real, strict=True):
            why = _provenance(options, lr, weight_decay)
            parameters = (
                msgspec.structs.replace(each, provenance=why if each.provenance is None else each.provenance)
                for each in group.parameters
            )
            found.append(msgspec.structs.replace(group, parameters=tuple(parameters)))
        return msgspec.structs.replace(group_map, groups=tuple(found))


def formulas_with_gpus(group: ParameterGroup) -> tuple[Formula, ...]:
    """Return the formulas of a group's lr and weight decay, but only formulas that contain the number of GPUs."""
    why = group.parameters[0].provenance if group.parameters else None
    return tuple(step for step in (why.lr, why.weight_decay) if GPUS in step.inputs) if why else ()


def groups_of(built: BuiltOptimizer) -> list[dict[str, Any]]:
    """Return the groups of all optimizers, in order."""
    return [group for optimizer in built.optimizers.values() for group in optimizer.param_groups]


def numbers_of(built: BuiltOptimizer) -> Numbers:
    """Return lr and weight decay of each group."""
    return [(number(group.get("lr")), number(group.get("weight_decay"))) for group in groups_of(built)]


def _provenance(options: Mapping[str, Any], lr: float | None, weight_decay: float | None) -> Provenance | None:
    """Return the formulas of a group's lr and weight decay; None if a formula does not give the real value."""
    steps = [_step(options.get(key), real, key) for key, real in (("lr", lr), ("weight_decay", weight_decay))]
    return Provenance(None, None, steps[0], steps[1]) if steps[0] and steps[1] else None


def _step(value: Any, real: float | None, key: str) -> Formula | None:
    known = formula_of(value)
    if known is not None:
        return known if known.result == real else None
    if number(value) != real:
        return None
    rule = f"default {key.replace('_', ' ')} of the optimizer or the constructor"
    return Formula(rule, repr(real), real, basis="default")
