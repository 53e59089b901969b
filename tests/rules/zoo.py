"""What the rules find in MMDetection's zoo: ``python -m tests.rules.zoo`` writes the golden table anew.

A row for each config and code that is found there at all, with its severity and how many findings there are.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.openmmlab.zoo import golden as zoo_status

GOLDEN = Path(__file__).with_name("zoo_findings.csv")
COLUMNS = ("config", "code", "severity", "findings")

Row = tuple[str, str, str, str]


def configs() -> list[str]:
    """Every config of mmdet's zoo that gives a map."""
    return [row.config for row in zoo_status() if row.status == "ok" and row.config.startswith("mmdet::")]


def rows_of(group_map: GroupMap) -> list[Row]:
    found = Counter((finding.code, finding.severity) for finding in findings_of(group_map, RULES))
    return [(group_map.config.path, code, severity, str(count)) for (code, severity), count in sorted(found.items())]


def golden() -> Iterator[Row]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        yield from ((row["config"], row["code"], row["severity"], row["findings"]) for row in csv.DictReader(file))


def statistics(rows: list[Row]) -> list[tuple[str, str, int, int]]:
    """Code, severity, findings and configs, as ``check --statistics`` counts them."""
    findings, places = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for _, code, severity, count in rows:
        findings[code, severity] += int(count)
        places[code, severity] += 1
    return [(*rule, findings[rule], places[rule]) for rule in sorted(findings)]


def main() -> None:
    rows: list[Row] = []
    for config in configs():
        rows += rows_of(audit(config))
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([COLUMNS, *rows])
    sys.stdout.write("".join(f"{' '.join(map(str, row))}\n" for row in statistics(rows)))


if __name__ == "__main__":
    from lrdecay_cli.openmmlab.stubs.kernels import install_stand_ins

    install_stand_ins()
    main()
