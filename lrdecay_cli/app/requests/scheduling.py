"""The schedule of a config: its groups (cached or built), then its plan, then the run of its schedulers."""

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
    """Raise LrdecayError if ``source`` is a checkpoint or a group map; ``reason`` says why that is not enough."""
    if is_map(source) or is_checkpoint(source):
        what = "checkpoint" if is_checkpoint(source) else "group map"
        raise LrdecayError(f"is a {what}; {reason}", where=source, fix="give the config")


def scheduled(
    config: str,
    request: Request,
    *,
    iterations_per_epoch: int | None,
    dataset_size: int | None,
    every: int | None,
) -> tuple[Schedule, TrainingPlan, tuple[Finding, ...]]:
    """Run the schedulers of ``config`` through the whole training, and apply the rules about schedulers.

    ``request`` says how the config is built; the other arguments and the errors are those of :func:`run_length` and
    :func:`schedule_of`. Raises LrdecayError also for a config that cannot be built.
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
