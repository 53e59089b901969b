"""The command ``lrdecay doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell.options import OutputOptions, expanded


@expanded()
def doctor(
    full: Annotated[
        bool, typer.Option("--full", help="Also import every package, list the devices and build models.")
    ] = False,
    *,
    output: OutputOptions,
) -> None:
    """Check whether configs can be inspected in this environment.

    Compares the versions of the installed packages without importing them. The suggested commands never replace an
    installed torch.

    Exit code 0 if the environment is usable, 2 if not. Exit code 1 (findings in a config) is not used.

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
