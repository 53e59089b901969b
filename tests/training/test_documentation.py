"""docs/constructor.md lists exactly the existing options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lrdecay_cli.decay.constructor_options import OPTIONS
from lrdecay_cli.decay.families import ALL_FAMILIES
from lrdecay_cli.training import audit_hook

PAGE = Path(__file__, "../../../docs/constructor.md").resolve().read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """Return every name in the first column of the tables below a heading."""
    section = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(.*?)`", cell)]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Options of `paramwise_cfg`", OPTIONS),
        ("`ParamGroupAuditHook`", set(audit_hook._OPTIONS) - {"priority"}),
        ("Which backbone", {*(family.name for family in ALL_FAMILIES), "get_layer_depth"} - {"swin-timm"}),
    ],
)
def test_every_option_is_documented(heading: str, names: set[str]) -> None:
    assert sorted(first_cells(heading)) == sorted(names)
