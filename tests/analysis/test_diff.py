"""Every change that ``diff`` reports, as one table of (before, after, expected changes)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lrdecay_cli.analysis.comparing.changes import diff, known_aspects
from lrdecay_cli.analysis.comparing.settings import settings
from lrdecay_cli.domain.change import ASPECTS, Change, SettingChange
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap, Tool
from lrdecay_cli.domain.training import Constructor, Optimizer
from tests.group_maps import group_map

SHAPE = (4, 4)
NAN = float("nan")


def grouped(name: str = "decay", shape: tuple[int, ...] = SHAPE, **spec: Any) -> GroupMap:
    """One parameter, ``w``, in one group."""
    return group_map({name: {"parameters": {"w": shape}, **spec}})


def numbered(*names: str) -> GroupMap:
    """An unnamed group for each parameter, as mmengine's default constructor builds them."""
    return group_map({f"group_{index}": {"parameters": {name: SHAPE}} for index, name in enumerate(names)})


def optimized_by(optimizer: str) -> GroupMap:
    return group_map({"decay": {"parameters": {"w": SHAPE}}}, optimizer=Optimizer(optimizer, "OptimWrapper", {}))


NOTHING = group_map()
FROZEN = group_map(frozen={"w": SHAPE})
MISSING = group_map(missing={"w": SHAPE})
HELD_FROZEN = grouped(no_grad=("w",))
TWICE = group_map({"decay": {"parameters": {"w": SHAPE}}}, duplicates={"w": "w"})

SHARED = {"decay": {"parameters": {"a": SHAPE, "b": SHAPE}}}

CASES = {
    "identical": (grouped(), grouped(), []),
    "empty": (NOTHING, NOTHING, []),
    "added": (NOTHING, grouped(), [Change("w", "added", None, "grouped")]),
    "added but missing": (NOTHING, MISSING, [Change("w", "added", None, "missing")]),
    "removed": (grouped(), NOTHING, [Change("w", "removed", "grouped", None)]),
    "removed while frozen": (FROZEN, NOTHING, [Change("w", "removed", "frozen", None)]),
    # Numbers of the group.
    "lr": (grouped(lr=0.1), grouped(lr=0.2), [Change("w", "lr", 0.1, 0.2)]),
    "lr by the last bit": (
        grouped(lr=0.1),
        grouped(lr=math.nextafter(0.1, 1)),
        [Change("w", "lr", 0.1, math.nextafter(0.1, 1))],
    ),
    "lr given": (grouped(lr=None), grouped(lr=0.1), [Change("w", "lr", None, 0.1)]),
    "lr 0 is not none": (grouped(lr=0.0), grouped(lr=None), [Change("w", "lr", 0.0, None)]),
    "NaN stays NaN": (grouped(lr=NAN), grouped(lr=float("nan")), []),
    "lr scale": (grouped(lr_scale=0.7), grouped(lr_scale=0.8), [Change("w", "lr_scale", 0.7, 0.8)]),
    "lr scale lost": (grouped(lr_scale=0.7), grouped(lr_scale=None), [Change("w", "lr_scale", 0.7, None)]),
    "weight decay": (grouped(weight_decay=0.05), grouped(weight_decay=0.0), [Change("w", "weight_decay", 0.05, 0.0)]),
    "layer id": (grouped(layer_id=0), grouped(layer_id=1), [Change("w", "layer_id", 0, 1)]),
    "layer id lost": (grouped(layer_id=0), grouped(layer_id=None), [Change("w", "layer_id", 0, None)]),
    # Names of groups.
    "group": (grouped("decay"), grouped("no_decay"), [Change("w", "group", "decay", "no_decay")]),
    "one more numbered group in front": (
        numbered("w"),
        numbered("new", "w"),
        [Change("new", "added", None, "grouped")],
    ),
    "a numbered group gets a name": (numbered("w"), grouped("decay"), [Change("w", "group", "group_*", "decay")]),
    "a numbered group of another optimizer": (
        grouped("generator.group_0"),
        grouped("critic.group_1"),
        [Change("w", "group", "generator.group_*", "critic.group_*")],
    ),
    "a name that only looks numbered": (
        grouped("my_group_1"),
        grouped("my_group_2"),
        [Change("w", "group", "my_group_1", "my_group_2")],
    ),
    # Options of the group and the optimizer.
    "options that differ": (
        grouped(options={"momentum": 0.9, "dampening": 0}),
        grouped(options={"momentum": 0.95, "dampening": 0}),
        [Change("w", "options", {"momentum": 0.9}, {"momentum": 0.95})],
    ),
    "options of one side": (
        grouped(options={"momentum": None}),
        grouped(options={"betas": [0.9, 0.999]}),
        [Change("w", "options", {"momentum": None}, {"betas": [0.9, 0.999]})],
    ),
    "options that repeat the rest": (
        grouped(options={"param_names": ["w"], "initial_lr": 0.1}),
        grouped(options={"param_names": ["v", "w"], "group_name": "g", "lr_scale": 1}),
        [],
    ),
    "optimizer": (optimized_by("Adam"), optimized_by("AdamW"), [Change("w", "optimizer", "Adam", "AdamW")]),
    # The status of a parameter.
    "frozen in its group": (grouped(), HELD_FROZEN, [Change("w", "frozen", False, True)]),
    "thawed in its group": (HELD_FROZEN, grouped(), [Change("w", "frozen", True, False)]),
    "frozen out of its group": (
        grouped(),
        FROZEN,
        [Change("w", "state", "grouped", "frozen"), Change("w", "frozen", False, True)],
    ),
    "taken out while frozen": (HELD_FROZEN, FROZEN, [Change("w", "state", "grouped", "frozen")]),
    "thawed but in no group": (
        FROZEN,
        MISSING,
        [Change("w", "state", "frozen", "missing"), Change("w", "frozen", True, False)],
    ),
    "lost by every group": (grouped(), MISSING, [Change("w", "state", "grouped", "missing")]),
    "found by a group": (MISSING, grouped(), [Change("w", "state", "missing", "grouped")]),
    "held twice": (grouped(), TWICE, [Change("w", "state", "grouped", "grouped twice")]),
    "held twice with another lr": (
        TWICE,
        grouped(lr=0.2),
        [Change("w", "state", "grouped twice", "grouped"), Change("w", "lr", 0.1, 0.2)],
    ),
    "shared": (
        group_map({"decay": {"parameters": {"a": SHAPE, "w": SHAPE}}}),
        group_map({"decay": {"parameters": {"a": SHAPE}}}, duplicates={"w": "a"}),
        [Change("w", "state", "grouped", "duplicate")],
    ),
    "shared as before": (group_map(SHARED, duplicates={"w": "a"}), group_map(SHARED, duplicates={"w": "a"}), []),
    "shared with another": (
        group_map(SHARED, duplicates={"w": "a"}),
        group_map(SHARED, duplicates={"w": "b"}),
        [Change("w", "state", "duplicate of a", "duplicate of b")],
    ),
    "shape": (grouped(shape=(4, 4)), grouped(shape=(8, 4)), [Change("w", "shape", (4, 4), (8, 4))]),
    "shape while frozen": (
        FROZEN,
        group_map(frozen={"w": (8, 4)}),
        [Change("w", "shape", SHAPE, (8, 4))],
    ),
    # ``diff`` reports only differences that the groups show.
    "made elsewhere": (
        grouped(),
        group_map(
            {"decay": {"parameters": {"w": SHAPE}}},
            device="cuda:0",
            tool=Tool("lrdecay", "2"),
            stack={"torch": "9"},
            config=ConfigSource("other.py", "1" * 64, {"a": 1}),
            constructor=Constructor("Other", {}),
            base_lr=1.0,
        ),
        [],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_change(before: GroupMap, after: GroupMap, expected: list[Change]) -> None:
    assert list(diff(before, after)) == expected


@pytest.mark.parametrize("aspect", [aspect for aspect in ASPECTS if aspect != "renamed"])
def test_every_aspect_is_in_the_table_and_only_picks_it(aspect: str) -> None:
    changes = [
        change
        for before, after, expected in CASES.values()
        if aspect in {change.aspect for change in expected}
        for change in diff(before, after, only=[aspect])
    ]
    assert changes
    assert {change.aspect for change in changes} == {aspect}


def test_the_order_is_that_of_the_first_map_then_that_of_the_second() -> None:
    before = group_map({"g": {"parameters": {"c": (1,), "a": (2,)}}}, frozen={"b": (3,)})
    after = group_map(
        {"g": {"lr": 0.2, "layer_id": 1, "parameters": {"z": (4,), "a": (2,), "c": (1,)}}}, missing={"y": (5,)}
    )
    assert [(change.parameter, change.aspect) for change in diff(before, after)] == [
        ("c", "layer_id"),
        ("c", "lr"),
        ("a", "layer_id"),
        ("a", "lr"),
        ("b", "removed"),
        ("z", "added"),
        ("y", "added"),
    ]


@pytest.mark.parametrize("number", ["lr", "lr_scale", "weight_decay"])
def test_numbers_are_the_same_within_the_tolerance(number: str) -> None:
    parameters = {"parameters": {"w": SHAPE}}
    before, after = (group_map({"decay": {**parameters, number: value}}) for value in (1.0, 1.001))
    assert [change.aspect for change in diff(before, after, rtol=1e-4)] == [number]
    assert not list(diff(before, after, rtol=1e-2))


def test_the_tolerance_is_for_rates_alone_and_none_is_within_none() -> None:
    before = grouped(lr=None, layer_id=100, options={"momentum": 0.9})
    after = grouped(lr=0.0, layer_id=101, options={"momentum": 0.901})
    assert [change.aspect for change in diff(before, after, rtol=0.5)] == ["layer_id", "lr", "options"]


@pytest.mark.parametrize("rtol", [-1e-9, NAN])
def test_an_invalid_tolerance_is_refused_at_once(rtol: float) -> None:
    with pytest.raises(LrdecayError, match="--rtol"):
        diff(NOTHING, NOTHING, rtol=rtol)


def test_an_unknown_aspect_is_refused_at_once_with_the_nearest() -> None:
    with pytest.raises(LrdecayError, match="--only: no aspect 'weigth_decay'; did you mean weight_decay"):
        diff(NOTHING, NOTHING, only=["lr", "weigth_decay"])
    with pytest.raises(LrdecayError, match="one of added, removed"):
        known_aspects(["?"])


def test_without_aspects_there_are_no_changes() -> None:
    assert not list(diff(NOTHING, grouped(), only=[]))


def test_settings_are_separate_from_the_changes() -> None:
    before = group_map(base_lr=NAN, constructor=Constructor("LayerDecay", {"decay_rate": 0.7, "num_layers": 6}))
    after = group_map(
        base_lr=NAN,
        base_weight_decay=None,
        constructor=Constructor("LayerDecay", {"decay_rate": 0.8, "num_layers": 6}),
        optimizer=Optimizer("SGD", "OptimWrapper", {"momentum": 0.9}),
        config=ConfigSource("other.py", "1" * 64, {}),
    )
    assert settings(before, after) == [
        SettingChange("base_weight_decay", 0.05, None, after_unset="absent"),
        SettingChange("optimizer.type", "AdamW", "SGD"),
        SettingChange("constructor.options.decay_rate", 0.7, 0.8),
        SettingChange("optimizer.options.momentum", None, 0.9, before_unset="absent"),
    ]
    assert settings(before, before) == []
