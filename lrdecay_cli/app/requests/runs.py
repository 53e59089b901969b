"""Compare the logged lrs of each start of a training with the planned lrs, and find the causes of differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from lrdecay_cli import __version__
from lrdecay_cli.analysis.running.comparison import (
    PlannedLrs,
    agrees,
    constant_ratio,
    differing_settings,
    dry_run_lrs,
    logged_curves,
)
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.app.requests.run_plans import Plan, PlanOptions, Plans
from lrdecay_cli.app.requests.scheduling import check_is_config
from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.decay.batch_scaling import MOST_GPUS
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.schedule import TrainingPlan
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.domain.training_run import (
    TRAINING_RUN_SCHEMA_VERSION,
    LoggedCurve,
    PartingCause,
    Segment,
    TrainingRun,
)
from lrdecay_cli.files.work_dir import Stamp, read_stamps
from lrdecay_cli.processes.streams import stdout_to_stderr


def training_run(work_dir: str, config: str | None, request: Request, options: PlanOptions) -> TrainingRun:
    """Compare the logged lrs of a training with the lrs that its config plans.

    Args:
        work_dir: the work directory of the training.
        config: the config to compare with; None to use the config that mmengine dumped at each start.
        request: options for building configs.
        options: command-line options for the number of iterations per epoch and of GPUs. By default, the two numbers
            come from the log or a checkpoint.

    Raises:
        LrdecayError: the log or the config is missing, the config does not build, or the number of iterations per
            epoch is unknown.
    """
    stamps = read_stamps(work_dir)
    if config is not None:
        check_is_config(config, "lrdecay run needs a config to compare the training with")
    elif request.cfg_options:
        raise LrdecayError("there is no config to override", where="--cfg-options", fix="give WORK_DIR and CONFIG")
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
    """Compares the logged lrs of one training with the planned lrs, and finds the causes of differences."""

    def __init__(self, work_dir: str, config: str | None, request: Request, options: PlanOptions) -> None:
        self._work_dir, self._config, self._request = work_dir, config, request
        self._plans = Plans(work_dir, config, request, options)

    def segment(self, index: int, stamps: list[Stamp]) -> Segment:
        """Compare the logged lrs of one start of the training with the planned lrs."""
        stamp = stamps[index] = self._plans.without_statistics(stamps[index])
        path = self._config or stamp.config
        if path is None:
            fix = f"name the config: lrdecay run {self._work_dir} CONFIG"
            problem = f"mmengine dumped no config when the training started ({stamp.name})"
            raise LrdecayError(problem, where=self._work_dir, fix=fix)
        observed, length_source = self._plans.observed(stamp, path)
        launch = self._plans.launch_of(stamp)
        plan = self._plans.of(path, stamp.lines, observed, length_source, self._plans.options, launch)
        lrs = plan.lrs()
        curves = logged_curves(stamp.lines, lrs)
        if not curves:
            logged = ", ".join(sorted({key for line in stamp.lines for key in line.lrs}))
            problem = f"logs {logged}, but {path} would log {', '.join(lrs.groups)}"
            raise LrdecayError(problem, where=f"{self._work_dir}/{stamp.log}", fix="give the config of this training")
        partings = [curve.parts_at for curve in curves if curve.parts_at is not None]
        return Segment(
            name=stamp.name,
            config=plan.group_map.config,
            log=stamp.log.as_posix(),
            first=stamp.lines[0].iteration,
            last=stamp.lines[-1].iteration,
            planned_iterations=plan.length.steps,
            iterations_per_epoch=plan.length.iterations_per_epoch,
            iterations_per_epoch_from=plan.length.source,
            gpus=stamp.gpus,
            resumed=self._plans.is_resumed(stamp),
            batch=plan.group_map.batch,
            curves=curves,
            parts_at=min(partings, default=None),
            causes=tuple(self._causes(index, stamps, plan, curves, observed, length_source)) if partings else (),
        )

    def _causes(
        self,
        index: int,
        stamps: Sequence[Stamp],
        plan: Plan,
        curves: Sequence[LoggedCurve],
        observed: int | None,
        length_source: str,
    ) -> Iterator[PartingCause]:
        """Yield the causes of a difference between the logged and the planned lrs.

        Possible causes, such as another config, are tested one after another. For each cause, the planned lrs are
        computed again as if the cause were true. The search ends when these lrs equal all logged lrs.
        """
        stamp = stamps[index]
        lines, base, launch = stamp.lines, plan, self._plans.launch_of(stamp)
        if observed and plan.plan.by_epoch and plan.length.iterations_per_epoch not in (None, observed):
            base = self._plans.of(plan.path, lines, observed, length_source, None, launch)
            proven = agrees(lines, base.lrs())
            gpus = self._gpus_of_epoch(plan.plan, observed)
            yield PartingCause("iterations per epoch", proven, gpus=gpus, iterations_per_epoch=observed)
            if proven:
                return
        if stamp.config and stamp.config != plan.path:
            dumped = self._plans.of(
                stamp.config, lines, observed, length_source, None if observed else self._plans.options, launch
            )
            settings = differing_settings(plan.deciding(), dumped.deciding())
            if settings:
                base, proven = dumped, agrees(lines, dumped.lrs())
                yield PartingCause("config", proven, name=stamp.config, settings=settings)
                if proven:
                    return
        gpus, batch = self._gpus(stamp, base), base.group_map.batch
        scaling = base.plan.auto_scale_lr
        if base.plan.base_batch_size and base.plan.batch_size and not (scaling and batch and gpus == batch.gpus):
            other = Launch(gpus, auto_scale_lr=not scaling)
            options = None if observed else self._plans.options
            there = self._plans.of(base.path, lines, observed, length_source, options, other)
            if agrees(lines, there.lrs()):
                yield PartingCause("auto_scale_lr", True, factor=there.group_map.lr_factor, gpus=gpus)
                return
        lrs = base.lrs()
        for earlier in reversed(stamps[:index] if self._plans.is_resumed(stamp) else ()):
            # A config that no longer builds explains nothing.
            with suppress(LrdecayError):
                # Its own number of GPUs: mmengine restores the lrs that it scaled then.
                before = Launch(earlier.gpus or gpus)
                path = earlier.config or plan.path
                if agrees(lines, self._plans.of(path, lines, observed, length_source, None, before).lrs(beyond=True)):
                    yield PartingCause("resume", True, name=earlier.name)
                    return
        causes = list(self._dry_run_causes(stamp, base, lrs, gpus))
        ratio = constant_ratio(logged_curves(lines, lrs))
        if not causes and ratio is not None:
            causes.append(PartingCause("factor", True, factor=ratio))
        yield from causes or [PartingCause("unknown", False)]

    def _gpus(self, stamp: Stamp, base: Plan) -> int:
        """Return the number of GPUs of the logged training.

        If there is no text log, the number follows from the first logged lr of a group, as if ``auto_scale_lr`` had
        scaled it.
        """
        plan = base.plan
        curves = logged_curves(stamp.lines, base.lrs())
        first = next(((c.logged[0], c.planned[0]) for c in curves if c.group is not None), (None, None))
        if stamp.gpus or not plan.base_batch_size or not plan.batch_size or not first[0] or not first[1]:
            return stamp.gpus or self._plans.launch_of(stamp).world_size
        factor = first[0] / first[1] * base.group_map.lr_factor
        return min(max(1, round(factor * plan.base_batch_size / plan.batch_size)), MOST_GPUS)

    def _gpus_of_epoch(self, plan: TrainingPlan, observed: int) -> int | None:
        """Return the number of GPUs with which an epoch has ``observed`` iterations.

        None if there is no such number, or if the size of the dataset is unknown.
        """
        size = self._plans.options.dataset_size
        if size is None or not plan.batch_size:
            return None
        return next(
            (
                g
                for g in range(1, MOST_GPUS + 1)
                if run_length(plan, dataset_size=size, gpus=g).iterations_per_epoch == observed
            ),
            None,
        )

    def _dry_run_causes(self, stamp: Stamp, base: Plan, lrs: PlannedLrs, gpus: int) -> Iterator[PartingCause]:
        """Yield the causes that a dry run of the config finds, such as ``auto_scale_lr`` and hooks that set an lr.

        If the logged training was resumed, the dry run resumes from the same checkpoint. Yields nothing if the dry run
        fails.
        """
        checkpoint = self._plans.resumed_from(stamp, base)
        logged: list[tuple[int, list[float | None]]] = []
        used: list[tuple[int, list[float | None]]] = []
        try:
            with fast_start.shortcuts(verbose=self._request.verbose), stdout_to_stderr():
                from lrdecay_cli.openmmlab.dry_run import dry_run

                training = dry_run(
                    base.planned,
                    base.length,
                    batch_size=base.plan.batch_size or 1,
                    launch=Launch(gpus),
                    resume=checkpoint,
                    trace=used,
                    logged=logged,
                    verbose=self._request.verbose,
                )
        except LrdecayError:
            return
        run = training.record
        proven = agrees(stamp.lines, dry_run_lrs(logged, used, lrs, training.group_map, base.length.steps))
        batch = base.group_map.batch
        if run.lr_factor is not None and batch and run.lr_factor != batch.lr_factor and proven:
            yield PartingCause("auto_scale_lr", True, factor=run.lr_factor, gpus=gpus)
        acting = [cause for cause in _hook_changes(run, lrs) if cause.iteration <= stamp.lines[-1].iteration]
        yield from (PartingCause("hook", proven, name=name) for name in dict.fromkeys(each.name for each in acting))
        if not run.steps_schedulers and base.plan.schedulers:
            yield PartingCause("schedulers not stepped", proven)
        elif checkpoint and proven and not acting:
            yield PartingCause("resume", True, name=checkpoint)


def _hook_changes(run: DryRun, lrs: PlannedLrs) -> Iterator[Any]:
    """Yield each change that a hook made to an lr in the log."""
    logged = {*lrs.groups.values()}
    yield from (
        cause for group in run.groups if group.name in logged for cause in group.causes if cause.stage == "hook"
    )
