"""The command ``lrdecay rule``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import OutputOptions, Text, argument, expanded


@expanded()
def rule(
    code: Annotated[
        Text,
        argument(
            "[CODE]",
            "A rule's code or name: LRD301, scale-above-one. LRD3 lists all rules with codes LRD3xx. [default: all]",
            completion.rules,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print the pages of all rules.")] = False,
    *,
    output: OutputOptions,
) -> None:
    """Print what a rule detects, and why it matters.

    Shows a wrong and a correct example.

    \b
    lrdecay rule
    lrdecay rule LRD301
    lrdecay rule LRD3
    lrdecay rule --all --format markdown
    """
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.rules import RULES, find_rule, rules_beginning
    from lrdecay_cli.rules.pages import list_of, report_on

    if code is not None and everything:
        raise LrdecayError("this option cannot be combined with a rule", where="--all", fix="leave one out")
    destinations = output.destinations()
    if everything:
        destinations.write(report_on(RULES, whole=True))
        return
    if code is None:
        destinations.write(list_of(RULES))
        return
    begun = rules_beginning(code)
    destinations.write(list_of(begun) if len(begun) > 1 else report_on([find_rule(code)], whole=False))
