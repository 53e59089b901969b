"""Compute the lrs that a config plans, for ``lrdecay run``: build the config of a training and run its schedulers."""

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
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Run, RunLength, TrainingPlan
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.work_dir import LogLine, Stamp, checkpoints
from lrdecay_cli.openmmlab.availability import check_config
from lrdecay_cli.processes.streams import stdout_to_stderr

# The options of a config that decide about lrs.
_DECIDING = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "custom_hooks", "default_hooks", "model")


class PlanOptions(NamedTuple):
    """Command-line options for the iterations per epoch and the number of GPUs, which the config does not contain."""

    iterations_per_epoch: int | None
    dataset_size: int | None
    gpus: int | None

    @property
    def any_length(self) -> bool:
        """True if the options give the number of iterations per epoch or the dataset size."""
        return self.iterations_per_epoch is not None or self.dataset_size is not None


class Plan(NamedTuple):
    """A loaded and built config, and the values of its schedulers over the whole run."""

    path: str
    planned: Any
    """A :class:`~lrdecay_cli.openmmlab.schedulers.training_plan.PlannedConfig`."""
    group_map: GroupMap
    length: RunLength
    run: Run

    @property
    def plan(self) -> TrainingPlan:
        """The settings of the config that determine the lrs, such as epochs, batch size and schedulers."""
        plan: TrainingPlan = self.planned.plan
        return plan

    def lrs(self, *, beyond: bool = False) -> PlannedLrs:
        """Return the lrs that a training with this plan would log; see :func:`schedule_lrs`."""
        return schedule_lrs(self.run, self.length, self.group_map, beyond=beyond)

    def deciding(self) -> dict[str, Any]:
        """Return the settings of the config that determine the lrs, as plain Python values."""
        from lrdecay_cli.openmmlab.config_values import plain

        config = self.planned.config
        found = {key: plain(config[key]) for key in _DECIDING if config.get(key) is not None}
        return {**found, "train_dataloader": {"batch_size": self.plan.batch_size}}


class Plans:
    """Computes and stores the plan of each config in a work directory.

    Args:
        work_dir: the work directory of the training.
        config: the config that the user names, or None.
        request: options for building configs.
        options: the number of iterations per epoch and of GPUs, from the command line.
    """

    def __init__(self, work_dir: str, config: str | None, request: Request, options: PlanOptions) -> None:
        self._work_dir, self._config, self._request = work_dir, config, request
        self.options = options
        self._built: dict[tuple[str, Launch], tuple[Any, GroupMap]] = {}
        self._plans: dict[tuple[str, RunLength, Launch], Plan] = {}

    def launch_of(self, stamp: Stamp) -> Launch:
        """Return the planned number of GPUs: from the command line, or else from the log of this start."""
        return Launch(self.options.gpus or stamp.gpus)

    def observed(self, stamp: Stamp, path: str) -> tuple[int | None, str]:
        """Return the number of iterations per epoch of the logged run, and where it is recorded.

        The log or a checkpoint records the number; otherwise the number is None. ``path`` is the config to use if the
        run dumped no config.
        """
        if stamp.iterations_per_epoch is not None:
            return stamp.iterations_per_epoch, "the log"
        if not self._config_of(stamp, stamp.config or path).plan.by_epoch:
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
        self,
        path: str,
        lines: Sequence[LogLine],
        observed: int | None,
        length_source: str,
        options: PlanOptions | None,
        launch: Launch,
    ) -> Plan:
        """Return the plan of a config for a number of GPUs.

        The iterations per epoch come from ``options``, or else from the logged run.
        """
        planned, group_map = self.build(path, launch)
        plan: TrainingPlan = planned.plan
        if options and options.any_length:
            length = run_length(
                plan,
                iterations_per_epoch=options.iterations_per_epoch,
                dataset_size=options.dataset_size,
                gpus=launch.world_size,
            )
        else:
            if observed is None and plan.by_epoch and {line.epoch for line in lines} == {1} and not _needs_length(plan):
                # Any length works that is at least as long as the logged part of the first epoch.
                observed, length_source = (
                    lines[-1].iteration + 1,
                    "minimum, read from the log of the first epoch",
                )
            if observed is None and plan.by_epoch:
                problem = "the log does not give the number of iterations per epoch"
                raise LrdecayError(problem, where=self._work_dir, fix="give --iters-per-epoch N")
            length = run_length(plan, iterations_per_epoch=observed)
            length = msgspec.structs.replace(length, source=length_source or length.source)
        key = path, length, launch
        if key not in self._plans:
            with fast_start.shortcuts(verbose=self._request.verbose), stdout_to_stderr():
                from lrdecay_cli.openmmlab.schedulers.running import run_schedule

                run = run_schedule(planned, group_map, length, verbose=self._request.verbose)
            self._plans[key] = Plan(path, planned, group_map, length, run)
        return self._plans[key]

    def build(self, path: str, launch: Launch) -> tuple[Any, GroupMap]:
        """Load and build a config; return the loaded config and its groups, with the lrs that ``auto_scale_lr`` scales.

        Raises LrdecayError if the config does not build.
        """
        if (path, launch) not in self._built:
            check_config(path)
            # Overrides apply to the config that the user names: a dumped config already contains its own.
            request = self._request.launched(launch, overrides=path == self._config)
            (group_map,) = group_maps_of((path,), request)
            with fast_start.shortcuts(verbose=request.verbose), stdout_to_stderr():
                from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

                planned = load_plan(path, cfg_options=request.cfg_options, verbose=request.verbose, launch=launch)
            self._built[path, launch] = planned, group_map
        return self._built[path, launch]

    def _config_of(self, stamp: Stamp, path: str) -> Any:
        """Return the loaded config of this start."""
        return self.build(path, self.launch_of(stamp))[0]

    def without_statistics(self, stamp: Stamp) -> Stamp:
        """Return ``stamp`` without lrs in the log that are statistics, such as the mean of several iterations.

        ``log_processor.custom_cfg`` of the config defines such statistics.
        """
        if stamp.config is None:
            return stamp
        custom = (self._config_of(stamp, stamp.config).config.get("log_processor") or {}).get("custom_cfg") or ()
        of = {each.get("log_name", each.get("data_src")) for each in custom if each.get("method_name") != "current"}
        lines = (line._replace(lrs={key: lr for key, lr in line.lrs.items() if key not in of}) for line in stamp.lines)
        left = tuple(line for line in lines if line.lrs)
        if not left:
            problem = f"log_processor.custom_cfg of {stamp.config} logs a statistic under the name lr"
            raise LrdecayError(problem, where=self._work_dir, fix="give the statistic a different log_name")
        return stamp._replace(lines=left)

    def is_resumed(self, stamp: Stamp) -> bool:
        """True if this start of the training resumed from a checkpoint.

        This is the case if the config sets ``resume``, or if the first logged epoch is above 1.
        """
        if stamp.config is None:
            return (stamp.lines[0].epoch or 1) > 1
        return bool(self._config_of(stamp, stamp.config).config.get("resume")) or (stamp.lines[0].epoch or 1) > 1

    def resumed_from(self, stamp: Stamp, base: Plan) -> str | None:
        """Return the checkpoint from which a training resumed.

        Returns None if the training did not resume, or if the checkpoint no longer exists.
        """
        if not self.is_resumed(stamp):
            return None
        from lrdecay_cli.openmmlab.checkpoints.saved_groups import progress_of

        dumped = self._config_of(stamp, stamp.config).config if stamp.config else base.planned.config
        named = dumped.get("load_from")
        places = [named, f"{self._work_dir}/{Path(named).name}"] if isinstance(named, str) else []
        for path in [*places, *checkpoints(self._work_dir)]:
            with suppress(LrdecayError):
                progress = progress_of(path) if Path(path).is_file() else None
                if progress and progress.iteration <= stamp.lines[0].iteration:
                    return path
        return None


def _needs_length(plan: TrainingPlan) -> bool:
    """True if a scheduler depends on the number of iterations per epoch or of the run."""
    return any(
        settings.get("convert_to_iter_based") or (not settings.get("by_epoch", True) and "end" not in settings)
        for _, settings in plan.schedulers
    )
