"""Dry-run the training of a config, and apply the rules about dry runs."""

from __future__ import annotations

from typing import NamedTuple

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.app.requests.scheduling import check_is_config
from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.checking.placing import placed
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity
from lrdecay_cli.files.config_text import comment_suppressions
from lrdecay_cli.openmmlab.availability import check_config
from lrdecay_cli.processes.streams import stdout_to_stderr
from lrdecay_cli.rules import RULES


class RunOptions(NamedTuple):
    """Options of ``dry-run`` about the training, which the config does not contain."""

    iterations_per_epoch: int | None
    dataset_size: int | None
    resume: str | None
    """The checkpoint to resume from."""
    steps: int
    """Number of iterations in which the optimizer takes real steps."""


def dry_run_of(config: str, request: Request, options: RunOptions, fail_on: Severity) -> tuple[DryRun, CheckResult]:
    """Dry-run the training of ``config``; return its record and the findings of the rules about dry runs (LRD8xx).

    Raises:
        LrdecayError: the config is missing, does not build, or has no auto_scale_lr to switch on; or the length of
            the run is unknown.
    """
    check_is_config(config, "dry-run needs a config")
    check_config(config)
    with fast_start.shortcuts(verbose=request.verbose), stdout_to_stderr():
        from lrdecay_cli.openmmlab.dry_run import dry_run
        from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

        launch = request.launch
        planned = load_plan(config, cfg_options=request.cfg_options, verbose=request.verbose, launch=launch)
        if planned.plan.batch_size is None:
            raise LrdecayError("the config has no train_dataloader.batch_size", where=config, fix="give --batch-size N")
        length = run_length(
            planned.plan,
            iterations_per_epoch=options.iterations_per_epoch,
            dataset_size=options.dataset_size,
            gpus=launch.world_size,
        )
        training = dry_run(
            planned,
            length,
            batch_size=planned.plan.batch_size,
            launch=launch,
            steps=options.steps,
            resume=options.resume,
            verbose=request.verbose,
        )
    result = check_maps(
        [training.group_map],
        [rule for rule in RULES if rule.code.startswith("LRD8")],
        comments={config: comment_suppressions(config)},
        dry_runs={config: training.record},
        fail_on=fail_on,
    )
    return training.record, placed(result, (config,), request.cfg_options)
