"""Running the rules over many maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lrdecay_cli import __version__
from lrdecay_cli.domain.finding import CHECK_SCHEMA_VERSION, CheckedMap, CheckResult, Finding, Unjudged
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.rules import Rule
from lrdecay_cli.rules.running import findings_of


def check_maps(maps: Iterable[GroupMap], rules: Sequence[Rule], *, unjudged: Iterable[Unjudged] = ()) -> CheckResult:
    """Run ``rules`` over each map, in their order."""
    checked: list[CheckedMap] = []
    findings: list[Finding] = []
    for group_map in maps:
        source = group_map.config
        checked.append(CheckedMap(source.path, source.sha256, group_map.model.totals.tensors, len(group_map.groups)))
        findings += findings_of(group_map, rules)
    return CheckResult(
        CHECK_SCHEMA_VERSION, Tool("lrdecay", __version__), tuple(checked), tuple(unjudged), tuple(findings)
    )
