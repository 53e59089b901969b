"""Findings of the rules for MMDetection's zoo.

A row for each config and code with findings, with the severity and the number of findings.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.golden import Row, Table
from tests.openmmlab.zoo import Status, statuses


def built_rows() -> list[Status]:
    """Every config of mmdet's zoo that gives a map."""
    return [row for row in statuses() if row.status == "ok" and row.config.startswith("mmdet::")]


@cache
def configs() -> list[str]:
    return [row.config for row in built_rows()]


def rows_of(group_map: GroupMap) -> list[Row]:
    found = Counter((finding.code, finding.severity) for finding in findings_of(group_map, RULES))
    return [(group_map.config.path, code, severity, str(count)) for (code, severity), count in sorted(found.items())]


FOUND = Table(Path(__file__).with_name("zoo_findings.csv"), ("config", "code", "severity", "findings"), configs)


def statistics(rows: list[Row]) -> list[tuple[str, str, int, int]]:
    """Return code, severity, findings and configs, as ``check --statistics`` counts them."""
    findings, places = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for _, code, severity, count in rows:
        findings[code, severity] += int(count)
        places[code, severity] += 1
    return [(*rule, findings[rule], places[rule]) for rule in sorted(findings)]
