"""Folded changes contain every change, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.folding import fold
from lrdecay_cli.domain.change import Change, FoldedChange
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.text.name_patterns import matches
from tests.group_maps import group_map


def folded(before: GroupMap, after: GroupMap) -> list[FoldedChange]:
    return fold(diff(before, after), before.names(duplicates=True), after.names(duplicates=True))


def read(changes: list[FoldedChange]) -> list[tuple[str, str, Any, Any, int]]:
    return [(change.pattern, change.aspect, change.before, change.after, change.tensors) for change in changes]


def blocks(*numbers: int) -> dict[str, tuple[int, ...]]:
    return {f"backbone.stages.2.{number}.{leaf}": (2,) for number in numbers for leaf in ("weight", "bias", "gamma")}


def test_layer_decay_that_changes() -> None:
    def decayed(rate: float) -> GroupMap:
        return group_map(
            {
                "layer_3": {"layer_id": 3, "lr_scale": rate**2, "parameters": blocks(0, 1, 2)},
                "layer_4": {"layer_id": 4, "lr_scale": rate, "parameters": blocks(3, 4, 5)},
                "head": {"parameters": {"head.weight": (2,)}},
            }
        )

    assert read(folded(decayed(0.5), decayed(0.25))) == [
        ("backbone.stages.2.{0-2}.*", "lr_scale", 0.25, 0.0625, 9),
        ("backbone.stages.2.{3-5}.*", "lr_scale", 0.5, 0.25, 9),
    ]


def test_nan_and_unhashable_values_fold() -> None:
    names = {"a.x": (2,), "a.y": (2,)}
    before = group_map({"g": {"lr": float("nan"), "options": {"betas": [0.9, 0.99]}, "parameters": names}})
    after = group_map({"g": {"lr": 0.1, "options": {"betas": [0.8, 0.99]}, "parameters": names}})
    assert [(change.pattern, change.aspect) for change in folded(before, after)] == [("*", "lr"), ("*", "options")]


def test_lines_are_in_the_order_of_their_first_parameters() -> None:
    names = ["a.x", "b.x", "b.y", "c.x"]
    changes = [
        Change("a.x", "lr", 0.1, 0.2),
        Change("b.x", "lr_scale", 0.5, 0.6),
        Change("b.x", "lr", 0.1, 0.3),
        Change("b.y", "lr", 0.1, 0.2),
    ]
    assert [(line.pattern, line.aspect) for line in fold(changes, names, names)] == [
        ("a.x", "lr"),
        ("b.x", "lr_scale"),
        ("b.x", "lr"),
        ("b.y", "lr"),
    ]


def test_equal_numbers_of_different_kinds_stay_apart() -> None:
    changes = [Change("a.x", "layer_id", 0, 1), Change("a.y", "frozen", False, True)]
    assert [change.aspect for change in fold(changes, ["a.x", "a.y"], ["a.x", "a.y"])] == ["layer_id", "frozen"]


def test_a_module_with_other_parameters_does_not_change_as_a_whole() -> None:
    before = group_map({"g": {"parameters": {"a.x": (2,), "a.y": (2,), "a.old": (3,)}}})
    after = group_map({"g": {"lr": 0.2, "parameters": {"a.x": (2,), "a.y": (2,), "a.new": (4,)}}})
    assert read(folded(before, after)) == [
        ("a.{x,y}", "lr", 0.1, 0.2, 2),
        ("a.old", "removed", "grouped", None, 1),
        ("a.new", "added", None, "grouped", 1),
    ]


def test_a_module_that_was_replaced_is_removed_and_added_as_a_whole() -> None:
    before = group_map({"g": {"parameters": {"w": (1,), "neck.x": (2,), "neck.y": (3,)}}})
    after = group_map({"g": {"parameters": {"w": (1,), "neck.u": (4,), "neck.v": (5,)}}})
    assert read(folded(before, after)) == [
        ("neck.*", "removed", "grouped", None, 2),
        ("neck.*", "added", None, "grouped", 2),
    ]


def test_renames_without_a_common_pattern_are_separate() -> None:
    # The second side has its own parameter under the new name, so no pattern there matches only the renamed ones.
    changes = [Change(f"old.{leaf}", "renamed", f"old.{leaf}", f"new.{leaf}") for leaf in "xy"]
    assert read(fold(changes, ["old.x", "old.y"], ["new.x", "new.y", "new.z"])) == [
        ("old.x", "renamed", "old.x", "new.x", 1),
        ("old.y", "renamed", "old.y", "new.y", 1),
    ]


NAMES = [f"{module}.{index}.{leaf}" for module in ("a", "b.c") for index in range(3) for leaf in ("weight", "bias")]
PLACES = st.sampled_from(["none", "frozen", "missing", "slow", "fast"])


@st.composite
def maps(draw: st.DrawFn) -> GroupMap:
    """The same few names, some under another module, at a few indices."""
    module = draw(st.sampled_from(["a", "z", "b"]))
    names = [f"{module}.{name[2:]}" if name.startswith("a.") else name for name in NAMES]
    places = draw(st.lists(PLACES, min_size=len(names), max_size=len(names)) | PLACES.map(lambda place: [place] * 12))
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, place in zip(names, places, strict=True):
        shapes.setdefault(place, {})[name] = (2, 2) if name.endswith("weight") else (2,)
    return group_map(
        {
            "slow": {"lr": 0.01, "lr_scale": 0.1, "parameters": shapes.get("slow")},
            "fast": {"layer_id": 1, "parameters": shapes.get("fast")},
        },
        frozen=shapes.get("frozen"),
        missing=shapes.get("missing"),
    )


@given(maps(), maps())
def test_every_change_is_in_exactly_one_and_every_pattern_is_exact(before: GroupMap, after: GroupMap) -> None:
    changes = list(diff(before, after))
    lines = folded(before, after)
    expanded = [(name, line.aspect) for line in lines for name in line.parameters]
    assert sorted(expanded) == sorted((change.parameter, change.aspect) for change in changes)
    assert sum(line.tensors for line in lines) == len(changes)

    found = {(change.parameter, change.aspect): change for change in changes}
    olds, news = before.names(duplicates=True), after.names(duplicates=True)
    for line in lines:
        names = {"added": news, "removed": olds, "renamed": olds}.get(line.aspect, [*olds, *news])
        assert {name for name in names if matches(line.pattern, name)} == set(line.parameters)
        if line.aspect == "renamed":
            targets = {found[name, "renamed"].after for name in line.parameters}
            assert {name for name in news if matches(line.after, name)} == targets
        else:
            values = [(line.before, line.after)] * line.tensors
            assert [(found[n, line.aspect].before, found[n, line.aspect].after) for n in line.parameters] == values


@given(maps(), maps())
def test_the_reverse_comparison_has_the_reverse_changes(before: GroupMap, after: GroupMap) -> None:
    back = {"added": "removed", "removed": "added"}
    there = {(change.aspect, repr(change.before), repr(change.after)) for change in diff(before, after)}
    assert there == {
        (back.get(change.aspect, change.aspect), repr(change.after), repr(change.before))
        for change in diff(after, before)
    }


@given(maps())
def test_a_map_equals_itself(same: GroupMap) -> None:
    assert not list(diff(same, same))
