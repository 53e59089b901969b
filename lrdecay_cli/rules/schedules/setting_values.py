"""Values of scheduler settings that mmengine refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from lrdecay_cli.rules.api import (
    Edit,
    Scheduler,
    count,
    delete_option,
    nearest,
    number_or_none,
    plain_number,
    set_option,
)
from lrdecay_cli.rules.schedules.known_settings import COMMON, SETTINGS

_WORDS = ("type", "_scope_", "param_name", "monitor", "rule", "threshold_rule", "anneal_strategy")


_Advised = tuple[str, str, "Edit | str"]
"""A setting, its problem, and the fix: an edit, or an instruction if no edit is possible."""


def not_numbers(scheduler: Scheduler) -> Iterator[_Advised]:
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


def invalid_values(scheduler: Scheduler) -> Iterator[_Advised]:
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
        yield from _per_group("eta_max", given.get("eta_max"), _values_for_all(groups), path)
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


def _values_for_all(groups: int) -> int:
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
