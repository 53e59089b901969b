"""What can be told of schedulers from their settings alone, in plain values, for notes and for rules.

The settings are those of one entry of ``param_scheduler``. A scheduler counts steps of its own, iterations or epochs,
from 0 and from its ``begin`` on: see ``mmengine/optim/scheduler/param_scheduler.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def counts_epochs(settings: Mapping[str, Any]) -> bool:
    """Whether its ``begin``, ``end`` and milestones are epochs, whether or not it is converted to iterations."""
    return bool(settings.get("by_epoch", True))


def steps_of_run(settings: Mapping[str, Any], train_cfg: Mapping[str, Any]) -> int | None:
    """How many steps the run has for this scheduler; None where that takes the iterations of an epoch.

    An iteration-based loop steps schedulers by epoch once, when all is over, so that its run is one step of theirs.
    """
    converted = bool(settings.get("convert_to_iter_based", False))
    if counts_epochs(settings):
        if "max_epochs" in train_cfg:
            return int(train_cfg["max_epochs"])
        return None if converted else 1
    return int(train_cfg["max_iters"]) if "max_iters" in train_cfg else None


def milestones_not_reached(settings: Mapping[str, Any], steps: int) -> tuple[int, ...]:
    """Milestones at which nothing happens, as they stand in the config.

    Args:
        settings: of a scheduler with ``milestones``; of any other there are none.
        steps: how many steps the run has, in the scheduler's own.
    """
    begin = int(settings.get("begin", 0))
    behind = min(int(settings.get("end", steps)), steps)
    milestones = settings.get("milestones")
    if not isinstance(milestones, (list, tuple)):
        return ()
    return tuple(sorted({milestone for milestone in milestones if begin + milestone >= behind}))


def never_acts(settings: Mapping[str, Any], steps: int) -> bool:
    """Whether the run is over before it begins."""
    return int(settings.get("begin", 0)) >= steps


def outlasts(settings: Mapping[str, Any], steps: int) -> bool:
    """Whether the run is over before it has done what it does until ``end``."""
    return "end" in settings and int(settings["end"]) > steps


def lifted_by_floor(settings: Mapping[str, Any], lrs: Iterable[float]) -> tuple[float, ...]:
    """The learning rates that an absolute ``eta_min`` does not let decay: they are at or below it, and rise to it.

    Args:
        settings: of a scheduler with ``eta_min``; any other lifts none.
        lrs: what the groups start from.
    """
    floor = settings.get("eta_min")
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or floor <= 0 or _changes(settings) != "lr":
        return ()
    # 0.1 × 0.1 is a bit above 0.01.
    return tuple(sorted({lr for lr in lrs if lr <= floor * (1 + 1e-9)}))


def _changes(settings: Mapping[str, Any]) -> str:
    """What it changes: ``lr`` for CosineAnnealingLR, ``momentum`` for CosineAnnealingMomentum, else ``param_name``."""
    kind = str(settings.get("type", "")).rpartition(".")[2]
    return (
        "momentum"
        if kind.endswith("Momentum")
        else str(settings.get("param_name", "lr" if kind.endswith("LR") else ""))
    )
