"""Running rules over a group map."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from lrdecay_cli.domain.finding import SEVERITIES, Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import Fault, Rule, Subject


def findings_of(group_map: GroupMap, rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """What the rules find in one map: the worst first, then by code and place in the model.

    A rule that yields to others is silent where one of those found the cause.
    """
    subject = Subject(group_map)
    found = {rule.code: (rule, faults) for rule in rules if (faults := tuple(rule.check(subject)))}
    told = [(rule, faults) for rule, faults in found.values() if not any(cause in found for cause in rule.yields_to)]
    findings = [_finding(subject, rule, fault) for rule, faults in told for fault in faults]
    return tuple(sorted(findings, key=lambda finding: (-SEVERITIES.index(finding.severity), finding.code)))


def fingerprint(code: str, config: str, option: str, parameters: Iterable[str]) -> str:
    """What stays the same of a finding while the files around it change."""
    return hashlib.sha256("\0".join([code, config, option, *sorted(parameters)]).encode()).hexdigest()[:16]


def _finding(subject: Subject, rule: Rule, fault: Fault) -> Finding:
    parameters = subject.in_model_order(fault.parameters)
    config = subject.group_map.config.path
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=fault.severity or rule.severity,
        config=config,
        message=fault.message,
        parameters=parameters,
        patterns=tuple(_folded(subject, parameters)),
        option=fault.option,
        why=rule.why,
        remedy=fault.remedy,
        fingerprint=fingerprint(rule.code, config, fault.option, parameters),
    )


def _folded(subject: Subject, parameters: tuple[str, ...]) -> Iterator[str]:
    known = [name for name in parameters if name in subject.entries]
    yield from (pattern for pattern, _ in subject.universe.fold(known))
    # A tensor that is held but is not the model's.
    yield from (name for name in parameters if name not in subject.entries)
