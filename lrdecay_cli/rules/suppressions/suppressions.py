"""Rules about suppressions that are unused, expired, unknown or without a reason."""

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
    """A suppression is unused.

    Either the mistake is fixed, or the ``parameters`` or ``config`` of the suppression no longer match anything. An
    unused suppression can hide the next mistake.

    This rule ignores suppressions of rules that did not run. A suppression in a settings file is reported once, if it
    is unused in every checked config that matches its ``config`` pattern. If the pattern matches no config of the
    project, only a check of a directory of configs reports the suppression. A comment in a base is reported once, if
    it is unused in every checked config that inherits it. Remove an unused suppression.
    """
    for suppression in context.policy.suppressions:
        # LRD902 reports suppressions without a reason, and LRD903 those that have expired.
        if suppression.idle and suppression.stated.reason.strip() and not suppression.expired:
            where, other = "here", ""
            if suppression.stated.config != "*":
                where = f"in a checked config that matches {suppression.stated.config!r}"
            if suppression.inherited:
                where, other = "in the checked configs", ", unless an unchecked config needs it"
            yield Fault(
                f"unused suppression: {', '.join(suppression.idle)} has no finding {where}",
                f"remove the suppression from {suppression.stated.source}{other}",
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
    """A suppression has no reason.

    Without a reason, a reviewer cannot tell whether the suppression is still valid, so lrdecay ignores it.

    In a suppression comment, write the reason after the brackets: ``# lrdecay: ignore[LRD301] reproduces a published
    run``. In the settings, set the key ``reason``.
    """
    for suppression in context.policy.suppressions:
        # LRD904 reports suppressions without rules.
        if suppression.stated.rule and not suppression.stated.reason.strip():
            yield Fault(
                f"the suppression of {', '.join(suppression.stated.rule)} has no reason, so it is ignored",
                f"remove the unused suppression from {suppression.stated.source}"
                if len(suppression.idle) == len(suppression.stated.rule)
                else f"add the reason for the suppression in {suppression.stated.source}",
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
    """A suppression has expired.

    The ``until`` date of the suppression has passed, so lrdecay ignores the suppression.

    ``until`` is the last day on which a suppression is valid. In a suppression comment, write it after the brackets:
    ``# lrdecay: ignore[LRD301] until=2027-01-31 to be tuned``. In the settings, set the key ``until``.

    Fix the config, or set a later date. To list the suppressions that will have expired on a future day, set the
    environment variable ``LRDECAY_TODAY=2027-02-01``.
    """
    for suppression in context.policy.suppressions:
        if suppression.expired:
            yield Fault(
                f"the suppression of {', '.join(suppression.stated.rule)} expired on {suppression.stated.until}",
                f"remove the unused suppression from {suppression.stated.source}"
                if suppression.idle
                else f"fix the config, or set a later date in {suppression.stated.source}",
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
    """A suppression names no rule, or an unknown rule.

    The suppression has no effect. The name of the rule may be misspelt or from another version of lrdecay, or the
    comment may have the wrong syntax.

    Write a suppression comment as ``# lrdecay: ignore[LRD301] reproduces a published run``, with commas between several
    rules. Give each rule's full code or name: a prefix such as ``LRD3`` would also hide future findings.
    """
    for suppression in context.policy.suppressions:
        unknown = ", ".join(suppression.unknown)
        if suppression.corrected:
            dated = "]" in suppression.stated.comment.partition("until")[0]
            why = "the date after 'until=' is not valid" if dated else "the rules after 'ignore' are not in brackets"
            yield Fault(
                f"this comment suppresses nothing, because {why}",
                f"write {suppression.corrected} in {suppression.stated.source}",
                option=suppression.option,
                about=suppression.stated.place,
            )
        elif suppression.unknown or not suppression.stated.rule:
            yield Fault(
                f"unknown rule {unknown}" if unknown else "the suppression names no rule",
                f"name a rule in {suppression.stated.source} "
                f"({suppression.nearest or 'run lrdecay rule --all to list all rules'})",
                option=suppression.option,
                about=unknown,
            )
