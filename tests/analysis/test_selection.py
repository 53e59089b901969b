"""Parameters selected by their names, modules and groups."""

from __future__ import annotations

import pytest

from lrdecay_cli.analysis.selection import select
from lrdecay_cli.domain.errors import LrdecayError
from tests.group_maps import group_map

SOME = group_map(
    {
        "layer_0_decay": {"parameters": {"backbone.stem.weight": (2, 2), "backbone.stem.bias": (2,)}},
        "layer_1_decay": {"parameters": {"backbone.stages.0.weight": (2, 2), "backbone.stages.10.weight": (2, 2)}},
        "head": {"parameters": {"head.fc.weight": (2, 2)}},
    },
    frozen={"backbone.norm.weight": (2,)},
    missing={"neck.weight": (2, 2)},
    duplicates={"head.tied.weight": "head.fc.weight", "head.fc.weight": "head.fc.weight"},
)
STEM, STAGES = ["backbone.stem.weight", "backbone.stem.bias"], ["backbone.stages.0.weight", "backbone.stages.10.weight"]
OUTSIDE = ["backbone.norm.weight", "neck.weight"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (None, [*STEM, *STAGES, "head.fc.weight", *OUTSIDE]),
        ("*", [*STEM, *STAGES, "head.fc.weight", *OUTSIDE]),
        *(("backbone.stem.bias", STEM[1:]), ("backbone.stem", STEM), ("backbone.st*", [*STEM, *STAGES])),
        *(("backbone.stages.1", []), ("backbone.stages.{0,10}.weight", STAGES), ("backbone.stages.?", STAGES[:1])),
        *(("layer_0_decay", STEM), ("layer_*", [*STEM, *STAGES]), ("layer_0", []), ("head", ["head.fc.weight"])),
        *(("*.norm", OUTSIDE[:1]), ("neck", OUTSIDE[1:]), ("stem", []), ("backbone.ste", []), ("head.tied", [])),
    ],
)
def test_chosen_values(pattern: str | None, names: list[str]) -> None:
    if names:
        assert [tensor.name for tensor in select(SOME, pattern)] == names
    else:
        with pytest.raises(LrdecayError):
            select(SOME, pattern)


def test_further_names_are_chosen_if_asked_for() -> None:
    """Select each tensor once: the second name of a shared tensor is a duplicate."""
    found = select(SOME, "head", duplicates=True)
    assert [(tensor.name, tensor.state, tensor.group and tensor.group.name) for tensor in found] == [
        ("head.fc.weight", "grouped", "head"),
        ("head.tied.weight", "duplicate", None),
    ]
    states = [tensor.state for tensor in select(SOME, None, duplicates=True)]
    assert states == [*["grouped"] * 5, "frozen", "missing", "duplicate"]


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("backbone.steam.*", "did you mean backbone.stem?"),
        ("backbone.stem.wieght", "did you mean backbone.stem.weight?"),
        ("nek", "did you mean neck?"),
        ("zzz", "give a glob such as 'backbone.*', a module such as backbone, or a group such as layer_0_decay"),
    ],
)
def test_suggestions_for_a_pattern_without_a_match(pattern: str, fix: str) -> None:
    with pytest.raises(LrdecayError) as caught:
        select(SOME, pattern, where="PATTERN")
    assert str(caught.value) == f"PATTERN: no parameter or group matches {pattern!r}; {fix}"
