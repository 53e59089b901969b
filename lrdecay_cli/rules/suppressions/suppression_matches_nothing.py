"""Rule LRD901: suppression-matches-nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, option_of, rule


@rule(
    "LRD901",
    "suppression-matches-nothing",
    severity="warning",
    bad=Example("# lrdecay: ignore[LRD301] reproduces a published run"),
    good=Example(
        "# lrdecay: ignore[LRD301] reproduces a published run\n"
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"
    ),
    scope="project",
)
def suppression_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """A suppression keeps nothing back.

    The mistake that it was written for is gone, or its parameters or config no longer match; left standing, it would
    hide the next one.

    Only rules that were run count. A suppression in a settings file is told once, if it kept nothing back in any of the
    checked configs that its ``config`` matches. Take it out.
    """
    # One fault for each suppression with rules of which it kept nothing back.
    for one in context.word.suppressions:
        # One that is past its date is LRD903's.
        if one.idle and not one.expired:
            yield Fault(
                f"no finding of {', '.join(one.idle)} to suppress",
                f"take it out of {one.stated.source}",
                option=option_of(one),
                about=" ".join(one.idle),
            )
