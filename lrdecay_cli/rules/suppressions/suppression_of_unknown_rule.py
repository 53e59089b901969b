"""A suppression names a rule that there is not.

It is mis-spelt, or from another version, and suppresses nothing under that name.

A rule is named by its code or its name, in full: a prefix such as ``LRD3`` would keep back what is yet to be found.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.project_word import option_of
from lrdecay_cli.rules.subject import Subject


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for each suppression that names no rule, or one that is unknown."""
    for one in subject.word.suppressions:
        unknown = ", ".join(one.unknown)
        if one.unknown or not one.stated.rule:
            yield Fault(
                f"no rule is called {unknown}" if unknown else "names no rule",
                f"{one.nearest or 'give codes, which lrdecay rule --all lists'}, in {one.stated.source}",
                option=option_of(one),
                about=unknown,
            )


RULE = Rule(
    code="LRD904",
    name="suppression-of-unknown-rule",
    severity="warning",
    check=check,
    documentation=__doc__,
    bad=Example("# lrdecay: ignore[LRD399] reproduces a published run"),
    good=Example("# an ordinary comment"),
    scope="project",
)
