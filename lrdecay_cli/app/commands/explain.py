"""``lrdecay explain``."""

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
    NamedBy,
    NoCache,
    NoSettings,
    Outputs,
    SettingsFile,
    Traceback,
    format_option,
    output_option,
)


def explain(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            autocompletion=completion.configs_and_checkpoints,
            help="A config, an exported map (.json) or a checkpoint (.pth); - is a map on stdin.",
        ),
    ],
    patterns: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[PATTERN]...",
            autocompletion=completion.parameters,
            help="Parameters, modules, groups or globs; '*' for all.",
            show_default=False,
        ),
    ] = None,
    why_not: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--why-not", metavar="PATTERN", help="Why these parameters are not in the --group."),
    ] = None,
    group: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--group", metavar="NAME", help="The group that --why-not is about."),
    ] = None,
    named_by: NamedBy = None,
    cfg_options: CfgOptions = None,
    device: Device = "cpu",
    format_name: Annotated[FormatName, format_option("explain")] = None,
    output: Annotated[Outputs, output_option("explain")] = None,
    color: Color = "auto",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Each parameter by itself, with every key.")] = False,
    exact: Exact = False,
    no_cache: NoCache = False,
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Explain the lr and weight decay of parameters, rule by rule.

    With every rule that was considered, the formula, and how certain it is. A map is explained without torch.

    \b
    lrdecay explain config.py backbone.norm3
    lrdecay explain map.json '*.bias' head
    lrdecay explain config.py --why-not backbone.norm3 --group layer_6_no_decay
    """
    from lrdecay_cli.analysis.explaining.report import check_question, explanation
    from lrdecay_cli.app.requests.sources import Request, group_maps_of
    from lrdecay_cli.app.shell.console import Destinations

    destinations = Destinations("explain", format_name, output, color)
    check_question(patterns or (), why_not, group)
    request = Request.of(cfg_options, device, verbose=verbose, exact=exact, no_cache=no_cache, named_by=named_by)
    (group_map,) = group_maps_of((config,), request)
    destinations.write(explanation(group_map, patterns or (), unlike=why_not, group=group, verbose=verbose))
