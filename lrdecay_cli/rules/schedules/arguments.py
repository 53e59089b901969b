"""Arguments that a scheduler refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lrdecay_cli.rules.api import Example, Fault, RuleContext, Scheduler, nearest, rule, scheduler_types

COMMON = ("type", "_scope_", "param_name", "convert_to_iter_based", "begin", "end", "last_step", "by_epoch", "verbose")
"""What every scheduler of mmengine takes, or the registry that builds it."""

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
"""What else, by family. Source: mmengine 0.10, ``mmengine.optim.scheduler``."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "CosineRestart": ("periods",),
    "Exponential": ("gamma",),
    "MultiStep": ("milestones",),
    "Step": ("step_size",),
}
"""What has no default."""

_MMCV = {"min_lr": "eta_min", "min_lr_ratio": "eta_min_ratio", "step": "milestones", "max_lr": "eta_max"}
"""What MMCV 1 and torch call it."""

CLASSES = (
    *(f"{family}LR" for family in SETTINGS),
    *(f"{family}{what}" for family in SETTINGS for what in ("Momentum", "ParamScheduler")),
    "CosineAnnealingBetas",
    "CosineAnnealingWeightDecay",
    "QuadraticWarmupLR",
    "QuadraticWarmupMomentum",
    "QuadraticWarmupParamScheduler",
)
"""All that mmengine, mmdet and mmpretrain register."""


@rule(
    "LRD604",
    "scheduler-refused",
    severity="error",
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=12, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=2, end=12)]"),
)
def scheduler_refused(context: RuleContext) -> Iterator[Fault]:
    """A scheduler has settings that mmengine refuses when the run starts.

    The model is built, the data are read, and the run dies before its first step.

    A setting that the scheduler does not know is refused (what MMCV 1 called ``min_lr`` is ``eta_min`` here, and
    ``step`` is ``milestones``), and so is a scheduler without a setting that has no default. ``end`` must be above
    ``begin``; without one it is where the training ends. ``convert_to_iter_based`` wants ``by_epoch=True``. ``eta_min``
    and ``eta_min_ratio`` exclude each other.
    """
    for place, given in scheduler_types(context.group_map):
        kind = given.rpartition(".")[2]
        like = nearest(kind, CLASSES, likeness=0.9)
        # Any other name may be of a class of the project's own, and so may MyMultiStepLR.
        if like and not kind.endswith(like):
            yield Fault(f"there is no scheduler {kind}", f"did you mean {like}?", option=f"{place}.type")
    for scheduler in context.schedulers:
        yield from _unknown(scheduler)
        settings, name = scheduler.settings, scheduler.name
        if scheduler.end is not None and scheduler.end <= scheduler.begin:
            own = "end" in settings
            yield Fault(
                f"{name} begins at {scheduler.begin:g} and ends at {scheduler.end:g} {scheduler.unit}"
                f"{'' if own else ', with training'}",
                f"{scheduler.path}.end above {scheduler.begin:g}" if own else f"a begin below {scheduler.end:g}",
                option=f"{scheduler.path}.{'end' if own else 'begin'}",
            )
        if settings.get("convert_to_iter_based") is True and scheduler.unit == "iterations":
            yield Fault(
                f"{name} has convert_to_iter_based=True and by_epoch=False: there is nothing to convert",
                f"{scheduler.path}.by_epoch=True, and begin and end in epochs",
                option=f"{scheduler.path}.convert_to_iter_based",
            )
        lowest, ratio = settings.get("eta_min"), settings.get("eta_min_ratio")
        if scheduler.family.startswith("Cosine") and lowest is not None and ratio is not None:
            yield Fault(
                f"{name} has both eta_min={lowest!r} and eta_min_ratio={ratio!r}",
                "keep eta_min_ratio alone",
                option=f"{scheduler.path}.eta_min_ratio",
            )


def _unknown(scheduler: Scheduler) -> Iterator[Fault]:
    known = SETTINGS.get(scheduler.family)
    if known is None:
        return
    lacking = [name for name in REQUIRED.get(scheduler.family, ()) if name not in scheduler.settings]
    for setting, value in scheduler.settings.items():
        if setting in (*known, *COMMON):
            continue
        meant = _MMCV.get(setting, setting)
        like = lacking[0] if meant in lacking else nearest(meant, known)
        yield Fault(
            f"{scheduler.name} has no setting {setting}",
            f"did you mean {like}={value!r}?" if like else f"remove {setting}; it has {', '.join(known) or 'none'}",
            option=f"{scheduler.path}.{setting}",
        )
        lacking = [name for name in lacking if name != like]
    for setting in lacking:
        option = f"{scheduler.path}.{setting}"
        yield Fault(f"{scheduler.name} needs {setting}", f"set {option}", option=option)
