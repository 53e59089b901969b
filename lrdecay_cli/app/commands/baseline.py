"""``lrdecay baseline``."""

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
    Jobs,
    NamedBy,
    NoCache,
    NoSettings,
    SettingsFile,
    Traceback,
    Verbose,
    format_option,
)


def baseline(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            autocompletion=completion.configs,
            help="Configs, exported maps (.json), directories, or mmdet::DIR.",
        ),
    ],
    folder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output", "-o", metavar="DIR", help="Where to. [default: baseline in the settings]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is missing or outdated.")
    ] = False,
    jobs: Jobs = None,
    naming: NamedBy = None,
    cfg_options: CfgOptions = None,
    device: Device = "cpu",
    format_name: Annotated[FormatName, format_option("baseline")] = None,
    color: Color = "auto",
    verbose: Verbose = False,
    exact: Exact = False,
    no_cache: NoCache = False,
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Write the maps that check --baseline holds configs against.

    Those that are there are brought up to date; a file that says the same already is left untouched. Exit code 0, or
    2 if something could not be built or written.

    \b
    lrdecay baseline configs/ -o baselines/
    lrdecay check configs/ --baseline baselines/
    """
    from lrdecay_cli import __version__
    from lrdecay_cli.app.requests.check_sources import gather, is_config, named_by
    from lrdecay_cli.app.requests.sources import Request
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.app.shell.cores import cores
    from lrdecay_cli.app.shell.exit_codes import CANNOT_JUDGE, CLEAN, DIFFERENT
    from lrdecay_cli.app.shell.settings import baseline_of
    from lrdecay_cli.checking.baseline_report import report_of
    from lrdecay_cli.checking.baselines import check_folder, write_baselines
    from lrdecay_cli.domain.baseline import BASELINE_SCHEMA_VERSION, BaselineResult
    from lrdecay_cli.domain.group_map import Tool

    destinations = Destinations("baseline", format_name, None, color)
    names = named_by(targets)
    place = check_folder(folder or baseline_of(context), [name for name in names if is_config(name)])
    request = Request.of(cfg_options, device, verbose=verbose, exact=exact, no_cache=no_cache, named_by=naming)
    gathered = gather(names, request, jobs=jobs or cores())
    check_folder(place, [group_map.config.path for group_map in gathered.maps])
    records = tuple(write_baselines(place, gathered.maps, write=not check))
    result = BaselineResult(BASELINE_SCHEMA_VERSION, Tool("lrdecay", __version__), records, gathered.unjudged)
    destinations.write(report_of(result))
    if gathered.unjudged:
        raise typer.Exit(CANNOT_JUDGE)
    raise typer.Exit(DIFFERENT if any(one.state in ("missing", "outdated") for one in records) else CLEAN)
