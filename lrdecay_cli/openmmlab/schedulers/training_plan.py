"""Read the training plan of a config: length, schedulers, and the settings that determine the length of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.schedule import TrainingPlan
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Launch
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.building import check_trainable, training_scope
from lrdecay_cli.openmmlab.config_facts import loop_class
from lrdecay_cli.openmmlab.config_file import load_config, parse_overrides
from lrdecay_cli.openmmlab.config_values import plain, type_name
from lrdecay_cli.openmmlab.failures.translate import translate_errors
from lrdecay_cli.openmmlab.failures.unknown_types import unknown_type
from lrdecay_cli.openmmlab.stubs.import_needs import import_needs
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
from lrdecay_cli.openmmlab.world import world_of

SCHEDULING = "mmengine cannot build param_scheduler"


@dataclass(frozen=True)
class PlannedConfig:
    """A loaded config and its training plan."""

    config: Config
    plan: TrainingPlan
    overrides: Mapping[str, Any]
    """Values of ``--cfg-options``."""
    reload: Callable[[], Config] | None = None
    """Function that loads the config again; None if the config does not depend on the number of GPUs."""


def load_plan(
    config: str, *, cfg_options: tuple[str, ...] = (), verbose: bool = False, launch: Launch = PLAIN_LAUNCH
) -> PlannedConfig:
    """Load a config and read its training plan. Does not build the model.

    A batch size in ``launch`` replaces the config's batch size.

    Raises:
        LrdecayError: the config does not load, is not a training config, or does not set the length of the training.
    """
    with quiet_stack(verbose), import_needs():
        install_stubs()
        overrides = parse_overrides(cfg_options)
        with world_of(launch.world_size, given=launch.gpus is not None) as requests:
            loaded = load_config(config, overrides)
        check_trainable(loaded, config)
        reload = partial(load_config, config, overrides) if requests.asked else None
        with training_scope(loaded), translate_errors("config cannot be read", config, loaded):
            plan = plan_of(loaded, config)
            if launch.batch_size is not None:
                plan = msgspec.structs.replace(plan, batch_size=launch.batch_size)
            return PlannedConfig(loaded, plan, plain(overrides), reload)


class SchedulerConfig(NamedTuple):
    """The settings of one scheduler in ``param_scheduler``."""

    path: str
    """The scheduler's path in the config."""
    optimizer: str | None
    """Name of the scheduler's optimizer; None if the scheduler applies to all optimizers."""
    settings: Mapping[str, Any]


def scheduler_configs(config: Config, where: str) -> list[SchedulerConfig]:
    """Return the settings of every scheduler in ``param_scheduler``.

    ``param_scheduler`` may be a dict, a list, or a dict with a list for each optimizer. Source:
    ``mmengine.runner.Runner.build_param_scheduler``.

    Raises:
        LrdecayError: ``param_scheduler`` has another form.
    """
    given = config.get("param_scheduler")
    if given is None:
        return []
    if isinstance(given, Mapping) and "type" not in given:
        by_optimizer = [(f"param_scheduler.{name}", name, own) for name, own in given.items()]
    else:
        by_optimizer = [("param_scheduler", None, given)]
    found = []
    for path, optimizer, own in by_optimizer:
        is_list = isinstance(own, Sequence) and not isinstance(own, str)
        for index, settings in enumerate(own if is_list else [own]):
            place = f"{path}[{index}]" if is_list else path
            if not isinstance(settings, Mapping):
                raise LrdecayError(f"{place} is a {type_name(type(settings))}, not a dict", where=where)
            if "type" not in settings:
                fix = "set type to a scheduler, for example CosineAnnealingLR"
                raise LrdecayError(f"{place} has no 'type'", where=where, fix=fix)
            found.append(SchedulerConfig(place, optimizer, settings))
    return found


def validates(config: Mapping[str, Any]) -> bool:
    """True if mmengine's Runner runs validation during the training."""
    return config.get("val_cfg") is not None and config.get("val_dataloader") is not None


def plan_of(config: Config, where: str) -> TrainingPlan:
    """Return the training plan of a loaded config.

    Raises:
        LrdecayError: the config does not set the length of the training.
    """
    by_epoch, loop, length = _loop(config, where)
    loader: Mapping[str, Any] = config.get("train_dataloader") or {}
    batch_sampler: Mapping[str, Any] = loader.get("batch_sampler") or {}
    dataset, repeats = _dataset(loader.get("dataset") or {})
    scaling: Mapping[str, Any] = config.get("auto_scale_lr") or {}
    sampler = (loader.get("sampler") or {}).get("type", "")
    annotations = dataset.get("ann_file")
    return TrainingPlan(
        where=where,
        by_epoch=by_epoch,
        loop=loop,
        length=length,
        schedulers=tuple((path, plain(settings)) for path, _, settings in scheduler_configs(config, where)),
        dataset=type_name(dataset["type"]) if "type" in dataset else None,
        annotations=annotations if isinstance(annotations, str) else None,
        repeats=repeats,
        batch_size=_whole(loader.get("batch_size")),
        batches_per_epoch=_whole(loader.get("num_batch_per_epoch")),
        drop_last=bool(batch_sampler.get("drop_last", False) if batch_sampler else loader.get("drop_last", False)),
        infinite=type_name(sampler).rpartition(".")[2] == "InfiniteSampler",
        base_batch_size=_whole(scaling.get("base_batch_size")),
        auto_scale_lr=bool(scaling.get("enable", False)),
        digits=_whole((config.get("log_processor") or {}).get("num_digits")) or 4,
    )


def _loop(config: Config, where: str) -> tuple[bool, str, int]:
    """Return three values: True if the train loop counts epochs, the name of its class, and its length.

    Source: mmengine, ``Runner.build_train_loop``.
    """
    given = config.get("train_cfg")
    if not isinstance(given, Mapping) or not given:
        raise LrdecayError("config has no 'train_cfg', which sets the length of training", where=where)
    if "type" in given and "by_epoch" in given:
        raise LrdecayError("train_cfg has both 'type' and 'by_epoch'", where=where, fix="remove type or by_epoch")
    if "type" in given:
        kind = loop_class(given)
        if kind is None:
            scope = config.get("default_scope", "mmengine")
            raise unknown_type(given["type"], scope, "loop", where=where, config=config)
        in_iterations = issubclass(kind, IterBasedTrainLoop) or "max_iters" in given
        by_epoch = issubclass(kind, EpochBasedTrainLoop) or not in_iterations
    elif "by_epoch" in given:
        by_epoch = bool(given["by_epoch"])
        kind = EpochBasedTrainLoop if by_epoch else IterBasedTrainLoop
    else:
        fix = "set type or by_epoch, for example by_epoch=True"
        raise LrdecayError("train_cfg has neither 'type' nor 'by_epoch'", where=where, fix=fix)
    key = "max_epochs" if by_epoch else "max_iters"
    if key not in given:
        raise LrdecayError(f"train_cfg has no {key!r}, which {kind.__name__} needs", where=where)
    length = _whole(given[key])
    if length is None or length < 1:
        raise LrdecayError(
            f"train_cfg.{key} is {given[key]!r}, not a number of {key.removeprefix('max_')}", where=where
        )
    return by_epoch, kind.__name__, length


def _dataset(given: Any) -> tuple[Mapping[str, Any], int]:
    """Return two values: the innermost dataset config, and how many times ``RepeatDataset`` repeats the dataset."""
    repeats = 1
    while isinstance(given, Mapping) and isinstance(given.get("dataset"), Mapping):
        if type_name(given.get("type", "")).rpartition(".")[2] == "RepeatDataset":
            repeats *= _whole(given.get("times")) or 1
        given = given["dataset"]
    return (given if isinstance(given, Mapping) else {}), repeats


def _whole(value: Any) -> int | None:
    """Return ``value`` as an int if it is a whole number; otherwise None. mmengine accepts ``3.0`` as 3."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if is_number and value == int(value) else None
