"""The schedulers of a config, as mmengine's Runner would build them, and the length of the training.

A scheduler acts from its ``begin`` to the step before its ``end``. Its own steps (``milestones``, ``T_max``) count from
``begin``. Source: mmengine 0.10, ``Runner._build_param_scheduler`` and ``mmengine.optim.scheduler``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup

Unit = Literal["epochs", "iterations"]

WARMING = ("Linear", "Constant", "QuadraticWarmup")
"""Scheduler families that can be a warm-up: for example ``Linear``, the family of ``LinearLR``."""
ANNEALING = ("CosineAnnealing", "CosineRestart", "Poly")
"""Scheduler families with an ``eta_min``."""
BY_GAMMA = ("MultiStep", "Step", "Exponential")
"""Scheduler families that multiply the lr by ``gamma`` at each milestone or step."""
_SUFFIXES = {"lr": "LR", "momentum": "Momentum", "betas": "Betas", "weight_decay": "WeightDecay"}
"""Suffix of a scheduler's class name for each scheduled value. Only mmpretrain has the last two suffixes."""


class Scheduler(NamedTuple):
    """One scheduler of a config."""

    path: str
    """The scheduler's path in the config: ``param_scheduler[1]``."""
    parameter: str
    """The option of groups that the scheduler changes, such as ``lr`` or ``momentum`` (for Adam: the first beta)."""
    family: str
    """The class name without ``LR``, ``Momentum`` or ``ParamScheduler``: for example ``CosineAnnealing``."""
    settings: Mapping[str, Any]
    groups: tuple[ParameterGroup, ...]
    """The groups that the scheduler changes."""
    unit: Unit
    """Unit of ``begin``, ``end``, ``milestones`` and ``T_max``."""
    converted: bool
    """True if the scheduler counts epochs, but mmengine steps it after each iteration."""
    begin: float
    end: float | None
    """The configured ``end``, or else the end of the training; None if unknown in the scheduler's unit."""
    length: float | None
    """Length of the training in the scheduler's unit; None if unknown."""
    of_mmengine: bool
    """True if the class belongs to mmengine. False if another package has a class of the same name."""

    @property
    def name(self) -> str:
        """The class name of the scheduler, for messages."""
        return str(self.settings.get("type", self.family)).rpartition(".")[2]

    @property
    def quantity(self) -> str:
        """The name of the scheduled value for messages, such as ``weight decay``."""
        return self.parameter.replace("_", " ")

    @property
    def last(self) -> float | None:
        """The step at which the scheduler stops: its ``end`` or the end of the training, whichever is earlier.

        None if both are unknown.
        """
        known = [value for value in (self.end, self.length) if value is not None]
        return min(known) if known else None

    @property
    def acts(self) -> bool:
        """False if the scheduler never changes a value, because it begins after its own end or after the training."""
        return self.last is None or self.begin < self.last

    @property
    def is_warm_up(self) -> bool:
        """True if the scheduler starts at a fraction of the configured lr and raises the lr."""
        if self.family == "Constant":
            return self.begin == 0
        start, end = self.value("start_factor", 1 / 3), self.value("end_factor", 1.0)
        return self.family == "QuadraticWarmup" or (self.family == "Linear" and start < end)

    @property
    def milestones(self) -> list[float]:
        """The configured milestones. Milestones that are not numbers are omitted."""
        given = self.settings.get("milestones")
        return [step for step in given if number_or_none(step) is not None] if isinstance(given, (list, tuple)) else []

    def times_stepped(self) -> int | None:
        """Return how often ``gamma`` is applied until the training ends; None if unknown.

        The last application is in the step before the end. Source: ``_get_value`` of mmengine's ``MultiStep``, ``Step``
        and ``ExponentialParamScheduler``.
        """
        if self.family == "MultiStep" and isinstance(self.settings.get("milestones"), (list, tuple)):
            return sum(self.last is None or self.begin + step < self.last for step in self.milestones)
        if self.last is None or self.converted:
            return None
        every = self.value("step_size", 0) if self.family == "Step" else 1 if self.family == "Exponential" else 0
        return int(max(self.last - self.begin - 1, 0) // every) if every > 0 else None

    def value(self, name: str, otherwise: float) -> float:
        """Return the setting ``name`` of the scheduler if it is a number, else ``otherwise``."""
        found = number_or_none(self.settings.get(name))
        return otherwise if found is None else found

    def lowest(self) -> float | None:
        """Return the ``eta_min`` to which the scheduler anneals.

        None if the scheduler's class has no ``eta_min``, or if its final lr is relative to the initial lr
        (``eta_min_ratio``).
        """
        if not self.is_annealing or self.settings.get("eta_min_ratio") is not None:
            return None
        return self.value("eta_min", 0.0)

    @property
    def is_annealing(self) -> bool:
        """True if the scheduler anneals to an ``eta_min``."""
        return self.family in ANNEALING

    def goal(self, lr: float) -> float:
        """Return the lr to which the scheduler anneals a group with initial lr ``lr``."""
        ratio = number_or_none(self.settings.get("eta_min_ratio"))
        return self.value("eta_min", 0.0) if ratio is None else ratio * lr


def scheduler_types(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """Yield the path and the configured class name of every scheduler."""
    yield from ((path, str(settings.get("type", ""))) for path, settings, _ in _listed(group_map))


def training_unit(train_cfg: Mapping[str, Any]) -> Unit | None:
    """Return whether the training loop counts epochs or iterations; None if unknown."""
    loop = str(train_cfg.get("type", ""))
    if "EpochBased" in loop or train_cfg.get("by_epoch") is True:
        return "epochs"
    if "IterBased" in loop or train_cfg.get("by_epoch") is False:
        return "iterations"
    epochs, iterations = number_or_none(train_cfg.get("max_epochs")), number_or_none(train_cfg.get("max_iters"))
    if (epochs is None) == (iterations is None):
        return None
    return "epochs" if iterations is None else "iterations"


def training_length(train_cfg: Mapping[str, Any], unit: Unit) -> float | None:
    """Return the length of the training in ``unit``; None if the config does not set the length in this unit."""
    if training_unit(train_cfg) != unit:
        return None
    return number_or_none(train_cfg.get("max_epochs" if unit == "epochs" else "max_iters"))


def schedulers_of(group_map: GroupMap, parameter: str = "lr") -> Iterator[Scheduler]:
    """Yield the schedulers that change ``parameter``, such as the lr or the momentum, in the config's order."""
    return (scheduler for scheduler in all_schedulers_of(group_map) if scheduler.parameter == parameter)


def all_schedulers_of(group_map: GroupMap) -> Iterator[Scheduler]:
    """Yield all schedulers of the lr, the momentum or another option of groups, in the config's order.

    The end of a class name shows what the scheduler changes: for example ``LR``, ``Momentum`` or ``ParamScheduler``.
    Schedulers without such an ending are omitted.
    """
    for path, settings, groups in _listed(group_map):
        kind = str(settings.get("type", "")).rpartition(".")[2]
        own = next(((name, end) for name, end in _SUFFIXES.items() if kind.endswith(end)), None)
        if own:
            parameter, family = own[0], kind.removesuffix(own[1])
        elif kind.endswith("ParamScheduler"):
            parameter, family = str(settings.get("param_name", "")), kind.removesuffix("ParamScheduler")
        else:
            continue
        by_epoch = settings.get("by_epoch", True) is not False
        unit: Unit = "epochs" if by_epoch else "iterations"
        length = training_length(group_map.training.train_cfg, unit)
        end = number_or_none(settings.get("end"))
        yield Scheduler(
            path=path,
            parameter=parameter,
            family=family,
            settings=settings,
            groups=groups,
            unit=unit,
            converted=by_epoch and settings.get("convert_to_iter_based") is True,
            begin=number_or_none(settings.get("begin")) or 0,
            end=length if end is None else end,
            length=length,
            of_mmengine=str(settings.get("type", "")) not in group_map.training.scheduler_modules,
        )


def _listed(group_map: GroupMap) -> Iterator[tuple[str, Mapping[str, Any], tuple[ParameterGroup, ...]]]:
    for index, settings in enumerate(group_map.training.param_scheduler):
        if not isinstance(settings, Mapping):
            continue
        path = f"param_scheduler[{index}]"
        if "type" in settings:
            yield path, settings, group_map.groups
            continue
        # Several optimizers, each with its own schedulers.
        for name, given in settings.items():
            groups = tuple(group for group in group_map.groups if group.optimizer == name)
            for position, entry in enumerate(given if isinstance(given, (list, tuple)) else [given]):
                if isinstance(entry, Mapping):
                    yield f"param_scheduler.{name}[{position}]", entry, groups


def trainable_groups(groups: tuple[ParameterGroup, ...]) -> list[tuple[ParameterGroup, float]]:
    """Return the groups with trainable parameters, each with the lr from which schedulers start.

    In a map of a running optimizer, this lr may differ from the current lr; mmengine stores it as ``initial_lr``.
    """
    found = []
    for group in groups:
        lr = number_or_none(group.options.get("initial_lr", group.lr))
        if lr is not None and any(parameter.requires_grad for parameter in group.parameters):
            found.append((group, lr))
    return found


def trainable_names(groups: list[ParameterGroup]) -> list[str]:
    """Return the names of all trainable parameters in these groups."""
    return [parameter.name for group in groups for parameter in group.parameters if parameter.requires_grad]
