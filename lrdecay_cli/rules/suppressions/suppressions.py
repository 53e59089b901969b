"""Suppressions that have no effect, no reason or no time left."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

_OVERFLOW = "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"
_UNTIL = '[[suppress]]\nrule = "LRD301"\nreason = "to be tuned"\nuntil = '
_COMMENT = "# lrdecay: ignore[LRD301] reproduces a published run"


@rule(
    "LRD901",
    "suppression-matches-nothing",
    severity="warning",
    bad=Example(_COMMENT),
    good=Example(f"{_COMMENT}\n{_OVERFLOW}"),
    scope="project",
)
def suppression_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """A suppression keeps nothing back.

    The mistake that it was written for is gone, or its parameters or config no longer match; left standing, it would
    hide the next one.

    Only rules that were run count. A suppression in a settings file is told once, if it kept nothing back in any of the
    checked configs that its ``config`` matches. Take it out.
    """
    for suppression in context.policy.suppressions:
        # A suppression that is past its date is LRD903's.
        if suppression.idle and not suppression.expired:
            yield Fault(
                f"no finding of {', '.join(suppression.idle)} to suppress",
                f"take it out of {suppression.stated.source}",
                option=suppression.option,
                about=" ".join(suppression.idle),
            )


@rule(
    "LRD902",
    "suppression-without-reason",
    severity="warning",
    bad=Example(f"# lrdecay: ignore[LRD301]\n{_OVERFLOW}"),
    good=Example(f"{_COMMENT}\n{_OVERFLOW}"),
    scope="project",
)
def suppression_without_reason(context: RuleContext) -> Iterator[Fault]:
    """A suppression does not say why.

    Nobody can tell later whether it still holds, so it suppresses nothing.

    Write the reason behind the brackets of a comment (``# lrdecay: ignore[LRD301] reproduces a published run``), or as
    ``reason`` in the settings.
    """
    for suppression in context.policy.suppressions:
        # A suppression without rules is LRD904's.
        if suppression.stated.rule and not suppression.stated.reason.strip():
            yield Fault(
                f"{', '.join(suppression.stated.rule)} without a reason, so nothing is suppressed",
                f"say why in {suppression.stated.source}",
                option=suppression.option,
                about=" ".join(suppression.stated.rule),
            )


@rule(
    "LRD903",
    "suppression-expired",
    severity="warning",
    bad=Example(_OVERFLOW, settings=f"{_UNTIL}2001-01-31"),
    good=Example(_OVERFLOW, settings=f"{_UNTIL}9999-12-31"),
    scope="project",
)
def suppression_expired(context: RuleContext) -> Iterator[Fault]:
    """A suppression is past its date.

    It was meant to hold until a day that has gone by, so it suppresses nothing any more.

    ``until`` is the last day on which a suppression of the settings holds. Mend the config, or set another day. With
    ``LRDECAY_TODAY=2027-02-01`` a run shows what will have expired by then.
    """
    for suppression in context.policy.suppressions:
        if suppression.expired:
            yield Fault(
                f"{', '.join(suppression.stated.rule)} was suppressed until {suppression.stated.until}",
                f"take it out of {suppression.stated.source}, for there is nothing left to suppress"
                if suppression.idle
                else f"mend the config, or set another day in {suppression.stated.source}",
                option=suppression.option,
                about=f"{' '.join(suppression.stated.rule)} {suppression.stated.until}",
            )


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
    for suppression in context.policy.suppressions:
        unknown = ", ".join(suppression.unknown)
        if suppression.meant:
            yield Fault(
                "this comment suppresses nothing: rules stand in brackets behind ignore",
                f"write {suppression.meant}, in {suppression.stated.source}",
                option=suppression.option,
                about=suppression.stated.place,
            )
        elif suppression.unknown or not suppression.stated.rule:
            yield Fault(
                f"no rule is called {unknown}" if unknown else "names no rule",
                f"name a rule in {suppression.stated.source} "
                f"({suppression.nearest or 'lrdecay rule --all lists them'})",
                option=suppression.option,
                about=unknown,
            )
