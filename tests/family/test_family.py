"""Constructors of the sibling packages, explained bit for bit: our formulas against groups that the real ones made."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.constructors.recomputation import with_provenance
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.golden import Golden, Table
from tests.recomputing import assert_explained, assert_recomputes

MAPS = sorted((Path(__file__).parent / "maps").glob("*.json"))
NAMES = pytest.mark.parametrize("recorded", MAPS, ids=[path.stem for path in MAPS])


@NAMES
def test_every_number_is_recomputed(recorded: Path) -> None:
    group_map = with_provenance(read_map(str(recorded)), None)
    spec = constructor_of(group_map)
    assert (spec.known, spec.package) == (True, recorded.stem.partition("_")[0])
    assert_recomputes(group_map)
    assert_explained(group_map)


FINDINGS = Table(
    Path(__file__).with_name("findings.csv"),
    ("map", "code", "severity", "message"),
    lambda: [path.stem for path in MAPS],
)


@NAMES
def test_findings_are_the_golden_ones(recorded: Path, golden: Golden) -> None:
    """Each was looked at: a rule that goes by the bare name of a constructor says false things here."""
    group_map = with_provenance(read_map(str(recorded)), None)
    found = findings_of(group_map, RULES)
    golden.check_rows(FINDINGS, recorded.stem, [(recorded.stem, f.code, f.severity, f.message) for f in found])
