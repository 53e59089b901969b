"""Detection of renamed modules, and their report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.folding import fold
from lrdecay_cli.domain.change import Change
from lrdecay_cli.domain.group_map import GroupMap
from tests.group_maps import group_map
from tests.work import growth


def model(*names: str, **spec: Any) -> GroupMap:
    """One group with these parameters: weights have shape 2×2, other tensors have shape 2."""
    return group_map({"decay": {"parameters": {n: (2, 2) if n.endswith("weight") else (2,) for n in names}, **spec}})


NECK = ("neck.conv.weight", "neck.conv.bias", "neck.norm.weight")
FPN = tuple(f"fpn_{name}" for name in NECK)
LINEAR = ("weight", "bias")


def of(*modules: str) -> tuple[str, ...]:
    """A weight and a bias for each module."""
    return tuple(f"{module}.{leaf}" for module in modules for leaf in LINEAR)


# Names before, names after, and the expected changes: (pattern, aspect, the new pattern of a rename).
CASES = {
    "a module": (model("w", *NECK), model("w", *FPN), [("neck.*", "renamed", "fpn_neck.*")]),
    "a module in another": (
        model("backbone.w", *of("backbone.norm3")),
        model("backbone.w", *of("backbone.final_norm")),
        [("backbone.norm3.*", "renamed", "backbone.final_norm.*")],
    ),
    "the same module in every layer": (
        model(*of("layers.0.conv", "layers.0.norm", "layers.1.conv", "layers.1.norm")),
        model(*of("layers.0.conv", "layers.0.ln", "layers.1.conv", "layers.1.ln")),
        [("layers.{0,1}.norm.*", "renamed", "layers.{0,1}.ln.*")],
    ),
    "layers that are alike, under another name": (
        model("w", *of("layers.0", "layers.1", "layers.2")),
        model("w", *of("blocks.0", "blocks.1", "blocks.2")),
        [("layers.*", "renamed", "blocks.*")],
    ),
    "the whole model, wrapped": (
        model("neck.weight", "head.bias"),
        model("module.neck.weight", "module.head.bias"),
        [("*", "renamed", "module.*")],
    ),
    "a module, wrapped": (model("w", *of("neck")), model("w", *of("neck.0")), [("neck.*", "renamed", "neck.0.*")]),
    "numbers that shifted keep their order": (
        model(*of("head.0", "head.2", "head.4")),
        model(*of("head.0", "head.3", "head.6")),
        [("head.2.*", "renamed", "head.3.*"), ("head.4.*", "renamed", "head.6.*")],
    ),
    "numbers by value, not as text": (
        model(*of("head.w", "head.8", "head.10")),
        model(*of("head.w", "head.11", "head.12")),
        [("head.8.*", "renamed", "head.11.*"), ("head.10.*", "renamed", "head.12.*")],
    ),
    "one that looks like a part of another": (
        model("w", *of("neck.conv", "stem"), "neck.scale"),
        model("w", *of("fpn.conv", "root"), "fpn.scale"),
        [("neck.*", "renamed", "fpn.*"), ("stem.*", "renamed", "root.*")],
    ),
    "all that every layer has": (
        model("w", *of("layers.0.norm", "layers.1.norm")),
        model("w", *of("layers.0.ln", "layers.1.ln")),
        [("layers.{0,1}.norm.*", "renamed", "layers.{0,1}.ln.*")],
    ),
    "siblings of which either could be meant": (
        model("w", *of("neck.x", "neck.y")),
        model("w", *of("neck.u", "neck.v")),
        [("neck.*", "removed", None), ("neck.*", "added", None)],
    ),
    "a module of one parameter": (
        model("w", "neck.weight"),
        model("w", "fpn.weight"),
        [("neck.weight", "renamed", "fpn.weight")],
    ),
    "two of the old could be meant": (
        model("w", *of("a.x", "b.y")),
        model("w", *of("c.z")),
        [("{a,b}.*", "removed", None), ("c.*", "added", None)],
    ),
    "two of the new could be meant": (
        model("w", *of("a")),
        model("w", *of("b", "c")),
        [("a.*", "removed", None), ("{b,c}.*", "added", None)],
    ),
    "not all of it": (
        model("w", *of("neck")),
        model("w", "neck.bias", "fpn.weight"),
        [("neck.weight", "removed", None), ("fpn.weight", "added", None)],
    ),
    "more than it": (
        model("w", *of("neck")),
        model("w", *of("fpn"), "fpn.scale"),
        [("neck.*", "removed", None), ("fpn.*", "added", None)],
    ),
    "into what was there": (
        model("fpn.scale", *of("neck")),
        model("fpn.scale", *of("fpn")),
        [("neck.*", "removed", None), ("fpn.{weight,bias}", "added", None)],
    ),
    "a parameter, not a module": (
        model("backbone.w", "backbone.pos"),
        model("backbone.w", "backbone.abs_pos"),
        [("backbone.pos", "removed", None), ("backbone.abs_pos", "added", None)],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_rename(before: GroupMap, after: GroupMap, expected: list[tuple[str, str, str | None]]) -> None:
    folded = fold(diff(before, after), before.names(duplicates=True), after.names(duplicates=True))
    assert [(c.pattern, c.aspect, c.after if c.aspect == "renamed" else None) for c in folded] == expected


@pytest.mark.parametrize(
    "after",
    [
        group_map({"decay": {"parameters": {"fpn.weight": (3, 2)}}}),
        model("fpn.weight", lr=0.2),
        model("fpn.weight", lr_scale=0.5),
        model("fpn.weight", weight_decay=0.0),
        model("fpn.weight", layer_id=3),
        model("fpn.weight", no_grad=("fpn.weight",)),
        group_map({"other": {"parameters": {"fpn.weight": (2, 2)}}}),
        group_map(frozen={"fpn.weight": (2, 2)}),
        group_map(missing={"fpn.weight": (2, 2)}),
    ],
    ids=["shape", "lr", "lr_scale", "weight_decay", "layer_id", "requires_grad", "group", "frozen", "missing"],
)
def test_a_changed_module_is_not_renamed(after: GroupMap) -> None:
    assert {change.aspect for change in diff(model("neck.weight"), after)} == {"removed", "added"}


def test_a_rename_is_reported_once_per_parameter() -> None:
    assert list(diff(model("a", "neck.weight", "b"), model("fpn.weight", "b"))) == [
        Change("a", "removed", "grouped", None),
        Change("neck.weight", "renamed", "neck.weight", "fpn.weight"),
    ]


def test_a_renamed_parameter_is_compared_too() -> None:
    before, after = model("neck.weight", options={"eps": 1}), model("fpn.weight", options={"eps": 2})
    assert [(change.parameter, change.aspect) for change in diff(before, after)] == [
        ("neck.weight", "renamed"),
        ("neck.weight", "options"),
    ]


def test_numbered_groups_and_first_names_of_duplicates_follow_the_rename() -> None:
    before = group_map(
        {"group_0": {"parameters": {"neck.weight": (2, 2)}}}, duplicates={"head.neck.weight": "neck.weight"}
    )
    after = group_map(
        {"group_7": {"parameters": {"fpn.weight": (2, 2)}}}, duplicates={"head.neck.weight": "fpn.weight"}
    )
    assert list(diff(before, after)) == [Change("neck.weight", "renamed", "neck.weight", "fpn.weight")]


def test_a_comparison_grows_linearly_with_the_renamed_layers() -> None:
    def comparison(layers: int) -> Callable[[], None]:
        before = model(*(name for index in range(layers) for name in of(f"old.{index}.conv")), "w")
        after = model(*(name for index in range(layers) for name in of(f"new.{index}.linear")), "w")

        def compare() -> None:
            # All modules are alike, so the pairs are ambiguous.
            assert len(list(diff(before, after))) == 4 * layers

        return compare

    assert growth(comparison, 100) < 12
