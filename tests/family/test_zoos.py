"""The zoos of the sibling packages: their tables are reviewed, and checked again if the packages are installed.

The tables are read without torch. ``pytest tests/family --family mmseg,mmpose`` builds a sample of each package again.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import astuple

from tests.family.zoo import PACKAGES, Row, recorded, rows_of, table_of
from tests.golden import Golden, Table

EVERY = pytest.mark.parametrize("package", PACKAGES)
PAGE = Path(__file__, "../../../docs/compatibility.md").resolve()
BEGIN, END = "<!-- zoos -->\n", "<!-- /zoos -->"
STEP = 25
ERRORS = Table(Path(__file__).with_name("errors.csv"), ("config", "code", "reason"), lambda: ())
"""Every error that ``check`` reports in the tables, with the actual mistake of the config or its package."""

WANT_WEIGHTS = (
    "mmaction::recognition/tanet/tanet_imagenet-pretrained-r50_8xb6-1x1x16-50e_sthv1-rgb.py",
    "mmaction::recognition/tsn/custom_backbones/"
    "tsn_imagenet-pretrained-swin-transformer_8xb32-1x1x3-100e_kinetics400-rgb.py",
    "mmselfsup::selfsup/eva/eva-mae-style_vit-base-p16_16xb256-coslr-400e_in1k.py",
    "mmselfsup::selfsup/milan/milan_vit-base-p16_16xb256-amp-coslr-400e_in1k.py",
)
"""No comparison: plain mmengine downloads weights for these configs."""


def codes_of(codes: str) -> list[str]:
    """Return codes from ``LRD301 LRD404*2``."""
    return [each.partition("*")[0] for each in codes.split()]


@EVERY
def test_table_is_complete(package: str) -> None:
    rows = rows_of(package)
    assert [row.config for row in rows] == sorted({row.config for row in rows})
    assert len(rows) >= 50
    for row in rows:
        is_map = row.status == "map"
        assert is_map == bool(row.groups and row.tensors and row.digest and row.plain and row.unexplained), row
        assert is_map or row.problem, row
        assert re.fullmatch(r"map|no-model|no-optim-wrapper|needs .+|broken upstream|error", row.status), row


def test_every_error_is_a_mistake_of_the_config() -> None:
    found = {
        (f"{package}::{row.config}", code)
        for package in PACKAGES
        for row in rows_of(package)
        for code in codes_of(row.errors)
    }
    assert found == {(config, code) for config, code, _ in ERRORS.rows()}
    assert all(reason for _, _, reason in ERRORS.rows())


@EVERY
def test_every_map_equals_the_build_of_plain_mmengine(package: str) -> None:
    others = {
        f"{package}::{row.config}": row.plain for row in rows_of(package) if row.status == "map" and not is_equal(row)
    }
    assert others == {config: "fails" for config in WANT_WEIGHTS if config.startswith(f"{package}::")}


@EVERY
def test_maps_are_explained_bit_for_bit(package: str) -> None:
    maps = [row for row in rows_of(package) if row.status == "map"]
    assert sum(map(is_explained, maps)) >= 0.95 * len(maps)


def test_page_has_the_tables(golden: Golden) -> None:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert (begin, end) == (BEGIN, END)
    golden.check_text(PAGE, before + begin + "\n".join(summary()) + "\n\n" + end + after)


def summary() -> list[str]:
    """Return the lines of the page's table."""
    head = ("package", "configs", "maps", "equal to plain", "explained bit for bit", "without a map, by kind")
    lines = ["", f"| {' | '.join(head)} |", "|---|---|---|---|---|---|"]
    for package, version in PACKAGES.items():
        rows = rows_of(package)
        maps = [row for row in rows if row.status == "map"]
        equal, explained = (sum(map(is_so, maps)) for is_so in (is_equal, is_explained))
        kinds = Counter(row.status for row in rows if row.status != "map").most_common()
        failures = ", ".join(f"{number} {kind}" for kind, number in kinds) or "–"
        cells = (f"{package} {version}", len(rows), len(maps), equal, explained, failures)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def is_equal(row: Row) -> bool:
    return row.plain == "equal"


def is_explained(row: Row) -> bool:
    return row.unexplained == "0"


@EVERY
def test_sample_is_found_again(package: str, golden: Golden) -> None:
    """Run only for packages that ``--family`` names; deselected for others."""
    table = table_of(package)
    rows = rows_of(package)
    first = {row.status: row for row in reversed(rows)}
    chosen = dict.fromkeys(row.config for row in [*rows[::STEP], *first.values()])
    for row, _ in recorded(package, [*chosen]):
        golden.check_rows(table, row.config, [astuple(row)])
