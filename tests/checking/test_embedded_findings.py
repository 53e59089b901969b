"""Other commands show the findings of all rules, even if the rules are not loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from lrdecay_cli.checking.embedded_findings import INSPECTED, findings_among, inspected_findings
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.commands.running import SAMPLES
from tests.group_maps import group_map

DECAY = Constructor("LearningRateDecayOptimizerConstructor", {"decay_rate": 0.7, "num_layers": 6})


def of_two(**head: Any) -> GroupMap:
    """Return a map with a backbone and a head; ``head`` has further fields of the head's group."""
    groups = {"low": {"lr": 0.05, "lr_scale": 0.5, "parameters": {"backbone.stages.0.0.weight": (2, 2)}}}
    return group_map({**groups, "top": {"parameters": {"head.weight": (2, 2)}, **head}}, constructor=DECAY)


def _another_lr(found: GroupMap) -> GroupMap:
    first, *others = found.groups
    return msgspec.structs.replace(found, groups=(msgspec.structs.replace(first, lr=0.5), *others))


CASES = {
    "nothing": (lambda: of_two(lr=0.1, lr_scale=1.0), set()),
    "scale": (lambda: of_two(lr=0.2, lr_scale=2.0), {"LRD301"}),
    # Only LRD304 reports this.
    "lr alone": (lambda: of_two(lr=0.2, lr_scale=1.0), set()),
    "missing": (lambda: group_map({"a": {"parameters": {"a.weight": (2,)}}}, missing={"b.weight": (2,)}), {"LRD101"}),
    "another lr": (lambda: _another_lr(audit(str(SAMPLES / "convnext-t_layer-wise.py"), device="meta")), {"LRD209"}),
    "real": (lambda: audit(str(SAMPLES / "convnext-s_wrong-num-layers.py"), device="meta"), {"LRD301"}),
    "fits": (lambda: audit(str(SAMPLES / "swin-t_custom-keys.py"), device="meta"), set()),
}


@pytest.mark.parametrize("name", CASES)
def test_inspected_findings_are_those_of_all_rules(name: str) -> None:
    make, codes = CASES[name]
    found = make()
    shown = inspected_findings(found)
    assert shown == findings_among(found, INSPECTED)
    assert {*shown} <= {*findings_of(found, RULES)}
    assert {finding.code for finding in shown} >= codes
    assert bool(shown) is bool(codes)


def test_rules_are_loaded_only_where_they_can_find_something() -> None:
    program = (
        "import sys\nfrom lrdecay_cli.checking.embedded_findings import inspected_findings\n"
        "from tests.group_maps import group_map\n"
        "inspected_findings(group_map({'a': {'lr': 0.1, 'parameters': {'a.weight': (2,)}}}))\n"
        "print('lrdecay_cli.rules' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
