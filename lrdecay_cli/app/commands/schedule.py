"""The command ``lrdecay schedule``."""

from __future__ import annotations

from typing import Annotated

from lrdecay_cli.app.shell.options import (
    BuildOptions,
    DatasetSize,
    ItersPerEpoch,
    OutputOptions,
    TrainingConfig,
    Whole,
    expanded,
    option,
)


@expanded(without=("jobs", "named_by", "device", "isolate"), first=("format_name", "output"))
def schedule(
    config: TrainingConfig,
    iters_per_epoch: ItersPerEpoch = None,
    dataset_size: DatasetSize = None,
    every: Annotated[
        Whole, option("--every", "N", "Write only every N-th iteration to CSV, JSON and charts.", at_least=1)
    ] = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Show the lr of every group over the run.

    Builds the config's schedulers as mmengine's Runner does, and steps them through the whole run. The optimizer has
    the real groups with stub parameters. If a hook may set an lr, lrdecay dry-runs the whole training loop with all
    hooks. No model is trained.

    \b
    lrdecay schedule config.py --iters-per-epoch 7330
    lrdecay schedule config.py --dataset-size 117266 --gpus 8 --output svg=lr.svg
    """
    from lrdecay_cli.analysis.scheduling.report import schedule_report
    from lrdecay_cli.app.requests.scheduling import scheduled

    destinations = output.destinations()
    request = build.request()
    if destinations.repeatable and not build.verbose:
        request.caching.begin_result()
    found, plan, findings = scheduled(
        config, request, iterations_per_epoch=iters_per_epoch, dataset_size=dataset_size, every=every
    )
    text = destinations.write(schedule_report(found, plan, verbose=build.verbose, findings=findings))
    request.caching.cache_result(text, 0)
