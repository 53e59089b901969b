"""The command ``lrdecay run``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import (
    BuildOptions,
    DatasetSize,
    ItersPerEpoch,
    OutputOptions,
    Whole,
    argument,
    expanded,
    option,
)


@expanded(
    without=("jobs", "named_by", "device", "isolate", "batch_size", "auto_scale_lr"), first=("format_name", "output")
)
def run(
    work_dir: Annotated[str, argument("WORK_DIR", "The work_dir of a training run.", completion.folders)],
    config: Annotated[
        Optional[str],  # noqa: UP045
        argument(
            "[CONFIG]",
            "The config to compare with. [default: the config that the training saved in WORK_DIR]",
            completion.configs,
        ),
    ] = None,
    iters_per_epoch: ItersPerEpoch = None,
    dataset_size: DatasetSize = None,
    gpus: Annotated[
        Whole, option("--gpus", "N", "Number of GPUs of the plan. [default: from the log; else 1]", at_least=1)
    ] = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Compare the lrs in a training's log with the planned lrs.

    The config and its schedulers give the planned lrs. The report shows the first iteration with another lr, the logged
    lr divided by the planned lr, and the cause. The command also works during the training. The exit code is 0 if the
    lrs are equal, 1 if they differ, and 2 if they cannot be compared.

    \b
    lrdecay run work_dirs/mine
    lrdecay run work_dirs/mine config.py --dataset-size 117266 --gpus 8
    """
    from lrdecay_cli.analysis.running.report import training_run_report
    from lrdecay_cli.app.requests.run_plans import PlanOptions
    from lrdecay_cli.app.requests.runs import training_run
    from lrdecay_cli.app.shell import CLEAN, DIFFERENT

    destinations = output.destinations()
    found = training_run(work_dir, config, build.request(), PlanOptions(iters_per_epoch, dataset_size, gpus))
    destinations.write(training_run_report(found, verbose=build.verbose))
    raise typer.Exit(CLEAN if found.equal else DIFFERENT)
