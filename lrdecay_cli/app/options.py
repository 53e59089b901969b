"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from lrdecay_cli.app import completion
from lrdecay_cli.app.settings import apply_settings, without_settings
from lrdecay_cli.formats import formats_of


def format_option(command: str) -> Any:
    """``--format`` of a command: the formats that it offers are those that it takes."""
    *names, last = formats_of(command)
    return typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        autocompletion=completion.formats_of(command),
        help=f"{', '.join(names)} or {last}. [default: rich on a terminal, else text]",
    )


def output_option(command: str) -> Any:
    """``--output FORMAT=PATH`` of a command."""
    return typer.Option(
        "--output",
        "-o",
        metavar="FORMAT=PATH",
        autocompletion=completion.outputs_of(command),
        help="Write a further report to a file; can be repeated.",
    )


# typer reads these at run time, where Python 3.10 cannot evaluate every ``X | None``: hence Optional.
FormatName = Optional[str]  # noqa: UP045
Outputs = Optional[list[str]]  # noqa: UP045
CfgOptions = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--cfg-options", metavar="KEY=VALUE", help="Override settings of the config, as in mmengine; takes several."
    ),
]
NamedBy = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--config",
        metavar="CONFIG",
        help="For a checkpoint: the config, or exported map, that it was trained with. It names the parameters.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        autocompletion=completion.devices,
        help="Where to build the model: cpu, meta, cuda, cuda:N or mps. The map is the same.",
    ),
]
Color = Annotated[
    str,
    typer.Option(
        "--color",
        metavar="WHEN",
        autocompletion=completion.colors,
        help="auto, always or never. NO_COLOR and FORCE_COLOR are heeded.",
    ),
]
Jobs = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Configs at a time. [default: a core each]"),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Tell versions, stand-ins and the stack's own warnings too."),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Take no shortcut: import all, initialise weights. Slower; the map is the same."),
]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Build anew, and keep nothing (or set LRDECAY_NO_CACHE=1)."),
]
Isolate = Annotated[
    bool,
    typer.Option(
        "--isolate",
        help="Load configs in confined processes: no network, no writes, limits. Tells what this system enforces.",
    ),
]
Traceback = Annotated[
    bool,
    typer.Option("--traceback", help="Show the Python traceback of an error (or set LRDECAY_TRACEBACK=1)."),
]
NoSettings = Annotated[
    bool,
    typer.Option(
        "--no-settings",
        is_eager=True,
        callback=without_settings,
        help="Read no settings file; LRDECAY_* variables still count.",
    ),
]
SettingsFile = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--settings",
        metavar="PATH",
        is_eager=True,
        callback=apply_settings,
        help="Settings file. [default: the nearest lrdecay.toml, or pyproject.toml with [tool.lrdecay], from here up]",
    ),
]
