"""The plan of each start of a training: its config, built, and the run that its schedulers make."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.analysis.running.comparison import PlannedLrs, schedule_lrs
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.app.requests.sources import Request, group_maps_of
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.decay.batch_scaling import unscaled_map
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Run, RunLength, TrainingPlan
from lrdecay_cli.files.work_dir import LogLine, Stamp, checkpoints
from lrdecay_cli.openmmlab.availability import check_config
from lrdecay_cli.processes.streams import stdout_kept_clean

# What of a config decides about lrs.
_DECIDING = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "custom_hooks", "default_hooks", "model")


class PlanOptions(NamedTuple):
    """What the user planned that the config does not say."""

    iterations_per_epoch: int | None
    dataset_size: int | None
    gpus: int | None

    @property
    def any_length(self) -> bool:
        """Whether they say how long an epoch is."""
        return self.iterations_per_epoch is not None or self.dataset_size is not None


class Plan(NamedTuple):
    """A config, loaded and built, with the run that its schedulers make."""

    path: str
    planned: Any
    """A :class:`~lrdecay_cli.openmmlab.schedulers.training_plan.PlannedConfig`."""
    group_map: GroupMap
    length: RunLength
    run: Run

    @property
    def plan(self) -> TrainingPlan:
        """What the config says about its run."""
        plan: TrainingPlan = self.planned.plan
        return plan

    def lrs(self, *, beyond: bool = False) -> PlannedLrs:
        """What the log would print; see :func:`schedule_lrs`."""
        return schedule_lrs(self.run, self.length, self.group_map, beyond=beyond)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide about lrs, in plain values."""
        from lrdecay_cli.openmmlab.config_values import plain

        config = self.planned.config
        found = {key: plain(config[key]) for key in _DECIDING if config.get(key) is not None}
        return {**found, "train_dataloader": {"batch_size": self.plan.batch_size}}


class Plans:
    """The plans of one work directory, each made once.

    Args:
        work_dir: what the training wrote.
        config: the config that the user names; None for none.
        request: how configs are built.
        options: the length of an epoch that was planned.
    """

    def __init__(self, work_dir: str, config: str | None, request: Request, options: PlanOptions) -> None:
        self._work_dir, self._config, self._request = work_dir, config, request
        self.options = options
        self._built: dict[str, tuple[Any, GroupMap]] = {}
        self._plans: dict[tuple[str, RunLength], Plan] = {}

    def observed(self, stamp: Stamp, path: str) -> tuple[int | None, str]:
        """Iterations of an epoch in the run that logged, and their source; ``path`` is of its config or one like it."""
        if stamp.iterations_per_epoch is not None:
            return stamp.iterations_per_epoch, "the log"
        if not self.build(stamp.config or path)[0].plan.by_epoch:
            # Its checkpoints have max_epochs=1. Source: mmengine 0.10.7, ``IterBasedTrainLoop``.
            return None, ""
        from lrdecay_cli.openmmlab.checkpoints.saved_groups import progress_of

        for path in checkpoints(self._work_dir):
            with suppress(LrdecayError):
                progress = progress_of(path)
                if progress and progress.iterations_per_epoch and progress.iteration > stamp.lines[0].iteration:
                    return progress.iterations_per_epoch, Path(path).name
        return None, ""

    def of(
        self, path: str, lines: Sequence[LogLine], observed: int | None, told: str, options: PlanOptions | None
    ) -> Plan:
        """The plan of a config: with an epoch as the options say, else as the run had it."""
        planned, group_map = self.build(path)
        plan: TrainingPlan = planned.plan
        if options and options.any_length:
            length = run_length(
                plan,
                iterations_per_epoch=options.iterations_per_epoch,
                dataset_size=options.dataset_size,
                gpus=options.gpus or 1,
            )
        else:
            if observed is None and plan.by_epoch and {line.epoch for line in lines} == {1} and not _counts(plan):
                # Any length will do that the first epoch is not shorter than.
                observed, told = lines[-1].iteration + 1, "at least, by the log of the first epoch"
            if observed is None and plan.by_epoch:
                problem = "the log does not say how many iterations an epoch has"
                raise LrdecayError(problem, where=self._work_dir, fix="give --iters-per-epoch N")
            length = run_length(plan, iterations_per_epoch=observed)
            length = msgspec.structs.replace(length, told=told or length.told)
        if (path, length) not in self._plans:
            with fast_start.shortcuts(verbose=self._request.verbose), stdout_kept_clean():
                from lrdecay_cli.openmmlab.schedulers.running import run_schedule

                run = run_schedule(planned, group_map, length, verbose=self._request.verbose)
            self._plans[path, length] = Plan(path, planned, group_map, length, run)
        return self._plans[path, length]

    def build(self, path: str) -> tuple[Any, GroupMap]:
        """A config, loaded, and its groups. LrdecayError if it does not build."""
        if path not in self._built:
            check_config(path)
            # Overrides are of the config that the user names: a dumped one has its own.
            request = self._request
            if path != self._config and request.cfg_options:
                request = Request.of((), request.device, verbose=request.verbose, exact=request.exact, no_cache=True)
            # auto_scale_lr is a cause that is tried by itself.
            group_map = unscaled_map(*group_maps_of((path,), request))
            with fast_start.shortcuts(verbose=request.verbose), stdout_kept_clean():
                from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

                planned = load_plan(path, cfg_options=request.cfg_options, verbose=request.verbose)
            self._built[path] = planned, group_map
        return self._built[path]

    def without_statistics(self, stamp: Stamp) -> Stamp:
        """Without keys under which ``log_processor.custom_cfg`` logs means and the like in the place of values."""
        if stamp.config is None:
            return stamp
        custom = (self.build(stamp.config)[0].config.get("log_processor") or {}).get("custom_cfg") or ()
        of = {each.get("log_name", each.get("data_src")) for each in custom if each.get("method_name") != "current"}
        lines = (line._replace(lrs={key: lr for key, lr in line.lrs.items() if key not in of}) for line in stamp.lines)
        left = tuple(line for line in lines if line.lrs)
        if not left:
            problem = f"log_processor.custom_cfg of {stamp.config} logs a statistic of lr in the place of lr"
            raise LrdecayError(problem, where=self._work_dir, fix="give the statistic a log_name of its own")
        return stamp._replace(lines=left)

    def is_resumed(self, stamp: Stamp) -> bool:
        """Whether a start of the training went on from a checkpoint: its config says so, or its first epoch."""
        if stamp.config is None:
            return (stamp.lines[0].epoch or 1) > 1
        return bool(self.build(stamp.config)[0].config.get("resume")) or (stamp.lines[0].epoch or 1) > 1

    def resumed_from(self, stamp: Stamp, base: Plan) -> str | None:
        """The checkpoint that a start of the training resumed from; None if it did not, or it is no longer there."""
        if not self.is_resumed(stamp):
            return None
        from lrdecay_cli.openmmlab.checkpoints.saved_groups import progress_of

        dumped = self.build(stamp.config)[0].config if stamp.config else base.planned.config
        named = dumped.get("load_from")
        places = [named, f"{self._work_dir}/{Path(named).name}"] if isinstance(named, str) else []
        for path in [*places, *checkpoints(self._work_dir)]:
            with suppress(LrdecayError):
                progress = progress_of(path) if Path(path).is_file() else None
                if progress and progress.iteration <= stamp.lines[0].iteration:
                    return path
        return None


def _counts(plan: TrainingPlan) -> bool:
    """Whether a scheduler depends on how many iterations an epoch has, or the run."""
    return any(
        settings.get("convert_to_iter_based") or (not settings.get("by_epoch", True) and "end" not in settings)
        for _, settings in plan.schedulers
    )
