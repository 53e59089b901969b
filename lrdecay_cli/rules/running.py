"""Run rules on a group map."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from lrdecay_cli.domain.finding import SEVERITIES, Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import Fault, Rule, RuleContext
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.name_patterns import Universe


def findings_of(context: RuleContext | GroupMap, rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """Return the findings of the rules on one map, sorted by severity (worst first), code and model order.

    The faults of a rule are dropped in two cases: another rule, which the rule names in ``yields_to``, has a fault; or
    the ``covers`` of a fault contains the rule's code.
    """
    context = RuleContext(context) if isinstance(context, GroupMap) else context
    found = {rule.code: (rule, faults) for rule in rules if (faults := tuple(rule.check(context)))}
    covered = {code for _, faults in found.values() for fault in faults for code in fault.covers}
    reported = [
        (rule, faults)
        for rule, faults in found.values()
        if rule.code not in covered and not any(cause in found for cause in rule.yields_to)
    ]
    findings = (_finding(context, rule, fault) for rule, faults in reported for fault in faults)
    return tuple(sorted(findings, key=lambda finding: (-SEVERITIES.index(finding.severity), finding.code)))


def fingerprint(code: str, config: str, option: str, parameters: Iterable[str], about: str = "") -> str:
    """Return an identifier of a finding. The same mistake has the same identifier in every run."""
    parts = [code, config, option, *([about] if about else []), *sorted(parameters)]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


def narrowed(context: RuleContext, finding: Finding, parameters: Iterable[str]) -> Finding:
    """Return a copy of the finding for ``parameters`` only, a part of the finding's parameters.

    The message then ends with the number of these parameters: ``(here for 3 of 12 tensors)``.
    """
    kept = context.in_model_order(parameters)
    return msgspec.structs.replace(
        finding,
        message=f"{finding.message} (here for {len(kept)} of {count(len(finding.parameters), 'tensor')})",
        parameters=kept,
        patterns=_folded(context, kept),
        fingerprint=fingerprint(finding.code, finding.config, finding.option, kept, finding.fingerprint),
    )


def _finding(context: RuleContext, rule: Rule, fault: Fault) -> Finding:
    parameters = context.in_model_order(fault.parameters)
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=fault.severity or rule.severity,
        config=context.place,
        message=fault.message,
        parameters=parameters,
        patterns=_folded(context, parameters),
        option="" if context.group_map.live else fault.option,
        why=rule.why,
        fix=fault.fix,
        changed=fault.changed,
        fixes=() if context.group_map.live else fault.fixes(),
        fingerprint=fingerprint(rule.code, context.place, fault.option, parameters, fault.about),
    )


def _folded(context: RuleContext, parameters: tuple[str, ...]) -> tuple[str, ...]:
    known = [name for name in parameters if name in context.tensors]
    # Tensors in groups that do not, or no longer, belong to the model.
    unknown = [name for name in parameters if name not in context.tensors]
    folded = [*context.universe.fold(known)]
    if unknown:
        folded += Universe([*context.tensors, *unknown]).fold(unknown)
    return tuple(pattern for pattern, _ in folded)
