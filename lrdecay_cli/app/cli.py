"""The command line's table of contents."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli import __version__
from lrdecay_cli.app.diff_command import diff
from lrdecay_cli.app.doctor_command import doctor
from lrdecay_cli.app.inspect_command import inspect
from lrdecay_cli.app.schema_command import schema

app = typer.Typer(
    name="lrdecay",
    no_args_is_help=True,
    add_completion=True,
    # Plain help starts in half the time of the boxed one, and reads as well.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
app.command(name="inspect")(inspect)
app.command(name="diff")(diff)
app.command(name="doctor")(doctor)
app.command(name="schema")(schema)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lrdecay {__version__}")
        raise typer.Exit


@app.callback()
def lrdecay(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Show, compare and guard the parameter groups of OpenMMLab training configs.

    Exit codes: 0 clean or identical, 1 different, 2 could not judge, 130 interrupted.
    """
