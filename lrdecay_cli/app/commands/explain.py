"""The command ``lrdecay explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Text, Texts, argument, expanded, option


@expanded(without=("jobs", "isolate"))
def explain(
    config: Annotated[
        str,
        argument(
            "CONFIG",
            "A config, an exported map (.json) or a checkpoint (.pth); - is a map on stdin.",
            completion.configs_and_checkpoints,
        ),
    ],
    patterns: Annotated[
        Texts, argument("[PATTERN]...", "Parameters, modules, groups or globs; '*' for all.", completion.parameters)
    ] = None,
    why_not: Annotated[
        Text, option("--why-not", "PATTERN", "Explain why these parameters are not in the group of --group.")
    ] = None,
    group: Annotated[
        Text, option("--group", "NAME", "With --why-not: the group that you expected, or a parameter or module in it.")
    ] = None,
    *,
    build: BuildOptions,
    output: OutputOptions,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Explain each parameter separately; also list custom keys that do not match."
        ),
    ] = False,
) -> None:
    """Explain the lr and weight decay of parameters, rule by rule.

    Lists every rule that the constructor considers, the formula, and how certain the result is. Explaining an exported
    map needs no torch.

    \b
    lrdecay explain config.py backbone.norm3
    lrdecay explain map.json '*.bias' head
    lrdecay explain config.py --why-not backbone.norm3 --group layer_6_no_decay
    """
    from lrdecay_cli.analysis.explaining.report import check_question, explanation
    from lrdecay_cli.app.requests.sources import group_maps_of, origins_of

    destinations = output.destinations()
    check_question(patterns or (), why_not, group)
    request = build.request()
    (group_map,) = group_maps_of((config,), request)
    origins = origins_of(config, request)
    destinations.write(
        explanation(group_map, patterns or (), unlike=why_not, group=group, verbose=verbose, origins=origins)
    )
