"""Constructors of the sibling packages, explained bit for bit: compare lrdecay's formulas with real groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.selection import select
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
    """Each was reviewed: a rule that uses only the class name of a constructor would report false findings here."""
    group_map = with_provenance(read_map(str(recorded)), None)
    found = findings_of(group_map, RULES)
    golden.check_rows(FINDINGS, recorded.stem, [(recorded.stem, f.code, f.severity, f.message) for f in found])


def test_a_group_uses_the_weight_decay_of_its_first_parameter() -> None:
    """mmselfsup puts all decayed parameters of a layer into one group, for any ``decay_mult`` of the keys."""
    group_map = with_provenance(read_map(str(Path(__file__).parent / "maps" / "mmselfsup_keys.json")), None)
    (found,) = Explainer(group_map).explain(select(group_map, "backbone.layers.0.ffn.layers.0.0.weight"))
    assert found.numbers is not None
    assert (found.numbers.weight_decay, found.remarks) == (
        0.025,
        (
            "this parameter's weight decay would be 0.010000000000000002,"
            " but its group uses the weight decay of the group's first parameter",
        ),
    )


def test_no_longer_key_is_advised_where_the_shortest_counts() -> None:
    group_map = with_provenance(read_map(str(Path(__file__).parent / "maps" / "mmselfsup_keys.json")), None)
    fixes = [found.fix for found in findings_of(group_map, RULES) if found.code == "LRD506"]
    assert len(fixes) == 4
    assert all("uses the shortest key" in fix for fix in fixes)
