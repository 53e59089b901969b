"""Run a train loop as mmengine does, but skip iterations in which no lr, weight decay or parameter can change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mmengine.hooks import EarlyStoppingHook, Hook, ParamSchedulerHook
from mmengine.optim.scheduler.param_scheduler import ReduceOnPlateauParamScheduler, _ParamScheduler
from mmengine.runner import IterBasedTrainLoop, Priority, get_priority
from torch import nn

from lrdecay_cli.openmmlab.dry_run.representatives import Representatives
from lrdecay_cli.openmmlab.from_runner import LiveGroupsHook
from lrdecay_cli.openmmlab.schedulers.lr_hooks import is_inert
from lrdecay_cli.openmmlab.schedulers.running import Stepper, ends_higher, first_drop
from lrdecay_cli.openmmlab.schedulers.training_plan import validates
from lrdecay_cli.text.counting import listed

# In validation, hooks of these packages only draw, count and log; EarlyStoppingHook is handled below.
STACK = ("mmengine.", "mmdet.", "mmpretrain.")
_IN_VALIDATION = ("before_val", "before_val_epoch", "before_val_iter", "after_val_iter", "after_val_epoch", "after_val")


class Drive:
    """Run the training loop of a config. Replaces the loop's method ``run``.

    Source: mmengine 0.10.7, ``mmengine/runner/loops.py``, EpochBasedTrainLoop and IterBasedTrainLoop.

    Args:
        runner: the :class:`~lrdecay_cli.openmmlab.dry_run.runner.DryRunner` that built the loop.
        loop: the config's loop. It counts epochs and iterations.
    """

    def __init__(self, runner: Any, loop: Any) -> None:
        self._runner = runner
        self._loop = loop
        self._by_iteration = isinstance(loop, IterBasedTrainLoop)
        self._awake: list[Hook] = []
        self._steps_schedulers = False
        self._has_own_train = any(type(module).train is not nn.Module.train for module in runner.model.modules())

    def run(self) -> nn.Module:
        """Run all epochs, and return the model."""
        runner, loop = self._runner, self._loop
        schedulers = list(each_scheduler(runner.param_schedulers))
        runner.moments.warm_up_end = _warm_up_end(schedulers, len(loop.dataloader), loop.max_iters)
        runner.call_hook("before_train")
        self._steps_schedulers = any(type(hook) is ParamSchedulerHook for hook in runner.hooks)
        self._awake = [hook for hook in runner.hooks if _acts_in_iterations(hook)]
        steppers = [hook for hook in runner.hooks if type(hook) is ParamSchedulerHook]
        if len(steppers) > 1 and schedulers:
            # Each ParamSchedulerHook steps every scheduler.
            self._awake += steppers
        # A project's own hook may treat any two groups differently.
        runner.representatives = Representatives([] if self._awake else schedulers, runner.watch.groups)
        runner.moments.follow(runner.representatives, runner.watch.groups)
        runner.first_log.follow(loop._iter if self._by_iteration else 0, loop._iter, len(loop.dataloader))
        if runner.moments.recorder is not None:
            scheduled = [scheduler.param_name for scheduler in schedulers]
            runner.moments.recorder.follow(runner.optim_wrapper, runner.watch.groups, runner.representatives, scheduled)
        while not loop.stop_training and (
            loop._iter < loop.max_iters if self._by_iteration else loop._epoch < loop.max_epochs
        ):
            runner.call_hook("before_train_epoch")
            with runner.watch.acting("train()", "train()"), self._shapes_for_train():
                runner.model.train()
            self._iterate(loop.max_iters - loop._iter if self._by_iteration else len(loop.dataloader))
            runner.call_hook("after_train_epoch")
            loop._epoch += 1
        runner.moments.end(loop._iter)
        runner.call_hook("after_train")
        return runner.model

    def _shapes_for_train(self) -> AbstractContextManager[None]:
        """Return a context in which the optimizers' tensors have their original shapes instead of small shapes.

        Some ``train()`` methods need these shapes. For example, ``train()`` of mmpretrain's LeViT indexes tensors.
        """
        return self._runner.optimizer_steps.whole_shapes() if self._has_own_train else nullcontext()

    def _iterate(self, length: int) -> None:
        """Run ``length`` iterations: the first iterations in full, the others only if a value can change in them."""
        runner, loop = self._runner, self._loop
        begun = loop._iter
        while loop._iter < begun + length and not loop.stop_training:
            whole = runner.optimizer_steps.are_left
            if not whole and not self._awake:
                self._skip_through(begun + length - loop._iter, 0 if self._by_iteration else begun)
                return
            called = [hook for hook in runner.hooks if whole or hook in self._awake or type(hook) is ParamSchedulerHook]
            # An iteration-based loop counts batches over the whole run.
            batch = {"batch_idx": loop._iter - (0 if self._by_iteration else begun), "data_batch": None}
            early = [hook for hook in called if get_priority(hook.priority) < Priority.VERY_HIGH.value]
            for hook in early:
                runner.call_method(hook, "before_train_iter", **batch)
            runner.moments.note_logged(loop._iter)
            if logged := runner.first_log.is_due(loop._iter):
                runner.first_log.read(runner, batch["batch_idx"])
            for hook in called[len(early) :]:
                runner.call_method(hook, "before_train_iter", **batch)
            runner.moments.note(loop._iter)
            if logged:
                runner.first_log.write(runner, batch["batch_idx"])
            if whole:
                with runner.watch.acting("optimizer", "optimizer"):
                    runner.optimizer_steps.take(runner.optim_wrapper, runner.watch)
            runner.watch.iteration = loop._iter + 1
            for hook in called:
                runner.call_method(hook, "after_train_iter", **batch, outputs={})
            loop._iter += 1

    def _skip_through(self, length: int, first_batch: int) -> None:
        """Run ``length`` iterations in which only schedulers can change a value.

        ``first_batch`` is the number of the iteration in which the epoch's first batch is used.
        """
        runner, loop = self._runner, self._loop
        schedulers = each_scheduler(runner.param_schedulers) if self._steps_schedulers else ()
        steppers = [Stepper(scheduler) for scheduler in schedulers if not scheduler.by_epoch]
        before, done = runner.watch.lrs(), 0
        acted: dict[str, None] = {}
        while done < length:
            active = [stepper for stepper in steppers if not stepper.idle()]
            resting = [stepper for stepper in steppers if stepper.idle()]
            ahead = min([length - done, *(each.idle() for each in resting), *(each.busy() for each in active)])
            ahead = min(ahead, *(each.until(loop._iter) for each in (runner.moments, runner.first_log)))
            if runner.first_log.is_due(loop._iter):
                runner.first_log.read(runner, loop._iter - first_batch)
                runner.first_log.write(runner, loop._iter - first_batch)
            acted.update((type(stepper.scheduler).__name__, None) for stepper in active)
            steps = [stepper.step for stepper in active]
            for iteration in range(loop._iter, loop._iter + (ahead if active else 1)):
                runner.moments.note(iteration)
                for step in steps:
                    step()
            for stepper in resting:
                stepper.skip(ahead)
            loop._iter += ahead
            done += ahead
        runner.watch.iteration = loop._iter
        runner.representatives.spread()
        for name in acted:
            runner.watch.attribute(before, "param_scheduler", name)


def each_scheduler(schedulers: Any) -> Iterable[_ParamScheduler]:
    """Return the schedulers of all optimizers of a Runner."""
    if isinstance(schedulers, Mapping):
        return (scheduler for several in schedulers.values() for scheduler in several)
    return schedulers or ()


def acting_in_validation(runner: Any) -> Iterator[tuple[str, str]]:
    """Yield each hook that could change the training during validation, with its possible effect.

    The dry run does not run validation.
    """
    if not validates(runner.cfg):
        return
    for hook in runner.hooks:
        name, stack = type(hook).__name__, type(hook).__module__.startswith(STACK)
        if isinstance(hook, EarlyStoppingHook):
            yield name, "the hook may end the training early"
        elif type(hook) is ParamSchedulerHook:
            schedulers = each_scheduler(runner.param_schedulers)
            waiting = [each for each in schedulers if isinstance(each, ReduceOnPlateauParamScheduler)]
            yield from sorted({(type(each).__name__, _lowers(each, runner)) for each in waiting})
        elif not stack and (methods := [method for method in _IN_VALIDATION if overrides(hook, method)]):
            yield name, f"{listed(methods)} may change anything"


def _lowers(scheduler: ReduceOnPlateauParamScheduler, runner: Any) -> str:
    """Return a sentence about when a ReduceOnPlateau scheduler may lower the lr or another option.

    If the run is resumed, the sentence names no first epoch. The epoch is unknown, because the scheduler may already
    have counted epochs without improvement.
    """
    action = f"the scheduler lowers the {scheduler.param_name} when the validation metric stops improving"
    by_epoch = not isinstance(runner.train_loop, IterBasedTrainLoop)
    drop = None if runner._resume else first_drop(scheduler, runner.cfg, by_epoch=by_epoch)
    if drop is None:
        return action
    unit, last = ("epoch", runner.max_epochs) if by_epoch else ("iteration", runner.max_iters)
    late = f", but the training ends at {unit} {last:,}" if drop >= last else ""
    return f"{action}, from {unit} {drop:,} on if the metric never improves{late}"


def is_quiet(hook: Hook) -> bool:
    """True if a hook certainly changes no recorded value. lrdecay's own hook is quiet, because it only reads groups."""
    return isinstance(hook, LiveGroupsHook) or is_inert(type(hook))


def overrides(hook: Hook, method: str) -> bool:
    """True if a hook's class overrides ``method`` of mmengine's Hook."""
    return getattr(type(hook), method, None) is not getattr(Hook, method, None)


def _acts_in_iterations(hook: Hook) -> bool:
    """True if a hook may change a value in any iteration."""
    if is_quiet(hook) or type(hook) is ParamSchedulerHook:
        return False
    return overrides(hook, "before_train_iter") or overrides(hook, "after_train_iter")


def _warm_up_end(schedulers: Iterable[_ParamScheduler], epoch_length: int, iterations: int) -> int | None:
    """Return the first iteration after all warm-ups of the lr.

    None if there is no warm-up, or if a warm-up lasts until the end of training.
    """
    ends = [
        scheduler.end * (epoch_length if scheduler.by_epoch else 1)
        for scheduler in schedulers
        if scheduler.begin == 0 and scheduler.param_name == "lr" and ends_higher(scheduler)
    ]
    return int(max(ends)) if ends and max(ends) < iterations else None
