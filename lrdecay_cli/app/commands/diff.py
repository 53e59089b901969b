"""``lrdecay diff``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, ItersPerEpoch, OutputOptions, Texts, argument, expanded, option

_HELP = (
    "A config, an exported map (.json), a checkpoint (.pth) or a work_dir (its last checkpoint); - is a map on stdin."
)


@expanded(without=("jobs",))
def diff(
    before: Annotated[str, argument("A", _HELP, completion.configs_and_checkpoints)],
    after: Annotated[str, argument("B", _HELP, completion.configs_and_checkpoints)],
    rtol: Annotated[float, option("--rtol", "R", "Relative tolerance for lr, lr scale and weight decay.")] = 0.0,
    only: Annotated[
        Texts,
        option(
            "--only", "ASPECT,...", "Compare only lr, lr_scale, weight_decay, group, ...", complete=completion.aspects
        ),
    ] = None,
    iters_per_epoch: ItersPerEpoch = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Compare the parameter groups of two configs or exported maps.

    Parameter by parameter. Exit code 0 if they are the same, 1 if they differ, 2 if they could not be compared. Two
    maps are compared without torch. A config and a checkpoint are also compared by the lrs that are to come where the
    training resumes.

    \b
    lrdecay diff baseline.json config.py
    lrdecay diff baseline.json map.json --only lr,weight_decay --rtol 1e-6
    """
    from lrdecay_cli.analysis.comparing.report import check_aspects, comparison
    from lrdecay_cli.app.requests.resuming import coming_of
    from lrdecay_cli.app.requests.sources import compared_maps, origins_of
    from lrdecay_cli.app.shell import CLEAN, DIFFERENT

    destinations = output.destinations()
    aspects = check_aspects(only, rtol)
    request = build.request()
    maps = compared_maps(before, after, request)
    coming = coming_of((before, after), maps, request, iterations_per_epoch=iters_per_epoch, rtol=rtol)
    origins = (origins_of(before, request), origins_of(after, request))
    result = comparison(*maps, rtol=rtol, only=aspects, verbose=build.verbose, coming=coming, origins=origins)
    destinations.write(result)
    raise typer.Exit(CLEAN if result.document.identical else DIFFERENT)
