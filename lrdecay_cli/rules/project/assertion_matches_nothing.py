"""Rule LRD703: assertion-matches-nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.analysis.selection import module_meant, name_matches
from lrdecay_cli.domain.settings import Assertion
from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule


@rule(
    "LRD703",
    "assertion-matches-nothing",
    severity="error",
    bad=Example("", settings='[[assert]]\nparameters = "backbon.*"\nlr_scale = "<= 1"'),
    good=Example("", settings='[[assert]]\nparameters = "backbone.*"\nlr_scale = "<= 1"'),
    scope="project",
)
def assertion_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """An assertion of the project's settings has nothing to hold against.

    It guards nothing: a module was renamed, or the name is mis-spelt, and the assertion would go on passing for ever.

    It is told once, if it matches nothing in any of the checked configs that its ``config`` matches. An assertion of
    numbers has nothing to hold against either where all that it matches is frozen and in no group.
    """
    # One fault for each assertion that met nothing in any config.
    for assertion in context.word.idle_assertions:
        matched = any(name_matches(name, assertion.parameters) for name in context.entries)
        yield Fault(
            f"all that {assertion.parameters!r} matches is frozen and in no group, so that nothing is asserted"
            if matched
            else f"no parameter matches {assertion.parameters!r}",
            "assert frozen = true instead" if matched else _nearest(assertion.parameters, context),
            option=assertion.source.partition(": ")[2],
        )


def is_met(assertion: Assertion, context: RuleContext) -> bool:
    """Whether a map has anything that the assertion can be held against."""
    met = [entry for name, entry in context.entries.items() if name_matches(name, assertion.parameters)]
    if assertion.frozen is not None:
        return bool(met)
    return any(entry.state != "frozen" for entry in met)


def _nearest(pattern: str, context: RuleContext) -> str:
    return module_meant(pattern, context.entries) or "give a glob such as 'backbone.*', or take the assertion out"
