"""Findings of ``check`` that ``inspect``, ``suggest`` and ``schedule`` print with their own results."""

from __future__ import annotations

from lrdecay_cli.analysis.verification import disagreements
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap

INSPECTED = ("LRD101", "LRD209", "LRD301", "LRD818", "LRD820", "LRD821", "LRD822")
"""Rules about problems that make the numbers of ``inspect`` wrong or incomplete.

A tensor is in no group, an lr is above the base lr, lrdecay's formulas give other numbers, a distributed training has
other groups, or the training cannot start."""
SCHEDULED = ("LRD6", "LRD510")


def findings_among(group_map: GroupMap, codes: tuple[str, ...]) -> tuple[Finding, ...]:
    """Run all rules on one map without suppressions, and return the findings whose code begins with one of
    ``codes``.
    """
    from lrdecay_cli.rules import RULES
    from lrdecay_cli.rules.running import findings_of

    return tuple(finding for finding in findings_of(group_map, RULES) if finding.code.startswith(codes))


def inspected_findings(group_map: GroupMap) -> tuple[Finding, ...]:
    """Return the findings of the rules in :data:`INSPECTED`.

    Importing the rules takes time, so they are imported only if the map may have such a finding.
    """
    return findings_among(group_map, INSPECTED) if _may_find(group_map) else ()


def _may_find(group_map: GroupMap) -> bool:
    base = group_map.base_lr and group_map.base_lr * group_map.lr_factor
    fast = any(
        (group.lr_scale or 0) > 1 or (base and (group.lr or 0) > base and not group.has_lr(base))
        for group in group_map.groups
    )
    train_mode = group_map.training.train_mode
    wrapped_or_missing = bool(group_map.wrapping) or group_map.model.totals.missing_tensors > 0
    return (
        fast
        or wrapped_or_missing
        or bool(train_mode and train_mode.error)
        or any(True for _ in disagreements(group_map))
    )
