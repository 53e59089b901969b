"""Build the Typer application of the command line. A command is imported when it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from lrdecay_cli import __version__
from lrdecay_cli.app.shell.arguments import COMMANDS, WATCH

# Commands in the module of another command.
_MODULES = {"merge": "scan"}


def command_line(arguments: Sequence[str]) -> Callable[..., Any]:
    """Return a Typer application that contains only one command: the command that the first argument names.

    If the first argument is not the name of a command, the application contains all commands. Each command in the
    application costs two milliseconds at every start, because Typer has to set it up.
    """
    return _application(arguments[0] if arguments and arguments[0] in COMMANDS else "")


@cache
def _application(called: str) -> Callable[..., Any]:
    app = typer.Typer(
        name="lrdecay",
        no_args_is_help=True,
        add_completion=True,
        # Plain help starts twice as fast as the boxed help and is as readable.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )
    app.callback()(_lrdecay)
    for name in [called] if called else COMMANDS:
        word = name.replace("-", "_")
        command = getattr(import_module(f"lrdecay_cli.app.commands.{_MODULES.get(word, word)}"), word)
        if isinstance(command, typer.Typer):
            app.add_typer(command)
        else:
            app.command(name=name)(command)
    if not called:
        from lrdecay_cli.app.commands.check import check

        # Only for --help: with_command() replaces the command by check --watch.
        app.command(name=WATCH, short_help="Check again whenever a file changes: check --watch.")(check)
    return typer.main.get_command(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lrdecay {__version__}")
        raise typer.Exit


def _lrdecay(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Show, compare and guard the parameter groups of OpenMMLab training configs.

    Without a command, lrdecay PATH runs inspect on a config, map or checkpoint, check on a directory, and run on a
    work directory.

    Exit codes: 0 no findings or differences, 1 findings or differences, 2 error, 130 interrupted.
    """
