"""Rule LRD902: suppression-without-reason."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, option_of, rule


@rule(
    "LRD902",
    "suppression-without-reason",
    severity="warning",
    bad=Example("# lrdecay: ignore[LRD301]\nmodel = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"),
    good=Example(
        "# lrdecay: ignore[LRD301] reproduces a published run\n"
        "model = dict(backbone=dict(arch=dict(depths=[3, 3, 27, 3])))"
    ),
    scope="project",
)
def suppression_without_reason(context: RuleContext) -> Iterator[Fault]:
    """A suppression does not say why.

    Nobody can tell later whether it still holds, so it suppresses nothing.

    Write the reason behind the brackets of a comment (``# lrdecay: ignore[LRD301] reproduces a published run``), or as
    ``reason`` in the settings.
    """
    # One fault for each suppression without a reason.
    for one in context.word.suppressions:
        # One without rules is LRD904's.
        if one.stated.rule and not one.stated.reason.strip():
            yield Fault(
                f"{', '.join(one.stated.rule)} without a reason, so nothing is suppressed",
                f"say why in {one.stated.source}",
                option=option_of(one),
                about=" ".join(one.stated.rule),
            )
