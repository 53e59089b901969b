"""``lrdecay check``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import (
    CfgOptions,
    Color,
    Device,
    Exact,
    FormatName,
    Isolate,
    Jobs,
    NamedBy,
    NoCache,
    NoSettings,
    Outputs,
    SettingsFile,
    Traceback,
    Verbose,
    format_option,
    output_option,
)


def check(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            autocompletion=completion.configs_and_checkpoints,
            help="Configs, exported maps (.json), directories of either, checkpoints (.pth), mmdet::DIR, - for stdin.",
        ),
    ],
    select: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--select",
            metavar="CODE,...",
            autocompletion=completion.rules,
            help="Only rules whose code begins so: LRD3, LRD301, or a name.",
        ),
    ] = None,
    ignore: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--ignore",
            metavar="CODE,...",
            autocompletion=completion.rules,
            help="Not these rules; the longer code of the two options wins.",
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            autocompletion=completion.severities,
            help="Exit with 1 from error, warning or info up.",
        ),
    ] = "error",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero/--no-exit-zero", show_default=False, help="Exit with 0 whatever is found.")
    ] = False,
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics/--no-statistics", show_default=False, help="Count by rule in place of the findings."
        ),
    ] = False,
    baseline: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--baseline",
            metavar="PATH",
            autocompletion=completion.json_files,
            help="Hold against this map, or directory of maps.",
        ),
    ] = None,
    jobs: Jobs = None,
    named_by: NamedBy = None,
    cfg_options: CfgOptions = None,
    device: Device = "cpu",
    format_name: Annotated[FormatName, format_option("check")] = None,
    output: Annotated[Outputs, output_option("check")] = None,
    color: Color = "auto",
    verbose: Verbose = False,
    exact: Exact = False,
    no_cache: NoCache = False,
    isolate: Isolate = False,
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Name known mistakes in parameter groups and their options.

    Exit code 0 if there is nothing at or above --fail-on, 1 if there is, 2 if something could not be judged. Maps are
    judged without torch.

    \b
    lrdecay check config.py
    lrdecay check maps/ --select LRD2,LRD3 --fail-on warning
    lrdecay check configs/ --format github --output sarif=lrdecay.sarif
    """
    from lrdecay_cli.app.requests.check_run import Demands, run_check
    from lrdecay_cli.app.requests.sources import Request
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.app.shell.cores import cores
    from lrdecay_cli.app.shell.exit_codes import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.settings import settings_of
    from lrdecay_cli.checking.reporting import check_severity, report_of
    from lrdecay_cli.rules import chosen_rules

    destinations = Destinations("check", format_name, output, color)
    rules = chosen_rules(_split(select), _split(ignore))
    demands = Demands(rules, check_severity(fail_on), baseline, settings_of(context))
    request = Request.of(
        cfg_options, device, verbose=verbose, exact=exact, no_cache=no_cache, isolated=isolate, named_by=named_by
    )
    judged = run_check(targets, request, demands, jobs=jobs or cores())
    result = judged.result
    destinations.write(report_of(result, statistics=statistics, verbose=verbose, maps=judged.maps))
    if result.unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    raise typer.Exit(DIFFERENT if result.failing() and not exit_zero else CLEAN)


def _split(given: list[str] | None) -> list[str]:
    return [code.strip() for several in given or () for code in several.split(",") if code.strip()]
