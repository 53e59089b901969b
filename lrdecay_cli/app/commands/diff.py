"""The command ``lrdecay diff``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, ItersPerEpoch, OutputOptions, Texts, argument, expanded, option

if TYPE_CHECKING:
    from lrdecay_cli.app.requests.sources import Request
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.domain.change import Aspect

_HELP = (
    "A config, an exported map (.json), a checkpoint (.pth) or a work_dir (its last checkpoint); - is a map on stdin."
)
_TARGETS_HELP = "With --stacks, the configs to build in both environments: files, directories, globs or mmdet::DIR."
_STACKS_HELP = "A and B are Python environments (folder or python), JSON files of scans, or folders of group maps."


@expanded(first=("before", "after", "targets", "stacks"))
def diff(
    before: Annotated[str, argument("A", _HELP, completion.configs_and_checkpoints)],
    after: Annotated[str, argument("B", _HELP, completion.configs_and_checkpoints)],
    targets: Annotated[Texts, argument("[TARGET...]", _TARGETS_HELP, completion.configs)] = None,
    stacks: Annotated[bool, typer.Option("--stacks", help=_STACKS_HELP)] = False,
    rtol: Annotated[float, option("--rtol", "R", "Relative tolerance for lr, lr scale and weight decay.")] = 0.0,
    only: Annotated[
        Texts,
        option(
            "--only",
            "ASPECT,...",
            "Compare only these aspects: lr, lr_scale, weight_decay, group, ...",
            complete=completion.aspects,
        ),
    ] = None,
    by: Annotated[
        str,
        option(
            "--by",
            "ROWS",
            "Show one row per parameter, layer or module.",
            complete=completion.groupings,
        ),
    ] = "parameter",
    iters_per_epoch: ItersPerEpoch = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Compare the parameter groups of two configs or exported maps.

    Every parameter is compared. For a config and a checkpoint, the future lrs of a resumed training are compared too.
    The exit code is 0 if the groups are the same, 1 if they differ, and 2 if they could not be compared. Comparing two
    maps needs no torch.

    With --stacks, A and B are Python environments. The Python of each environment builds every config. The report lists
    the configs with different groups, by cause. lrdecay installs and writes nothing in the environments. A config that
    builds in only one environment counts as a difference.

    \b
    lrdecay diff baseline.json config.py
    lrdecay diff baseline.json map.json --only lr,weight_decay --rtol 1e-6
    lrdecay diff --stacks venv-old/ venv-new/ mmdet::
    """
    from lrdecay_cli.analysis.comparing.parts import check_grouping
    from lrdecay_cli.analysis.comparing.report import check_aspects, comparison
    from lrdecay_cli.app.requests.resuming import coming_of
    from lrdecay_cli.app.requests.sources import compared_maps, origins_of
    from lrdecay_cli.app.shell import CLEAN, DIFFERENT
    from lrdecay_cli.domain.errors import LrdecayError

    destinations = output.destinations()
    aspects = check_aspects(only, rtol)
    grouping = check_grouping(by)
    request = build.request()
    if stacks:
        if grouping != "parameter":
            raise LrdecayError("cannot be combined with --stacks", where="--by", fix="remove --by")
        _compare_stacks((before, after), targets or (), request, build, destinations, rtol, aspects, iters_per_epoch)
    if targets:
        raise LrdecayError(
            "diff compares two sources, and this is a third one",
            where=targets[0],
            fix="remove this source, or add --stacks to build it in the environments A and B",
        )
    if build.jobs:
        raise LrdecayError("needs --stacks", where="--jobs", fix="remove --jobs")
    maps = compared_maps(before, after, request)
    coming = coming_of((before, after), maps, request, iterations_per_epoch=iters_per_epoch, rtol=rtol)
    origins = (origins_of(before, request), origins_of(after, request))
    result = comparison(
        *maps,
        rtol=rtol,
        only=aspects,
        verbose=build.verbose,
        coming=coming,
        origins=origins,
        by=grouping,
        sources=(before, after),
    )
    destinations.write(result)
    raise typer.Exit(CLEAN if result.document.identical else DIFFERENT)


def _compare_stacks(
    places: tuple[str, str],
    targets: Sequence[str],
    request: Request,
    build: BuildOptions,
    destinations: Destinations,
    rtol: float,
    only: frozenset[Aspect] | None,
    iters_per_epoch: int | None,
) -> NoReturn:
    from lrdecay_cli.analysis.comparing.stack_report import stack_report
    from lrdecay_cli.app.requests.stacks import stack_difference
    from lrdecay_cli.app.shell import CLEAN, DIFFERENT
    from lrdecay_cli.domain.errors import LrdecayError

    for name, given in (("--config", build.named_by), ("--iters-per-epoch", iters_per_epoch)):
        if given is not None:
            raise LrdecayError(
                "cannot be combined with --stacks, which compares no checkpoints", where=name, fix=f"remove {name}"
            )
    document = stack_difference(places, targets, request, jobs=build.workers, rtol=rtol, only=only)
    if not document.compared and not (document.groups or document.only_before or document.only_after):
        skipped = document.unbuilt[0]
        raise LrdecayError("no config has a group map in A or in B", where=skipped.config, fix=skipped.problem)
    destinations.write(stack_report(document, verbose=build.verbose))
    raise typer.Exit(CLEAN if document.identical else DIFFERENT)
