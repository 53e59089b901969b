"""``lrdecay dry-run``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, expanded

_Whole = Optional[int]  # noqa: UP045


@expanded(without=("jobs", "named_by", "device", "isolate", "exact", "no_cache"))
def dry_run(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            autocompletion=completion.configs,
            help="A config (.py, .json, .yaml), or mmdet::PATH for one of MMDetection's own.",
        ),
    ],
    iters_per_epoch: Annotated[
        _Whole,
        typer.Option(
            "--iters-per-epoch", metavar="N", min=1, help="Iterations of an epoch, as the training log shows."
        ),
    ] = None,
    dataset_size: Annotated[
        _Whole,
        typer.Option(
            "--dataset-size",
            metavar="N",
            min=1,
            help="Training samples (after filtering), by which these are computed.",
        ),
    ] = None,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", min=1, help="GPUs that train.")] = 1,
    batch_size: Annotated[
        _Whole,
        typer.Option("--batch-size", metavar="N", min=1, help="Samples in a batch of one GPU. [default: the config's]"),
    ] = None,
    auto_scale_lr: Annotated[
        bool, typer.Option("--auto-scale-lr", help="Switch the config's auto_scale_lr on, as tools/train.py does.")
    ] = False,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--resume",
            metavar="CHECKPOINT",
            autocompletion=completion.configs_and_checkpoints,
            help="Resume from this checkpoint (.pth); nothing in it is run.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="Iterations in which the optimizer takes real steps.")
    ] = 3,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            autocompletion=completion.severities,
            help="Exit with 1 from error, warning or info up.",
        ),
    ] = "error",
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Run the training loop without data, and show which lr trains.

    mmengine's own Runner, hooks, schedulers and optimizer go through the whole training on a model without weights: no
    data, no GPU, nothing written. Hooks that need what is not there are left out and named.

    \b
    lrdecay dry-run config.py --iters-per-epoch 7330
    lrdecay dry-run config.py --dataset-size 117266 --gpus 8 --auto-scale-lr
    lrdecay dry-run config.py --iters-per-epoch 7330 --resume epoch_3.pth
    """
    from lrdecay_cli.analysis.dry_runs import dry_run_report
    from lrdecay_cli.app.requests.dry_runs import RunOptions, dry_run_of
    from lrdecay_cli.checking.reporting import check_severity, sections_of, summary_of

    destinations = output.destinations()
    options = RunOptions(iters_per_epoch, dataset_size, gpus, batch_size, auto_scale_lr, resume, steps)
    run, result = dry_run_of(config, build.request(), options, check_severity(fail_on))
    destinations.write(dry_run_report(run, sections_of(result, build.verbose), summary_of(result)))
    raise typer.Exit(1 if result.failing() else 0)
