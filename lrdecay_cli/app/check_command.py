"""``lrdecay check``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lrdecay_cli.app.options import (
    CfgOptions,
    Color,
    Device,
    Exact,
    Format,
    Isolate,
    NamedBy,
    NoCache,
    Output,
    Traceback,
    Verbose,
)


def check(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="Configs, exported maps (.json), directories of either, checkpoints (.pth), mmdet::DIR, - for stdin.",
        ),
    ],
    select: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--select", metavar="CODE,...", help="Only rules whose code begins so: LRD3, LRD301, or a name."),
    ] = None,
    ignore: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--ignore", metavar="CODE,...", help="Not these rules; the longer code of the two options wins."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="SEVERITY", help="Exit with 1 from error, warning or info up.")
    ] = "error",
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 whatever is found.")] = False,
    statistics: Annotated[bool, typer.Option("--statistics", help="Count by rule in place of the findings.")] = False,
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--jobs", "-j", metavar="N", min=1, help="Configs at a time. [default: a core each]"),
    ] = None,
    named_by: NamedBy = None,
    cfg_options: CfgOptions = None,
    device: Device = "cpu",
    format_name: Format = None,
    output: Output = None,
    color: Color = "auto",
    verbose: Verbose = False,
    exact: Exact = False,
    no_cache: NoCache = False,
    isolate: Isolate = False,
    _traceback: Traceback = False,
) -> None:
    """Name the known mistakes in the parameter groups and options of configs or exported maps.

    Exit code 0 if there is nothing at or above --fail-on, 1 if there is, 2 if something could not be judged. Maps are
    judged without torch.

    \b
    lrdecay check config.py
    lrdecay check maps/ --select LRD2,LRD3 --fail-on warning
    """
    from lrdecay_cli.app.check_sources import gather
    from lrdecay_cli.app.console import Destinations
    from lrdecay_cli.app.cores import cores
    from lrdecay_cli.app.exit_codes import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.sources import Request
    from lrdecay_cli.checking.checking import check_maps
    from lrdecay_cli.checking.reporting import check_severity, reaches, report_of
    from lrdecay_cli.rules import chosen_rules

    destinations = Destinations(format_name, output, color)
    least = check_severity(fail_on)
    rules = chosen_rules(_split(select), _split(ignore))
    request = Request.of(
        cfg_options, device, verbose=verbose, exact=exact, no_cache=no_cache, isolated=isolate, named_by=named_by
    )
    gathered = gather(targets, request, jobs=jobs or cores())
    result = check_maps(gathered.maps, rules, unjudged=gathered.unjudged)
    destinations.write(report_of(result, statistics=statistics, verbose=verbose, maps=gathered.maps))
    if result.unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    raise typer.Exit(DIFFERENT if not exit_zero and reaches(result, least) else CLEAN)


def _split(given: list[str] | None) -> list[str]:
    return [code.strip() for several in given or () for code in several.split(",") if code.strip()]
