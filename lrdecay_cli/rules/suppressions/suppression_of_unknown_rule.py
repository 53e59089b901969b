"""Rule LRD904: suppression-of-unknown-rule."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, option_of, rule


@rule(
    "LRD904",
    "suppression-of-unknown-rule",
    severity="warning",
    bad=Example("# lrdecay: ignore[LRD399] reproduces a published run"),
    good=Example("# an ordinary comment"),
    scope="project",
)
def suppression_of_unknown_rule(context: RuleContext) -> Iterator[Fault]:
    """A suppression names no rule, or one that there is not.

    It suppresses nothing: the rule is mis-spelt or from another version, or the comment is not written as it must be.

    A comment is ``# lrdecay: ignore[LRD301] reproduces a published run``, with commas between several rules. A rule is
    named by its code or its name, in full: a prefix such as ``LRD3`` would keep back what is yet to be found.
    """
    # One fault for each suppression that names no rule, or one that is unknown.
    for one in context.word.suppressions:
        unknown = ", ".join(one.unknown)
        if one.meant:
            yield Fault(
                "this comment suppresses nothing: rules stand in brackets behind ignore",
                f"write {one.meant}, in {one.stated.source}",
                option=option_of(one),
                about=one.stated.source.rpartition(":")[0],
            )
        elif one.unknown or not one.stated.rule:
            yield Fault(
                f"no rule is called {unknown}" if unknown else "names no rule",
                f"name a rule in {one.stated.source} ({one.nearest or 'lrdecay rule --all lists them'})",
                option=option_of(one),
                about=unknown,
            )
