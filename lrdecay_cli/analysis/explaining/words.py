"""How explanations are put into words."""

from __future__ import annotations

from lrdecay_cli.domain.explanation import Part, RuleTrace
from lrdecay_cli.domain.provenance import Formula

PART_NAMES: dict[Part, str] = {
    "layer_id": "layer id",
    "lr_scale": "lr scale",
    "lr": "lr",
    "weight_decay": "weight decay",
    "state": "state",
    "options": "options",
}


def step_text(step: Formula) -> str:
    """The formula with its result: ``3 + 7 // 3 = 5``; a formula that is its own result stands alone."""
    result = repr(step.result)
    return result if step.formula == result else f"{step.formula} = {result}"


def outcome_text(considered: RuleTrace, number: str = "") -> str:
    """What became of a rule and why, with the number that it gives: ``applies: it has one dimension → 0.0``."""
    reason = considered.reason
    if considered.about == ("state",):
        return reason
    # "lost to the longer 'backbone'"
    mark = " " if considered.outcome == "lost" and considered.basis == "custom_key" else ": "
    said = mark.join(filter(None, (considered.outcome, reason)))
    if not number:
        return said
    return f"{said} → {number}" if reason else f"{said}: {number}"
