"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.settings import apply_settings, without_settings
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
    typer.Option("--cfg-options", metavar="KEY=VALUE", help="Override the config, as in mmengine: a=1 b.c=2."),
]
NamedBy = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--config",
        metavar="CONFIG",
        autocompletion=completion.configs,
        help="Config or map that names a checkpoint's parameters.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        autocompletion=completion.devices,
        help="Where to build: cpu, meta, cuda, cuda:N or mps.",
    ),
]
Color = Annotated[
    str,
    typer.Option(
        "--color",
        metavar="WHEN",
        autocompletion=completion.colors,
        help="auto (by NO_COLOR, FORCE_COLOR), always, never.",
    ),
]
Jobs = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Configs at a time. [default: a core each]"),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Versions, stand-ins and the stack's warnings too."),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Take no shortcuts: slower, and the same map."),
]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Build anew, keep nothing (LRDECAY_NO_CACHE=1)."),
]
Isolate = Annotated[
    bool,
    typer.Option(
        "--isolate",
        help="Confine configs: no network, no writes, limits.",
    ),
]
Traceback = Annotated[
    bool,
    typer.Option("--traceback", help="Show an error's traceback (LRDECAY_TRACEBACK=1)."),
]
NoSettings = Annotated[
    bool,
    typer.Option(
        "--no-settings",
        is_eager=True,
        callback=without_settings,
        help="Read no settings file; LRDECAY_* still counts.",
    ),
]
SettingsFile = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--settings",
        metavar="PATH",
        autocompletion=completion.settings_files,
        is_eager=True,
        callback=apply_settings,
        help="Settings file. [default: the nearest lrdecay.toml or pyproject.toml from here up]",
    ),
]
