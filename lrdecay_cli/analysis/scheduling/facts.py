"""What can be told of schedulers from their settings alone, in plain values, for notes and for rules.

The settings are those of one entry of ``param_scheduler``. A scheduler counts steps of its own, iterations or epochs,
from 0 and from its ``begin`` on: see ``mmengine/optim/scheduler/param_scheduler.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


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
