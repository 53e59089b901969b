"""``lrdecay doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell.options import (
    Color,
    FormatName,
    NoSettings,
    Outputs,
    SettingsFile,
    Traceback,
    format_option,
    output_option,
)


def doctor(
    full: Annotated[bool, typer.Option("--full", help="Load all of it, list devices, build models too.")] = False,
    format_name: Annotated[FormatName, format_option("doctor")] = None,
    output: Annotated[Outputs, output_option("doctor")] = None,
    color: Color = "auto",
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Tell whether configs can be inspected here, and what is missing.

    Compares the versions of what is installed, without loading any of it. The commands that it names leave an
    installed torch as it is.

    Exit code 0 if it is usable, 2 if not; 1, which means findings in a config, is not used.

    \b
    lrdecay doctor
    lrdecay doctor --full --format json
    """
    from lrdecay_cli.app.shell.console import Destinations
    from lrdecay_cli.app.shell.exit_codes import CANNOT_JUDGE, CLEAN
    from lrdecay_cli.doctor.diagnosing import diagnose, tried
    from lrdecay_cli.doctor.report import report

    destinations = Destinations("doctor", format_name, output, color)
    diagnosis = diagnose()
    if full:
        diagnosis = tried(diagnosis)
    destinations.write(report(diagnosis))
    raise typer.Exit(CLEAN if diagnosis.usable else CANNOT_JUDGE)
