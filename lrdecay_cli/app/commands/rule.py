"""``lrdecay rule``."""

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
            "A rule's code or name: LRD301, scale-above-one. LRD3 lists those that begin so.",
            completion.rules,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All rules, with a table of contents.")] = False,
    *,
    output: OutputOptions,
) -> None:
    """Print what a rule of check looks for, and why it matters.

    With an example that is wrong and one that is right.

    \b
    lrdecay rule LRD301
    lrdecay rule LRD3
    lrdecay rule --all --format markdown
    """
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.rules import RULES, find_rule, rules_beginning
    from lrdecay_cli.rules.pages import list_of, report_on

    if (code is None) is not everything:
        raise LrdecayError("give a rule's code, or --all for every rule", where="rule", fix="lrdecay rule LRD301")
    destinations = output.destinations()
    if code is None:
        destinations.write(report_on(RULES, whole=True))
        return
    begun = rules_beginning(code)
    destinations.write(list_of(begun) if len(begun) > 1 else report_on([find_rule(code)], whole=False))
