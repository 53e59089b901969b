"""A training against its plan: the plan of each start of it, and why a log parts from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.analysis.running.comparison import (
    PlannedLrs,
    agrees,
    constant_ratio,
    differing_settings,
    dry_run_lrs,
    logged_curves,
    scaled,
    schedule_lrs,
)
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.app.requests.scheduling import check_is_config
from lrdecay_cli.app.requests.sources import Request, group_maps_of
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.schedule import Run, RunLength, TrainingPlan
from lrdecay_cli.domain.training_run import (
    TRAINING_RUN_SCHEMA_VERSION,
    LoggedCurve,
    PartingCause,
    Segment,
    TrainingRun,
)
from lrdecay_cli.files.work_dir import LogLine, Stamp, checkpoints, read_stamps
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


class _Plan(NamedTuple):
    """A config, loaded and built, with the run that its schedulers make."""

    path: str
    planned: Any
    """A :class:`~lrdecay_cli.openmmlab.schedulers.training_plan.PlannedConfig`."""
    group_map: GroupMap
    length: RunLength
    run: Run

    @property
    def plan(self) -> TrainingPlan:
        plan: TrainingPlan = self.planned.plan
        return plan

    def lrs(self, *, beyond: bool = False) -> PlannedLrs:
        return schedule_lrs(self.run, self.length, self.group_map, beyond=beyond)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide about lrs, in plain values."""
        from lrdecay_cli.openmmlab.config_values import plain

        config = self.planned.config
        found = {key: plain(config[key]) for key in _DECIDING if config.get(key) is not None}
        return {**found, "train_dataloader": {"batch_size": self.plan.batch_size}}


def training_run(work_dir: str, config: str | None, request: Request, options: PlanOptions) -> TrainingRun:
    """Hold the log of a training against its plan.

    Args:
        work_dir: what the training wrote.
        config: the config that was planned; None for the one that each start of the training dumped.
        request: how configs are built.
        options: the length of an epoch that was planned; else it is read out of the log or a checkpoint.

    Raises:
        LrdecayError: there is no log or no config, it does not build, or nothing says how long an epoch is.
    """
    stamps = read_stamps(work_dir)
    if config is not None:
        check_is_config(config, "a run is held against a config")
    elif request.cfg_options:
        raise LrdecayError("only a config has options to set", where="--cfg-options", remedy="give WORK_DIR and CONFIG")
    comparing = _Comparing(work_dir, config, request, options)
    segments = tuple(comparing.segment(index, stamps) for index in range(len(stamps)))
    return TrainingRun(
        schema_version=TRAINING_RUN_SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        work_dir=work_dir,
        equal=all(segment.parts_at is None for segment in segments),
        segments=segments,
    )


class _Comparing:
    """The plans of one work directory, each made once."""

    def __init__(self, work_dir: str, config: str | None, request: Request, options: PlanOptions) -> None:
        self._work_dir, self._config, self._request, self._options = work_dir, config, request, options
        self._built: dict[str, tuple[Any, GroupMap]] = {}
        self._plans: dict[tuple[str, RunLength], _Plan] = {}

    def segment(self, index: int, stamps: Sequence[Stamp]) -> Segment:
        """One start of the training, compared."""
        stamp = stamps[index]
        path = self._config or stamp.config
        if path is None:
            remedy = f"name the config: lrdecay run {self._work_dir} CONFIG"
            raise LrdecayError(f"has no dumped config of {stamp.name}", where=self._work_dir, remedy=remedy)
        observed, told = self._observed(stamp)
        plan = self._plan(path, stamp.lines, observed, told, self._options)
        lrs = plan.lrs()
        curves = logged_curves(stamp.lines, lrs)
        if not curves:
            logged = ", ".join(sorted({key for line in stamp.lines for key in line.lrs}))
            problem = f"logs {logged}, and {path} would log {', '.join(lrs.groups)}"
            raise LrdecayError(
                problem, where=f"{self._work_dir}/{stamp.log}", remedy="give the config of this training"
            )
        partings = [curve.parts_at for curve in curves if curve.parts_at is not None]
        return Segment(
            name=stamp.name,
            config=plan.group_map.config,
            log=stamp.log.as_posix(),
            first=stamp.lines[0].iteration,
            last=stamp.lines[-1].iteration,
            planned_iterations=plan.length.steps,
            iterations_per_epoch=plan.length.iterations_per_epoch,
            told=plan.length.told,
            gpus=stamp.gpus,
            resumed=self._is_resumed(stamp),
            curves=curves,
            parts_at=min(partings, default=None),
            causes=tuple(self._causes(index, stamps, plan, curves, observed, told)) if partings else (),
        )

    def _observed(self, stamp: Stamp) -> tuple[int | None, str]:
        """Iterations of an epoch of the run that was, and where that is from."""
        if stamp.iterations_per_epoch is not None:
            return stamp.iterations_per_epoch, "the log"
        from lrdecay_cli.openmmlab.checkpoints.saved_groups import progress_of

        for path in checkpoints(self._work_dir):
            with suppress(LrdecayError):
                progress = progress_of(path)
                if progress and progress.iterations_per_epoch and progress.iteration > stamp.lines[0].iteration:
                    return progress.iterations_per_epoch, Path(path).name
        return None, ""

    def _plan(
        self, path: str, lines: Sequence[LogLine], observed: int | None, told: str, options: PlanOptions | None
    ) -> _Plan:
        """The plan of a config: with an epoch as the options say, else as the run had it."""
        planned, group_map = self._build(path)
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
                raise LrdecayError(problem, where=self._work_dir, remedy="give --iters-per-epoch N")
            length = run_length(plan, iterations_per_epoch=observed)
            length = msgspec.structs.replace(length, told=told or length.told)
        if (path, length) not in self._plans:
            with fast_start.shortcuts(verbose=self._request.verbose), stdout_kept_clean():
                from lrdecay_cli.openmmlab.schedulers.running import run_schedule

                run = run_schedule(planned, group_map, length, verbose=self._request.verbose)
            self._plans[path, length] = _Plan(path, planned, group_map, length, run)
        return self._plans[path, length]

    def _build(self, path: str) -> tuple[Any, GroupMap]:
        if path not in self._built:
            check_config(path)
            # Overrides are of the config that the user names: a dumped one has its own.
            request = self._request
            if path != self._config and request.cfg_options:
                request = Request.of((), request.device, verbose=request.verbose, exact=request.exact, no_cache=True)
            (group_map,) = group_maps_of((path,), request)
            with fast_start.shortcuts(verbose=request.verbose), stdout_kept_clean():
                from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

                planned = load_plan(path, cfg_options=request.cfg_options, verbose=request.verbose)
            self._built[path] = planned, group_map
        return self._built[path]

    def _causes(
        self,
        index: int,
        stamps: Sequence[Stamp],
        plan: _Plan,
        curves: Sequence[LoggedCurve],
        observed: int | None,
        told: str,
    ) -> Iterator[PartingCause]:
        """Why a log parts from its plan: each cause is added to those before it, until they give every logged lr."""
        stamp = stamps[index]
        lines, base = stamp.lines, plan
        if observed and plan.plan.by_epoch and plan.length.iterations_per_epoch not in (None, observed):
            base = self._plan(plan.path, lines, observed, told, None)
            proven = agrees(lines, base.lrs())
            gpus = self._gpus_of_epoch(plan.plan, observed)
            yield PartingCause("iterations per epoch", proven, gpus=gpus, iterations_per_epoch=observed)
            if proven:
                return
        if stamp.config and stamp.config != plan.path:
            dumped = self._plan(stamp.config, lines, observed, told, None if observed else self._options)
            settings = differing_settings(plan.deciding(), dumped.deciding())
            if settings:
                base, proven = dumped, agrees(lines, dumped.lrs())
                yield PartingCause("config", proven, name=stamp.config, settings=settings)
                if proven:
                    return
        lrs = base.lrs()
        factor, gpus = self._scaling(stamp, base)
        if factor is not None and agrees(lines, scaled(lrs, factor)):
            yield PartingCause("auto_scale_lr", True, factor=factor, gpus=gpus)
            return
        if self._is_resumed(stamp):
            for earlier in reversed(stamps[:index]):
                if earlier.config and earlier.config != stamp.config:
                    before = self._plan(earlier.config, lines, observed, told, None).lrs(beyond=True)
                    if agrees(lines, scaled(before, factor or 1.0)):
                        yield PartingCause("resume", True, name=earlier.name)
                        return
        causes = list(self._dry_run_causes(stamp, base, lrs, factor, gpus))
        ratio = constant_ratio(logged_curves(lines, lrs))
        if not causes and ratio is not None:
            causes.append(PartingCause("factor", True, factor=ratio))
        yield from causes or [PartingCause("unknown", False)]

    def _scaling(self, stamp: Stamp, base: _Plan) -> tuple[float | None, int]:
        """What auto_scale_lr multiplied every lr by, None where it is off; and the number of GPUs."""
        plan = base.plan
        if not plan.auto_scale_lr or not plan.base_batch_size or not plan.batch_size:
            return None, stamp.gpus or 1
        gpus = stamp.gpus
        if gpus is None:
            ratio = constant_ratio(logged_curves(stamp.lines, base.lrs())) or 0.0
            gpus = max(1, round(ratio * plan.base_batch_size / plan.batch_size))
        # In the order of mmengine 0.10.7, ``Runner.scale_lr``.
        return gpus * plan.batch_size / plan.base_batch_size, gpus

    def _gpus_of_epoch(self, plan: TrainingPlan, observed: int) -> int | None:
        """How many GPUs make an epoch as long as it was, where the size of the dataset is known."""
        size = self._options.dataset_size
        if size is None or not plan.batch_size:
            return None
        return next(
            (g for g in range(1, 4097) if run_length(plan, dataset_size=size, gpus=g).iterations_per_epoch == observed),
            None,
        )

    def _dry_run_causes(
        self, stamp: Stamp, base: _Plan, lrs: PlannedLrs, factor: float | None, gpus: int
    ) -> Iterator[PartingCause]:
        """What a dry run of the config finds, with the resume that the log shows; nothing where it cannot be run."""
        checkpoint = self._resumed_from(stamp, base)
        logged: list[tuple[int, list[float | None]]] = []
        used: list[tuple[int, list[float | None]]] = []
        try:
            with fast_start.shortcuts(verbose=self._request.verbose), stdout_kept_clean():
                from lrdecay_cli.openmmlab.dry_run import dry_run

                run, group_map = dry_run(
                    base.planned,
                    base.length,
                    batch_size=base.plan.batch_size or 1,
                    gpus=gpus,
                    resume=checkpoint,
                    trace=used,
                    logged=logged,
                    verbose=self._request.verbose,
                )
        except LrdecayError:
            return
        proven = agrees(stamp.lines, dry_run_lrs(logged, used, lrs, group_map, base.length.steps))
        if factor not in (None, 1.0) and proven:
            yield PartingCause("auto_scale_lr", True, factor=factor, gpus=gpus)
        acting = [cause for cause in _hooks(run, lrs) if cause.iteration <= stamp.lines[-1].iteration]
        yield from (PartingCause("hook", proven, name=name) for name in dict.fromkeys(each.name for each in acting))
        if not run.steps_schedulers and base.plan.schedulers:
            yield PartingCause("schedulers not stepped", proven)
        elif checkpoint and proven and not acting:
            yield PartingCause("resume", True, name=checkpoint)

    def _is_resumed(self, stamp: Stamp) -> bool:
        if stamp.config is None:
            return (stamp.lines[0].epoch or 1) > 1
        return bool(self._build(stamp.config)[0].config.get("resume")) or (stamp.lines[0].epoch or 1) > 1

    def _resumed_from(self, stamp: Stamp, base: _Plan) -> str | None:
        """The checkpoint that a start of the training resumed from; None if it did not, or it is no longer there."""
        if not self._is_resumed(stamp):
            return None
        from lrdecay_cli.openmmlab.checkpoints.saved_groups import progress_of

        dumped = self._build(stamp.config)[0].config if stamp.config else base.planned.config
        named = dumped.get("load_from")
        places = [named, f"{self._work_dir}/{Path(named).name}"] if isinstance(named, str) else []
        for path in [*places, *checkpoints(self._work_dir)]:
            with suppress(LrdecayError):
                progress = progress_of(path) if Path(path).is_file() else None
                if progress and progress.iteration <= stamp.lines[0].iteration:
                    return path
        return None


def _hooks(run: DryRun, lrs: PlannedLrs) -> Iterator[Any]:
    """What hooks did to the lrs that are logged."""
    logged = {*lrs.groups.values()}
    yield from (
        cause for group in run.groups if group.name in logged for cause in group.causes if cause.stage == "hook"
    )


def _counts(plan: TrainingPlan) -> bool:
    """Whether a scheduler depends on how many iterations an epoch has, or the run."""
    return any(
        settings.get("convert_to_iter_based") or (not settings.get("by_epoch", True) and "end" not in settings)
        for _, settings in plan.schedulers
    )
