"""Stepping mmengine's schedulers as its ParamSchedulerHook does, without the steps that change nothing.

Every value comes out of a scheduler's own ``step``. What is left out are steps of which the source of
``mmengine/optim/scheduler/param_scheduler.py`` tells that they set each value to what it is: those before ``begin`` and
from ``end`` on, and those between the milestones of a scheduler that only has milestones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmengine.optim.scheduler.momentum_scheduler import MomentumSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import (
    ConstantParamScheduler,
    MultiStepParamScheduler,
    ReduceOnPlateauParamScheduler,
    StepParamScheduler,
    _ParamScheduler,
)

NEVER = 1 << 62
_UNDERSTOOD = (_ParamScheduler.step, MomentumSchedulerMixin.step)


class Stepper:
    """One scheduler, with what is known about the steps to come."""

    def __init__(self, scheduler: _ParamScheduler) -> None:
        self.scheduler = scheduler
        self.step: Callable[[], None] = scheduler.step
        self._waits = isinstance(scheduler, ReduceOnPlateauParamScheduler)
        self._understood = type(scheduler).step in _UNDERSTOOD
        self._idle_within = _IDLE.get(type(scheduler)._get_value) if self._understood else None

    def idle(self) -> int:
        """How many of the next steps change nothing for sure."""
        if self._waits:
            # Without a metric it only counts.
            return NEVER
        if not self._understood:
            return 0
        scheduler = self.scheduler
        following = scheduler._global_step + 1
        if following >= scheduler.end:
            return NEVER
        if following < scheduler.begin:
            return int(scheduler.begin - following)
        return 0 if self._idle_within is None else self._idle_within(scheduler)

    def busy(self) -> int:
        """How many of the next steps may change something, where the next one may."""
        if not self._understood:
            return NEVER
        return 1 if self._idle_within is not None else self.scheduler.end - self.scheduler._global_step - 1

    def skip(self, steps: int) -> None:
        """Take ``steps`` idle steps at once."""
        if not steps:
            return
        scheduler = self.scheduler
        following = scheduler._global_step + 1
        scheduler._global_step += steps
        if not self._waits:
            first, behind = max(following, scheduler.begin), min(following + steps, scheduler.end)
            scheduler.last_step += max(0, behind - first)


def drive(
    by_iteration: Sequence[Stepper],
    by_epoch: Sequence[Stepper],
    iterations: int,
    epoch_length: int,
    record: Callable[[int], None],
) -> None:
    """Step schedulers through a run and record each iteration in which values may differ from the one before.

    After an iteration those by iteration are stepped, after the last one of an epoch those by epoch, as in
    ``mmengine/hooks/param_scheduler_hook.py``. Iterations count from 0; the first one is recorded too.
    """
    record(0)
    now, last = 0, iterations - 1
    while now < last:
        # The iteration after which a scheduler by epoch acts next.
        boundary = (
            now // epoch_length + 1 + min((stepper.idle() for stepper in by_epoch), default=NEVER)
        ) * epoch_length - 1
        active = [stepper for stepper in by_iteration if not stepper.idle()]
        resting = [stepper for stepper in by_iteration if stepper.idle()]
        ahead = min(
            [
                last - now,
                boundary + 1 - now,
                *(stepper.idle() for stepper in resting),
                *(stepper.busy() for stepper in active),
            ]
        )
        at_boundary = now + ahead == boundary + 1
        if active:
            steps = [stepper.step for stepper in active]
            for iteration in range(now + 1, now + ahead + 1 - at_boundary):
                for step in steps:
                    step()
                record(iteration)
            if at_boundary:
                for step in steps:
                    step()
        for stepper in resting:
            stepper.skip(ahead)
        epochs = (now + ahead) // epoch_length - now // epoch_length
        now += ahead
        for stepper in by_epoch:
            stepper.skip(epochs - at_boundary)
            if at_boundary:
                stepper.step()
        if at_boundary:
            record(now)


def _to_milestone(scheduler: Any) -> int:
    following = scheduler.last_step + 1
    return min((milestone - following for milestone in scheduler.milestones if milestone >= following), default=NEVER)


def _to_multiple(scheduler: Any) -> int:
    return int(-(scheduler.last_step + 1) % scheduler.step_size)


def _to_ends(scheduler: Any) -> int:
    following = scheduler.last_step + 1
    if following == 0:
        return 0
    return int(scheduler.total_iters - following) if following <= scheduler.total_iters else NEVER


_IDLE: dict[Any, Callable[[Any], int]] = {
    MultiStepParamScheduler._get_value: _to_milestone,
    StepParamScheduler._get_value: _to_multiple,
    ConstantParamScheduler._get_value: _to_ends,
}
"""For schedulers that act at certain steps only, by how they compute a value: how many steps it is to the next one."""
