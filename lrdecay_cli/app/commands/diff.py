"""``lrdecay diff``."""

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

_SIDE = "A config, an exported map (.json) or a checkpoint (.pth); - is a map on stdin."


def diff(
    before: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.configs_and_checkpoints, help=_SIDE)],
    after: Annotated[str, typer.Argument(metavar="B", autocompletion=completion.configs_and_checkpoints, help=_SIDE)],
    rtol: Annotated[
        float, typer.Option("--rtol", metavar="R", help="Relative tolerance for lr, lr scale and weight decay.")
    ] = 0.0,
    only: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--only",
            metavar="ASPECT,...",
            autocompletion=completion.aspects,
            help="Compare only lr, lr_scale, weight_decay, group, ...",
        ),
    ] = None,
    named_by: NamedBy = None,
    cfg_options: CfgOptions = None,
    device: Device = "cpu",
    format_name: Annotated[FormatName, format_option("diff")] = None,
    output: Annotated[Outputs, output_option("diff")] = None,
    color: Color = "auto",
    verbose: Verbose = False,
    exact: Exact = False,
    no_cache: NoCache = False,
    isolate: Isolate = False,
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Compare the parameter groups of two configs or exported maps.

    Parameter by parameter. Exit code 0 if they are the same, 1 if they differ, 2 if they could not be compared. Two
    maps are compared without torch.

    \b
    lrdecay diff baseline.json config.py
    lrdecay diff baseline.json map.json --only lr,weight_decay --rtol 1e-6
    """
    from lrdecay_cli.analysis.comparing.report import check_aspects, comparison
    from lrdecay_cli.app.requests.sources import Request, group_maps_of
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.app.shell.exit_codes import CLEAN, DIFFERENT

    destinations = Destinations("diff", format_name, output, color)
    aspects = check_aspects(only, rtol)
    request = Request.of(
        cfg_options, device, verbose=verbose, exact=exact, no_cache=no_cache, isolated=isolate, named_by=named_by
    )
    maps = group_maps_of((before, after), request)
    result = comparison(*maps, rtol=rtol, only=aspects, verbose=verbose)
    destinations.write(result.report)
    raise typer.Exit(DIFFERENT if result.differs else CLEAN)
