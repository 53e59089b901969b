"""A rule about scheduler settings that mmengine refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.fix import keys_of_path
from lrdecay_cli.rules.api import (
    Edit,
    Example,
    Fault,
    Fix,
    RuleContext,
    Scheduler,
    delete_option,
    nearest,
    rule,
    scheduler_types,
    set_option,
    spelling_fix,
)
from lrdecay_cli.rules.schedules.known_settings import CLASSES, COMMON, REQUIRED, SETTINGS
from lrdecay_cli.rules.schedules.setting_values import invalid_values, not_numbers
from lrdecay_cli.rules.schedules.warm_ups import refuses_factor

_MMCV = {"min_lr": "eta_min", "min_lr_ratio": "eta_min_ratio", "step": "milestones", "max_lr": "eta_max"}
"""Names of settings in MMCV 1 and torch, with their names in mmengine."""


@rule(
    "LRD604",
    "scheduler-refused",
    severity="error",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=12, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=2, end=12)]"),
)
def scheduler_refused(context: RuleContext) -> Iterator[Fault]:
    """A scheduler has settings that mmengine refuses when the run starts.

    The run builds the model and reads the data, then raises before its first step.

    mmengine refuses a scheduler with an unknown setting or without a required setting. MMCV 1's ``min_lr`` is
    ``eta_min`` in mmengine, and ``step`` is ``milestones``.

    ``end`` must be above ``begin``, and defaults to the end of training. ``convert_to_iter_based`` needs
    ``by_epoch=True``. ``eta_min`` and ``eta_min_ratio`` exclude each other. ``ReduceOnPlateauLR`` needs a validation
    metric; it cannot monitor a training loss.

    lrdecay builds and steps the schedulers with mmengine when it builds the groups. If mmengine raises an error that
    LRD604 does not explain, the finding quotes mmengine's message.
    """
    misspelt = set()
    for place, given in scheduler_types(context.group_map):
        kind = given.rpartition(".")[2]
        like = nearest(kind, CLASSES, likeness=0.9)
        # Any other name may be a class of the project, such as MyMultiStepLR.
        registered = given in context.group_map.training.scheduler_modules
        if like and not kind.endswith(like) and not registered:
            misspelt.add(place)
            option = f"{place}.type"
            edits = [set_option(option, f"{given[: -len(kind)]}{like}")]
            yield Fault(f"unknown scheduler {kind}", f"did you mean {like}?", option=option, edits=edits)
    reported = set(misspelt)
    for scheduler in context.all_schedulers:
        faults = [] if scheduler.path in misspelt else list(_faults(context, scheduler))
        yield from faults
        if faults or refuses_factor(scheduler):
            reported.add(scheduler.path)
    yield from _recorded(context, reported)


def _faults(context: RuleContext, scheduler: Scheduler) -> Iterator[Fault]:
    """Yield faults of a scheduler's settings. If the class is not mmengine's own, only a few settings are checked."""
    if scheduler.of_mmengine:
        yield from _unknown(context, scheduler)
    settings, name = scheduler.settings, scheduler.name
    if scheduler.end is not None and scheduler.end <= scheduler.begin:
        own = "end" in settings
        yield Fault(
            f"{name} has begin={scheduler.begin:g} and end={scheduler.end:g}, but end must be above begin"
            if own
            else f"{name} has begin={scheduler.begin:g}, but training ends after {scheduler.end:g} {scheduler.unit}",
            f"set {scheduler.path}.end above {scheduler.begin:g}"
            if own
            else f"set {scheduler.path}.begin below {scheduler.end:g}",
            option=f"{scheduler.path}.{'end' if own else 'begin'}",
        )
    if settings.get("convert_to_iter_based") is True and scheduler.unit == "iterations":
        yield Fault(
            f"{name} has convert_to_iter_based=True, but with by_epoch=False it already counts iterations",
            f"set {scheduler.path}.by_epoch=True, with begin and end in epochs",
            option=f"{scheduler.path}.convert_to_iter_based",
        )
    lowest, ratio = settings.get("eta_min"), settings.get("eta_min_ratio")
    if scheduler.family.startswith("Cosine") and lowest is not None and ratio is not None:
        yield Fault(
            f"{name} has both eta_min={lowest!r} and eta_min_ratio={ratio!r}",
            "remove eta_min and keep eta_min_ratio",
            option=f"{scheduler.path}.eta_min_ratio",
            edits=[delete_option(f"{scheduler.path}.eta_min")],
        )
    if not scheduler.of_mmengine:
        return
    for setting, problem, advice in (*not_numbers(scheduler), *invalid_values(scheduler)):
        option = f"{scheduler.path}.{setting}"
        yield Fault(f"{name} {problem}", str(advice), option=option, edits=[advice] if isinstance(advice, Edit) else ())
    if scheduler.family == "ReduceOnPlateau":
        yield from _monitor(context, scheduler)
    if settings.get("type", "").endswith("ParamScheduler"):
        yield from _parameter(scheduler)
    elif scheduler.parameter == "momentum" and not any(
        group.options.get(option) is not None for group in scheduler.groups for option in ("momentum", "betas")
    ):
        yield Fault(
            f"{name} schedules the momentum, but {context.group_map.optimizer.type} has no momentum",
            f"remove {scheduler.path}",
            option=scheduler.path,
            edits=[delete_option(scheduler.path)],
        )


_OF_TRAINING = re.compile(r"(?i)(?:train/?)?(?:loss|.*[_/]loss|loss[_/.].*|grad_norm|lr)")
_OF_VALIDATION = re.compile(r"(?i)val|test")


def _monitor(context: RuleContext, scheduler: Scheduler) -> Iterator[Fault]:
    """Yield a fault if ``ReduceOnPlateauLR`` monitors a value that only the training logs.

    Source: mmengine 0.10.7. ``ReduceOnPlateauParamScheduler.step`` raises KeyError if the validation metrics do not
    contain the monitored value. ``ValLoop.run`` adds losses to the metrics if the model returns a ``loss`` in
    validation, and calls their sum ``val_loss``.
    """
    monitor = scheduler.settings.get("monitor", "loss")
    loops = context.group_map.training.loops or {}
    if not isinstance(monitor, str) or not _OF_TRAINING.fullmatch(monitor) or _OF_VALIDATION.search(monitor):
        return
    default = "" if "monitor" in scheduler.settings else " (the default)"
    if "val_cfg" in loops and loops["val_cfg"].type.rpartition(".")[2] != "ValLoop":
        return  # A loop of another kind may have other metrics.
    yield Fault(
        f"{scheduler.name} has monitor={monitor!r}{default}, a training value that validations do not measure: the"
        " scheduler raises an error after the first validation",
        f"set {scheduler.path}.monitor to a metric of val_evaluator, such as 'coco/bbox_mAP', and rule='greater' if"
        " more is better",
        option=f"{scheduler.path}.monitor" if "monitor" in scheduler.settings else scheduler.path,
    )


def _parameter(scheduler: Scheduler) -> Iterator[Fault]:
    name = scheduler.settings.get("param_name")
    if name is None:
        option = f"{scheduler.path}.param_name"
        yield Fault(
            f"{scheduler.name} needs param_name", f"set {option}='lr', or to another group option", option=option
        )
        return
    known = {"lr", "weight_decay", *(option for group in scheduler.groups for option in group.options)}
    if isinstance(name, str) and scheduler.groups and name not in known:
        like = "betas" in known and name == "momentum"
        kind = f"{scheduler.family}Momentum"
        option, close = f"{scheduler.path}.param_name", nearest(name, known)
        edits = [set_option(option, close)] if close else [delete_option(scheduler.path)]
        if like and kind in CLASSES:
            edits = [set_option(f"{scheduler.path}.type", kind), delete_option(option)]
        fix = " and ".join(map(str, edits))
        message = f"{scheduler.name} schedules {name!r}, but no group has this option"
        yield Fault(message, fix, option=option, edits=edits)


def _recorded(context: RuleContext, reported: set[str]) -> Iterator[Fault]:
    """Yield a fault for each error that mmengine raised, unless another fault already explains the error."""
    for refused in context.group_map.training.refused_schedulers or ():
        if any(refused.option == path or refused.option.startswith(f"{path}.") for path in reported):
            continue
        if refused.fix:
            yield Fault(refused.problem, refused.fix, option=refused.option)
            continue
        scheduler = next((each for each in context.all_schedulers if each.path == refused.option), None)
        if scheduler and "_delete_" in scheduler.settings:
            continue  # LRD513 reports it.
        name = scheduler.name if scheduler else refused.option
        yield Fault(
            f"mmengine refuses {name}: {refused.problem}",
            f"check the settings of {refused.option}: {', '.join(scheduler.settings) if scheduler else 'its type'}",
            option=refused.option,
        )


def _unknown(context: RuleContext, scheduler: Scheduler) -> Iterator[Fault]:
    known = SETTINGS.get(scheduler.family)
    if known is None:
        return
    lacking = [name for name in REQUIRED.get(scheduler.family, ()) if name not in scheduler.settings]
    for setting, value in scheduler.settings.items():
        if setting in (*known, *COMMON, "_delete_"):
            continue
        right = _MMCV.get(setting, setting)
        like = lacking[0] if right in lacking else nearest(right, known)
        option = f"{scheduler.path}.{setting}"
        fix = f"remove {setting}; allowed settings: {', '.join(known) or 'none'}"
        edits: Sequence[Edit | Fix] = [delete_option(option)]
        if like:
            question = f"did you mean {like}={value!r}?"
            fix, edits = spelling_fix(context, keys_of_path(option), like, scheduler.settings, question=question)
        yield Fault(f"{scheduler.name} has no setting {setting}", fix, option=option, edits=edits)
        lacking = [name for name in lacking if name != like]
    for setting in lacking:
        option = f"{scheduler.path}.{setting}"
        yield Fault(f"{scheduler.name} needs {setting}", f"set {option}", option=option)
