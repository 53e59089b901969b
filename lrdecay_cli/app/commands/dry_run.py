"""The command ``lrdecay dry-run``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import (
    BuildOptions,
    DatasetSize,
    FailOn,
    ItersPerEpoch,
    OutputOptions,
    Text,
    TrainingConfig,
    expanded,
    option,
)


@expanded(without=("jobs", "named_by", "device", "isolate", "exact", "no_cache"))
def dry_run(
    config: TrainingConfig,
    iters_per_epoch: ItersPerEpoch = None,
    dataset_size: DatasetSize = None,
    resume: Annotated[
        Text,
        option(
            "--resume",
            "CHECKPOINT",
            "Resume from this checkpoint (.pth), without running code in it.",
            complete=completion.configs_and_checkpoints,
        ),
    ] = None,
    steps: Annotated[
        int, option("--steps", "N", "Number of iterations in which the optimizer takes real steps.", at_least=1)
    ] = 3,
    fail_on: FailOn = "error",
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Run the training loop without data; show the lr of each group.

    mmengine's own Runner, hooks, schedulers and optimizer run the whole training on a model without weights. The report
    also shows which parameters train. The dry run needs no data and no GPU, and writes no files. If a hook's
    dependencies are missing, the dry run omits the hook and lists it.

    \b
    lrdecay dry-run config.py --iters-per-epoch 7330
    lrdecay dry-run config.py --dataset-size 117266 --gpus 8 --auto-scale-lr
    lrdecay dry-run config.py --iters-per-epoch 7330 --resume epoch_3.pth
    """
    from lrdecay_cli.analysis.dry_runs import dry_run_report
    from lrdecay_cli.app.requests.dry_runs import RunOptions, dry_run_of
    from lrdecay_cli.checking.reporting import check_severity, sections_of, summary_of

    destinations = output.destinations()
    options = RunOptions(iters_per_epoch, dataset_size, resume, steps)
    run, result = dry_run_of(config, build.request(), options, check_severity(fail_on))
    destinations.write(dry_run_report(run, sections_of(result, build.verbose), summary_of(result)))
    raise typer.Exit(1 if result.failing() else 0)
