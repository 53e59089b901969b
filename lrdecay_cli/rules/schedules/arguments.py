"""A rule about scheduler settings that mmengine refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from lrdecay_cli.rules.api import (
    Edit,
    Example,
    Fault,
    RuleContext,
    Scheduler,
    count,
    delete_option,
    nearest,
    number_or_none,
    plain_number,
    rename_option,
    rule,
    scheduler_types,
    set_option,
)
from lrdecay_cli.rules.schedules.warm_ups import refuses_factor

COMMON = ("type", "_scope_", "param_name", "convert_to_iter_based", "begin", "end", "last_step", "by_epoch", "verbose")
"""Settings that every mmengine scheduler accepts, or that mmengine's registry reads."""

_NAMES = {
    "Constant": "factor",
    "CosineAnnealing": "T_max eta_min eta_min_ratio",
    "CosineRestart": "periods restart_weights eta_min eta_min_ratio",
    "Exponential": "gamma",
    "Linear": "start_factor end_factor",
    "MultiStep": "milestones gamma",
    "OneCycle": "eta_max total_steps pct_start anneal_strategy div_factor final_div_factor three_phase",
    "Poly": "eta_min power",
    "ReduceOnPlateau": "monitor rule factor patience threshold threshold_rule cooldown min_value eps",
    "Step": "step_size gamma",
}
SETTINGS = {family: tuple(names.split()) for family, names in _NAMES.items()}
"""Settings of each scheduler family, besides ``COMMON``. Source: mmengine 0.10, ``mmengine.optim.scheduler``."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "CosineRestart": ("periods",),
    "Exponential": ("gamma",),
    "MultiStep": ("milestones",),
    "Step": ("step_size",),
}
"""Settings that a config has to set because they have no default, by scheduler family."""

_MMCV = {"min_lr": "eta_min", "min_lr_ratio": "eta_min_ratio", "step": "milestones", "max_lr": "eta_max"}
"""Names of settings in MMCV 1 and torch, with their names in mmengine."""

CLASSES = (
    *(f"{family}LR" for family in SETTINGS),
    *(f"{family}{what}" for family in SETTINGS for what in ("Momentum", "ParamScheduler")),
    "CosineAnnealingBetas",
    "CosineAnnealingWeightDecay",
    "QuadraticWarmupLR",
    "QuadraticWarmupMomentum",
    "QuadraticWarmupParamScheduler",
)
"""All scheduler classes that mmengine, mmdet and mmpretrain register."""


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
        yield from _unknown(scheduler)
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
    for setting, problem, advice in (*_no_numbers(scheduler), *_values(scheduler)):
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


_WORDS = ("type", "_scope_", "param_name", "monitor", "rule", "threshold_rule", "anneal_strategy")


_Advised = tuple[str, str, "Edit | str"]
"""A setting, its problem, and the fix: an edit, or an instruction if no edit is possible."""


def _no_numbers(scheduler: Scheduler) -> Iterator[_Advised]:
    """Yield settings whose value is a string or None instead of a number, and a ``last_step`` other than -1.

    Such a ``last_step`` works only in a resumed run.
    """
    known = (*SETTINGS.get(scheduler.family, ()), *COMMON)
    for setting, value in scheduler.settings.items():
        if setting in known and setting not in _WORDS and isinstance(value, str):
            number = _number_in(value)
            path = f"{scheduler.path}.{setting}"
            advice = f"set {path} to a number" if number is None else set_option(path, number)
            yield setting, f"has {setting}={value!r}, a str instead of a number", advice
        elif setting in ("begin", "end") and value is None:
            yield setting, f"has {setting}=None instead of a number", delete_option(f"{scheduler.path}.{setting}")
    if (last := scheduler.settings.get("last_step", -1)) != -1:
        what = f"has last_step={last!r}, which only works in a resumed run"
        yield "last_step", what, delete_option(f"{scheduler.path}.last_step")


def _number_in(text: str) -> int | float | None:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def _values(scheduler: Scheduler) -> Iterator[_Advised]:
    """Yield settings with invalid values, their problem and the fix.

    Source: mmengine 0.10.7, the constructors in ``mmengine/optim/scheduler/param_scheduler.py``.
    """
    settings, path, groups = scheduler.settings, scheduler.path, len(scheduler.groups)
    given = {name: value for name, value in settings.items() if value is not None and not isinstance(value, str)}
    if scheduler.family == "ReduceOnPlateau":
        if settings.get("by_epoch", True) is False:
            yield (
                "by_epoch",
                "has by_epoch=False, but this scheduler acts only after validations",
                set_option(f"{path}.by_epoch", True),
            )
        if settings.get("convert_to_iter_based"):
            what = "has convert_to_iter_based=True, but this scheduler acts only after validations"
            yield "convert_to_iter_based", what, delete_option(f"{path}.convert_to_iter_based")
        if (factor := number_or_none(given.get("factor"))) is not None and factor >= 1:
            yield "factor", f"has factor={factor:g}, but it must be below 1", set_option(f"{path}.factor", 0.1)
        if (least := number_or_none(given.get("threshold"))) is not None and least < 0:
            yield (
                "threshold",
                f"has threshold={least:g}, but it must be 0 or more",
                set_option(f"{path}.threshold", -least),
            )
        yield from _per_group("min_value", given.get("min_value"), groups, path)
    if scheduler.family == "Step" and number_or_none(given.get("step_size")) == 0:
        yield (
            "step_size",
            "has step_size=0, but divides by step_size",
            f"set {path}.step_size to the number of epochs per step",
        )
    if scheduler.family == "MultiStep" and isinstance(settings.get("milestones"), (int, float)):
        steps = settings["milestones"]
        yield (
            "milestones",
            f"has milestones={steps!r}, but it must be a list",
            set_option(f"{path}.milestones", [steps]),
        )
    if scheduler.family == "OneCycle":
        if (start := given.get("pct_start")) is not None and not (isinstance(start, float) and 0 <= start <= 1):
            right = float(start) if start in (0, 1) else 0.3
            what = f"has pct_start={start!r}, but it must be a float from 0 to 1"
            yield "pct_start", what, set_option(f"{path}.pct_start", right)
        # With several groups, the base lr for the log counts as one more.
        yield from _per_group("eta_max", given.get("eta_max"), values_for_all(groups), path)
        yield from _total_steps(scheduler, given.get("total_steps"))
    if scheduler.family == "CosineRestart":
        if settings.get("eta_min") is None and settings.get("eta_min_ratio") is None:
            yield "eta_min", "needs eta_min or eta_min_ratio", set_option(f"{path}.eta_min", 0)
        periods, weights = settings.get("periods"), settings.get("restart_weights", (1,))
        if isinstance(periods, (list, tuple)) and isinstance(weights, (list, tuple)) and len(periods) != len(weights):
            filled = [*weights[: len(periods)], *weights[-1:] * (len(periods) - len(weights))]
            what = f"has {count(len(periods), 'period')} and {count(len(weights), 'restart weight')}"
            yield "restart_weights", what, set_option(f"{path}.restart_weights", filled)
    for setting, (family, words) in _CHOICES.items():
        word = settings.get(setting)
        if scheduler.family == family and word is not None and word not in words:
            choice = _SYNONYMS.get(str(word).lower()) or nearest(str(word), words, likeness=0.5) or words[0]
            what = f"has {setting}={word!r}, but accepts only {' or '.join(map(repr, words))}"
            yield setting, what, set_option(f"{path}.{setting}", choice)


_CHOICES = {
    "rule": ("ReduceOnPlateau", ("less", "greater")),
    "threshold_rule": ("ReduceOnPlateau", ("rel", "abs")),
    "anneal_strategy": ("OneCycle", ("cos", "linear")),
}
_SYNONYMS = {"min": "less", "max": "greater", "cosine": "cos", "relative": "rel", "absolute": "abs"}
"""Values of settings in torch and other projects, with mmengine's values: ``cosine`` is ``cos`` in mmengine."""


def values_for_all(groups: int) -> int:
    """Return how many values a list setting of ``OneCycleLR`` needs: one per group.

    If there are several groups, mmengine's ``OptimWrapper`` adds one more group, for the base lr.
    """
    return groups + (groups > 1)


def _per_group(setting: str, value: object, wanted: int, path: str) -> Iterator[_Advised]:
    if isinstance(value, (list, tuple)) and len(value) != wanted:
        what = f"has {count(len(value), 'value')} in {setting}, but needs {wanted}"
        number = f"set {path}.{setting} to {wanted} values, or to a single number for all groups"
        same = value and len({*map(repr, value)}) == 1
        yield setting, what, set_option(f"{path}.{setting}", value[0]) if same else number


def _total_steps(scheduler: Scheduler, total: object) -> Iterator[_Advised]:
    path, last = scheduler.path, scheduler.last
    if total is None:
        return
    if not isinstance(total, int) or isinstance(total, bool) or total <= 0:
        what = f"has total_steps={total!r}, but it must be an integer above 0"
        yield "total_steps", what, delete_option(f"{path}.total_steps")
    elif last is not None and last - scheduler.begin > total:
        what = f"takes {last - scheduler.begin:g} steps, but raises an error after total_steps={total}"
        yield "total_steps", what, set_option(f"{path}.total_steps", plain_number(last - scheduler.begin))


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


def _renamed(scheduler: Scheduler, setting: str, value: object, like: str | None) -> list[Edit]:
    option = f"{scheduler.path}.{setting}"
    if not like:
        return [delete_option(option)]
    if like in scheduler.settings:
        return [delete_option(option), set_option(f"{scheduler.path}.{like}", value)]
    return [rename_option(option, like)]


def _unknown(scheduler: Scheduler) -> Iterator[Fault]:
    known = SETTINGS.get(scheduler.family)
    if known is None:
        return
    lacking = [name for name in REQUIRED.get(scheduler.family, ()) if name not in scheduler.settings]
    for setting, value in scheduler.settings.items():
        if setting in (*known, *COMMON, "_delete_"):
            continue
        right = _MMCV.get(setting, setting)
        like = lacking[0] if right in lacking else nearest(right, known)
        yield Fault(
            f"{scheduler.name} has no setting {setting}",
            f"did you mean {like}={value!r}?"
            if like
            else f"remove {setting}; allowed settings: {', '.join(known) or 'none'}",
            option=f"{scheduler.path}.{setting}",
            edits=_renamed(scheduler, setting, value, like),
        )
        lacking = [name for name in lacking if name != like]
    for setting in lacking:
        option = f"{scheduler.path}.{setting}"
        yield Fault(f"{scheduler.name} needs {setting}", f"set {option}", option=option)
