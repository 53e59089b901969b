"""``lrdecay rule``."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lrdecay_cli.app import completion
from lrdecay_cli.app.options import Color, Format, NoSettings, Output, SettingsFile, Traceback


def rule(
    code: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[CODE]",
            autocompletion=completion.rules,
            help="A rule's code, LRD301, or its name, scale-above-one.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All rules, with a table of contents.")] = False,
    format_name: Format = None,
    output: Output = None,
    color: Color = "auto",
    _no_settings: NoSettings = False,
    _settings: SettingsFile = None,
    _traceback: Traceback = False,
) -> None:
    """Print what a rule of check looks for, why it matters, and how it looks wrong and right.

    \b
    lrdecay rule LRD301
    lrdecay rule --all --format markdown
    """
    from lrdecay_cli.app.console import Destinations
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.rules import RULES, find_rule
    from lrdecay_cli.rules.pages import report_on

    if (code is None) is not everything:
        raise LrdecayError("give a rule's code, or --all for every rule", where="rule", remedy="lrdecay rule LRD301")
    destinations = Destinations(format_name, output, color)
    destinations.write(report_on(RULES if code is None else [find_rule(code)], whole=code is None))
