"""The status of every config of the installed zoos: ``python -m tests.openmmlab.zoo`` writes the golden table anew."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from mmengine.utils import get_installed_path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit

PACKAGES = ("mmdet", "mmpretrain")
GOLDEN = Path(__file__).with_name("zoo_status.csv")
SAMPLE_STEP = 40


class Status(msgspec.Struct, frozen=True):
    """One row; the numbers are those of the map, and empty where there is none."""

    config: str
    status: str
    groups: str = ""
    tensors: str = ""
    frozen: str = ""
    missing: str = ""


def zoo_configs() -> Iterator[str]:
    """Every config that is not a base, as ``package::path``, in alphabetical order."""
    for package in PACKAGES:
        root = Path(get_installed_path(package), ".mim", "configs")
        paths = (path.relative_to(root) for path in root.rglob("*.py"))
        yield from (f"{package}::{path.as_posix()}" for path in sorted(paths) if "_base_" not in path.parts)


def outcome_of(config: str) -> tuple[Status, GroupMap | None]:
    try:
        group_map = audit(config)
    except LrdecayError as error:
        return Status(config, error.status), None
    totals = group_map.model.totals
    numbers = (len(group_map.groups), totals.tensors, totals.frozen_tensors, totals.missing_tensors)
    return Status(config, "ok", *map(str, numbers)), group_map


def golden() -> list[Status]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return [Status(**row) for row in csv.DictReader(file)]


def sample(rows: list[Status]) -> list[Status]:
    """Every 40th row, and the first of each status."""
    first = {row.status: row for row in reversed(rows)}
    chosen = {row.config for row in [*rows[::SAMPLE_STEP], *first.values()]}
    return [row for row in rows if row.config in chosen]


def main() -> None:
    rows = []
    for config in zoo_configs():
        rows.append(outcome_of(config)[0])
        sys.stderr.write(f"{rows[-1].status}\t{config}\n")
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Status.__struct_fields__)
        table.writerows(msgspec.structs.astuple(row) for row in rows)
    sys.stdout.write(
        "".join(f"{count:5} {status}\n" for status, count in Counter(r.status for r in rows).most_common())
    )


if __name__ == "__main__":
    main()
