"""``lrdecay doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell.options import OutputOptions, expanded


@expanded()
def doctor(
    full: Annotated[bool, typer.Option("--full", help="Load all of it, list devices, build models too.")] = False,
    *,
    output: OutputOptions,
) -> None:
    """Tell whether configs can be inspected here, and what is missing.

    Compares the versions of what is installed, without loading any of it. The commands that it names leave an
    installed torch as it is.

    Exit code 0 if it is usable, 2 if not; 1, which means findings in a config, is not used.

    \b
    lrdecay doctor
    lrdecay doctor --full --format json
    """
    from lrdecay_cli.app.shell import CANNOT_JUDGE, CLEAN
    from lrdecay_cli.doctor.diagnosing import diagnose, tried
    from lrdecay_cli.doctor.report import report

    destinations = output.destinations()
    diagnosis = diagnose()
    if full:
        diagnosis = tried(diagnosis)
    destinations.write(report(diagnosis))
    raise typer.Exit(CLEAN if diagnosis.usable else CANNOT_JUDGE)
