"""The severities of all findings in these tests are those that the rule's page names."""

from __future__ import annotations

import pytest

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.rules import running
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.rules.registry import Fault, Rule


@pytest.fixture(autouse=True)
def declared_severities(monkeypatch: pytest.MonkeyPatch) -> None:
    make = running._finding

    def checked(context: RuleContext, rule: Rule, fault: Fault) -> Finding:
        finding = make(context, rule, fault)
        assert finding.severity in (rule.severity, *rule.also), f"{rule.code} declares no {finding.severity}"
        return finding

    monkeypatch.setattr(running, "_finding", checked)
