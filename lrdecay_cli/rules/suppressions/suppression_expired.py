"""Rule LRD903: suppression-expired."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, option_of, rule


@rule(
    "LRD903",
    "suppression-expired",
    severity="warning",
    bad=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))",
        settings='[[suppress]]\nrule = "LRD301"\nreason = "to be tuned"\nuntil = 2001-01-31',
    ),
    good=Example(
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))",
        settings='[[suppress]]\nrule = "LRD301"\nreason = "to be tuned"\nuntil = 9999-12-31',
    ),
    scope="project",
)
def suppression_expired(context: RuleContext) -> Iterator[Fault]:
    """A suppression is past its date.

    It was meant to hold until a day that has gone by, so it suppresses nothing any more.

    ``until`` is the last day on which a suppression of the settings holds. Mend the config, or set another day. With
    ``LRDECAY_TODAY=2027-02-01`` a run shows what will have expired by then.
    """
    # One fault for each suppression whose last day has gone by.
    for one in context.word.suppressions:
        if one.expired:
            yield Fault(
                f"{', '.join(one.stated.rule)} was suppressed until {one.stated.until}",
                f"take it out of {one.stated.source}, for there is nothing left to suppress"
                if one.idle
                else f"mend the config, or set another day in {one.stated.source}",
                option=option_of(one),
                about=f"{' '.join(one.stated.rule)} {one.stated.until}",
            )
