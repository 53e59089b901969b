"""Folding names: readable patterns that match exactly the folded names."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdecay_cli.text.name_patterns import Universe, fold_names, matches
from tests.work import growth

SWIN = [
    "backbone.pos_embed",
    *(
        f"backbone.stages.{stage}.blocks.{block}.{module}.{leaf}"
        for stage, depth in enumerate((2, 2, 6, 2))
        for block in range(depth)
        for module in ("norm1", "attn.qkv", "norm2", "ffn.0")
        for leaf in ("weight", "bias")
    ),
    *(f"neck.convs.{index}.{leaf}" for index in range(3) for leaf in ("weight", "bias")),
    "head.cls.weight",
    "head.cls.bias",
    "head.scale",
]

# Parts of the names to fold, and the expected pattern.
FOLDED = {
    "everything": (".", ["*"]),
    "one name": ("head.scale", ["head.scale"]),
    "a module": ("neck.", ["neck.*"]),
    "two modules": ("neck. head.", ["{neck,head}.*"]),
    "two blocks": ("2.blocks.3. 2.blocks.4.", ["backbone.stages.2.blocks.{3,4}.*"]),
    "a run of blocks": ("2.blocks.3. 2.blocks.4. 2.blocks.5.", ["backbone.stages.2.blocks.{3-5}.*"]),
    "blocks with a gap": (
        "2.blocks.0. 2.blocks.1. 2.blocks.2. 2.blocks.5.",
        ["backbone.stages.2.blocks.{0-2,5}.*"],
    ),
    "all of a stage": ("stages.0.", ["backbone.stages.0.*"]),
    "some of a module": ("cls.weight scale", ["head.cls.weight", "head.scale"]),
    "all of a module, by its parts": ("cls scale", ["head.*"]),
    "all biases": ("bias", ["*.bias"]),
    "weights under a number": (".0.weight", ["*.{ffn,convs}.0.weight"]),
    "all norms": ("norm", ["backbone.stages.*.{norm1,norm2}.{weight,bias}"]),
    "no decay": ("bias norm pos_embed", ["*.{pos_embed,bias}", "*.{norm1,norm2}.weight"]),
    "a number not by itself": (
        "1.blocks.0.ffn.0.bias 1.blocks.1.ffn.0.bias",
        ["backbone.stages.1.blocks.*.ffn.0.bias"],
    ),
    "biases of one module, and all of another": ("neck. qkv.bias", ["backbone.stages.*.qkv.bias", "neck.*"]),
}


@pytest.mark.parametrize(("parts", "expected"), FOLDED.values(), ids=FOLDED)
def test_folded_pattern(parts: str, expected: list[str]) -> None:
    names = [name for name in SWIN if any(part in name for part in parts.split())]
    assert [pattern for pattern, _ in fold_names(names, SWIN)] == expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b", "a_b", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", True),
        ("a.*", "a", False),
        ("a.*", "ab.c", False),
        ("*.bias", "a.b.bias", True),
        ("*.bias", "bias", False),
        ("*.bias", "a.no_bias", False),
        ("a.*.c", "a.b.b.c", True),
        ("a.*.c", "a.c", False),
        ("a.{3-11}.c", "a.3.c", True),
        ("a.{3-11}.c", "a.11.c", True),
        ("a.{3-11}.c", "a.2.c", False),
        ("a.{3-11}.c", "a.04.c", False),
        ("a.{0-2,7,norm}", "a.norm", True),
        ("a.{0-2,7,norm}", "a.7", True),
        ("a.{0-2,7,norm}", "a.6", False),
        (r"a.\*", "a.*", True),
        (r"a.\*", "a.b", False),
        ("g[0] (none)", "g[0] (none)", True),
    ],
)
def test_matches_of_a_pattern(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_labels_that_look_like_patterns_are_taken_literally() -> None:
    names = ["a.*", "a.{0,1}", "a.{2-3}", "a.b\\", "c.007", "c.8", "c.9", "c.1-3", "c.x"]
    for name in names:
        (pattern, matched), *more = fold_names([name], [*names, "a.b", "a.0", "c.2"])
        assert not more
        assert matched == [name]
        assert [other for other in [*names, "a.b", "a.0", "c.2"] if matches(pattern, other)] == [name]
    assert fold_names(names[4:8], names) == [("c.{8,9,007}", ["c.007", "c.8", "c.9"]), ("c.1-3", ["c.1-3"])]


def test_nothing_folds_into_nothing() -> None:
    assert fold_names([], []) == fold_names([], ["a"]) == []


def test_names_outside_the_universe_are_added() -> None:
    assert fold_names(["a.x", "a.y"], ["b"]) == [("a.*", ["a.x", "a.y"])]


@pytest.mark.parametrize(
    ("part", "spelled", "expected"),
    [
        ("neck", 0, ["neck.*"]),
        ("neck", 2, ["neck.convs.*"]),
        ("neck", 3, ["neck.convs.{0-2}.*"]),
        ("bias", 1, ["backbone.stages.*.bias", "neck.convs.*.bias", "head.cls.bias"]),
    ],
)
def test_labels_that_must_be_spelled_out(part: str, spelled: int, expected: list[str]) -> None:
    folded = Universe(SWIN).fold([name for name in SWIN if part in name], spelled=spelled)
    assert [pattern for pattern, _ in folded] == expected


LABEL = st.sampled_from(
    ["a", "b", "norm", "weight", "bias", *map(str, range(5)), "10", "01", "*", "{a,b}", "1-3", "x y"]
)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
# A few nested modules, so that whole subtrees, shared endings and runs of numbers occur.
REGULAR = st.builds(
    lambda heads, blocks, leaves: [".".join(labels) for labels in itertools.product(heads, blocks, leaves)],
    st.lists(st.sampled_from(["a", "b.c", "neck"]), min_size=1, unique=True),
    st.integers(1, 6).map(lambda count: [str(index) for index in range(count)]),
    st.lists(st.sampled_from(["norm.weight", "norm.bias", "conv.weight", "bias", "0.bias"]), min_size=1, unique=True),
)


@st.composite
def selections(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Draw names, and the set of all names that contains them."""
    universe = draw(st.one_of(st.lists(NAME, max_size=30, unique=True), REGULAR))
    if not universe:
        return [], []
    by_part = st.sampled_from(sorted({part for name in universe for part in name.split(".")}))
    parts = draw(st.lists(by_part, max_size=3))
    chosen = [name for name in universe if set(parts) & set(name.split("."))]
    others = draw(st.lists(st.sampled_from(universe), max_size=4))
    return draw(st.permutations(sorted({*chosen, *others}))), universe


@given(selections())
def test_patterns_match_exactly_their_own_names_and_lose_none(selection: tuple[list[str], list[str]]) -> None:
    names, universe = selection
    folded = fold_names(names, universe)
    for pattern, matched in folded:
        assert {name for name in universe if matches(pattern, name)} == set(matched)
    assert sorted(name for _, matched in folded for name in matched) == sorted(names)


@given(selections())
def test_patterns_and_their_names_keep_the_order_of_the_names(selection: tuple[list[str], list[str]]) -> None:
    names, universe = selection
    folded = fold_names(names, universe)
    position = {name: index for index, name in enumerate(names)}
    for members in [[matched[0] for _, matched in folded], *(matched for _, matched in folded)]:
        assert members == sorted(members, key=position.__getitem__)


def test_folding_grows_linearly_with_the_names() -> None:
    def folding(blocks: int) -> Callable[[], None]:
        universe = [
            f"backbone.stages.{stage}.{block}.{module}.{leaf}"
            for stage in range(4)
            for block in range(blocks)
            for module in ("norm", "conv1", "conv2", "gate")
            for leaf in ("weight", "bias")
        ]

        def fold() -> None:
            every = Universe(universe)
            layers = [every.fold(universe[first : first + 24]) for first in range(0, len(universe), 24)]
            assert {len(patterns) for patterns in layers} == {1}
            assert [pattern for pattern, _ in every.fold(universe[1::2])] == ["backbone.stages.*.bias"]

        return fold

    assert growth(folding, 15) < 12
