"""Read the arguments of ``audit_optimizer``: the optimizers and schedulers of a program, in any form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lrdecay_cli.decay.options import number_or_none
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.live import LiveScheduler
from lrdecay_cli.openmmlab.config_values import number

WHERE = "audit_optimizer"
_LIGHTNING_INTERVAL = "epoch"
"""Interval at which Lightning steps a scheduler if ``interval`` is not set."""


class Given(NamedTuple):
    """The optimizers and schedulers of a program."""

    optimizers: dict[str, Any]
    """The optimizers by name. A single optimizer has the empty name."""
    schedulers: list[Scheduled]


class Scheduled(NamedTuple):
    """A scheduler, and the interval at which the program steps the scheduler, for example ``epoch``."""

    scheduler: Any
    interval: str


def optimizers_of(given: Any) -> Given:
    """Return the optimizers and schedulers of a program.

    ``given`` is an optimizer, a sequence or dict of optimizers, or the result of Lightning's ``configure_optimizers``.

    Source: lightning 2.6, ``LightningModule.configure_optimizers``. Its result is an optimizer, a dict with
    ``optimizer`` and ``lr_scheduler``, a sequence of optimizers or such dicts, or a list of optimizers together with a
    list of schedulers.
    """
    schedulers: list[Scheduled] = []
    if isinstance(given, (list, tuple)) and len(given) == 2 and isinstance(given[0], (list, tuple)):
        schedulers, given = [*each_scheduler(given[1], _LIGHTNING_INTERVAL)], given[0]
    if isinstance(given, Mapping) and "optimizer" not in given:
        named = [(str(key), value) for key, value in given.items()]
    else:
        sequence = [*given] if isinstance(given, (list, tuple)) else [given]
        several = len(sequence) > 1
        named = [(f"optimizer_{index}" if several else "", value) for index, value in enumerate(sequence)]
    found = {}
    for key, value in named:
        if value is None or _is_scheduler(value):
            # Hugging Face's Trainer takes a pair of an optimizer and a scheduler, each of which may be None.
            schedulers += each_scheduler(value, "")
            continue
        optimizer = value
        if isinstance(value, Mapping):
            optimizer = value.get("optimizer")
            schedulers += each_scheduler(value.get("lr_scheduler"), _LIGHTNING_INTERVAL)
        found[key] = _without_wrappers(optimizer)
        if not isinstance(getattr(found[key], "param_groups", None), list):
            prefix = f"{key}: " if key else ""
            kind = "a dict" if isinstance(value, Mapping) else f"an object of type {type(value).__name__}"
            raise LrdecayError(
                f"{prefix}{kind} is no optimizer, because it has no param_groups",
                where=WHERE,
                fix="pass a torch optimizer, or a list or dict of torch optimizers",
            )
    if not found:
        raise LrdecayError("the argument contains no optimizer", where=WHERE, fix="build the optimizer first")
    return Given({"": next(iter(found.values()))} if len(found) == 1 else found, schedulers)


def _is_scheduler(value: Any) -> bool:
    """True for a scheduler of torch, timm or accelerate. False for an optimizer, and for a wrapper of an optimizer."""
    return _can_step(value) and any(hasattr(value, name) for name in ("get_last_lr", "step_update", "scheduler"))


def _can_step(value: Any) -> bool:
    return callable(getattr(value, "step", None)) and not isinstance(value, type)


def _without_wrappers(optimizer: Any) -> Any:
    """Return the torch optimizer inside the optimizer wrappers of Lightning, accelerate and mmengine."""
    for _ in range(8):
        inner = getattr(optimizer, "optimizer", None)
        if not isinstance(getattr(inner, "param_groups", None), list):
            break
        optimizer = inner
    return optimizer


def each_scheduler(schedulers: Any, interval: str) -> Iterator[Scheduled]:
    """Yield each scheduler, followed by the schedulers that it runs one after another.

    Args:
        schedulers: a scheduler, a list, or a dict or ``LRSchedulerConfig`` of Lightning with a ``scheduler`` and
            possibly its ``interval``.
        interval: the interval of schedulers without such an ``interval``.

    Raises:
        LrdecayError: an object is not a scheduler.
    """
    if isinstance(schedulers, Mapping):
        interval = str(schedulers.get("interval", interval))
        schedulers = schedulers.get("scheduler")
    if isinstance(schedulers, (list, tuple)):
        for each in schedulers:
            yield from each_scheduler(each, interval)
    elif (inner := getattr(schedulers, "scheduler", None)) is not None:
        # Lightning's LRSchedulerConfig, and accelerate's wrapper of a scheduler.
        yield from each_scheduler(inner, str(getattr(schedulers, "interval", interval)))
    elif schedulers is not None:
        # A class of the program need not be like torch's schedulers.
        if not _can_step(schedulers):
            raise LrdecayError(
                f"an object of type {type(schedulers).__name__} is no scheduler",
                where="schedulers",
                fix="pass the scheduler object, or a list of scheduler objects",
            )
        yield Scheduled(schedulers, interval)
        # torch's SequentialLR and ChainedScheduler.
        yield from each_scheduler(getattr(schedulers, "_schedulers", None), interval)


def live_schedulers(listed: Iterable[Scheduled], optimizers: Mapping[str, Any]) -> Iterator[LiveScheduler]:
    """Yield the record of each scheduler for the group map, except for schedulers of other optimizers.

    Source: torch 2.13.0, ``optim/lr_scheduler.py``. A scheduler with ``eta_min`` uses this value for all groups.
    """
    for scheduler, interval in listed:
        target = _without_wrappers(getattr(scheduler, "optimizer", None))
        owner = next((key for key, each in optimizers.items() if each is target), None)
        if target is not None and owner is None:
            continue
        steps = number_or_none(getattr(scheduler, "total_steps", None) or getattr(scheduler, "total_size", None))
        peaks = [scalar(peak) for peak in getattr(scheduler, "max_lrs", ())]
        yield LiveScheduler(
            f"{type(scheduler).__module__}.{type(scheduler).__qualname__}",
            interval,
            scalar(getattr(scheduler, "eta_min", None)),
            None if steps is None else int(steps),
            owner,
            tuple(peak for peak in peaks if peak is not None),
        )


def is_timm_scheduler(scheduler: Any) -> bool:
    """True for a scheduler of timm, which multiplies each group's lr by the group's ``lr_scale``.

    Source: timm 1.0, ``Scheduler.update_groups``.
    """
    bases = ((base.__module__, base.__name__) for base in type(scheduler).__mro__)
    return ("timm.scheduler.scheduler", "Scheduler") in bases


def scalar(value: Any) -> float | None:
    """Return a number or a tensor of one element as a float; None for any other value."""
    try:
        return number(value)
    except (TypeError, ValueError, RuntimeError):
        return None
