"""Compute the schedule of a config: get its groups, load its schedulers, and step them through the run."""

from __future__ import annotations

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.analysis.scheduling.summary import schedule_of
from lrdecay_cli.app.requests.sources import Request, group_maps_of, is_map
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.checking.embedded_findings import SCHEDULED, findings_among
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.schedule import Schedule, TrainingPlan
from lrdecay_cli.files.config_path import is_checkpoint
from lrdecay_cli.openmmlab.availability import check_config
from lrdecay_cli.processes.streams import stdout_to_stderr


def check_is_config(source: str, reason: str) -> None:
    """Raise LrdecayError if ``source`` is a checkpoint or a group map. ``reason`` is appended to the message."""
    if is_map(source) or is_checkpoint(source):
        kind = "checkpoint" if is_checkpoint(source) else "group map"
        raise LrdecayError(f"the file is a {kind}; {reason}", where=source, fix="give the config")


def scheduled(
    config: str,
    request: Request,
    *,
    iterations_per_epoch: int | None,
    dataset_size: int | None,
    every: int | None,
) -> tuple[Schedule, TrainingPlan, tuple[Finding, ...]]:
    """Return the schedule of ``config`` over the whole run, its training plan, and the findings about schedulers.

    ``request`` contains the options for building the config. For the other arguments see :func:`run_length` and
    :func:`schedule_of`.

    Raises:
        LrdecayError: the config cannot be built, or one of these two functions raises this error.
    """
    check_is_config(config, "schedule needs a config")
    check_config(config)
    # Before the plan is loaded: loading changes what the cache key depends on.
    (group_map,) = group_maps_of((config,), request)
    with fast_start.shortcuts(verbose=request.verbose), stdout_to_stderr():
        from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

        planned = load_plan(config, cfg_options=request.cfg_options, verbose=request.verbose, launch=request.launch)
    length = run_length(
        planned.plan,
        iterations_per_epoch=iterations_per_epoch,
        dataset_size=dataset_size,
        gpus=request.launch.world_size,
    )
    with fast_start.shortcuts(verbose=request.verbose), stdout_to_stderr():
        from lrdecay_cli.openmmlab.schedulers.lr_hooks import lr_hooks

        if lr_hooks(planned.config):
            from lrdecay_cli.openmmlab.dry_run.following import follow_training

            batch_size = planned.plan.batch_size or 1
            run = follow_training(
                planned, length, batch_size=batch_size, launch=request.launch, verbose=request.verbose
            )
        else:
            from lrdecay_cli.openmmlab.schedulers.running import run_schedule

            run = run_schedule(planned, group_map, length, verbose=request.verbose)
    return (
        schedule_of(run, planned.plan, length, group_map, every=every),
        planned.plan,
        findings_among(group_map, SCHEDULED),
    )
