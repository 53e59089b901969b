"""Inputs of a constructor, as recorded in a group map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lrdecay_cli.constructors import constructor_of, mmdet_layer_decay
from lrdecay_cli.constructors.recomputation import inputs_of, tensors_met
from lrdecay_cli.constructors.spec import ConstructorInputs
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor, Model, Module, Totals, Training
from tests.constructors.names import LRDECAY_LAYER_DECAY, MMDET_LAYER_DECAY, MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY
from tests.group_maps import group_map


def map_of(constructor: str, optimizer: Any, options: Mapping[str, Any] | None = None) -> GroupMap:
    return group_map(
        base_lr=0.001,
        base_weight_decay=0.01,
        constructor=Constructor(constructor, options or {}),
        model=Model("Detector", "ConvNeXt", Totals(0, 0, 0, 0, 0, 0, 0, 0, 0)),
        training=Training({"optimizer": optimizer}, (), {}, {}, None, ()),
    )


def test_every_name_is_met_with_its_place_and_its_state() -> None:
    """The constructor gets shorter names for parameters inside ``.module``, and does not see parameters beside it."""
    found = group_map(
        {
            "group": {
                "parameters": {"module.weight": (2, 3), "module.head.fc.bias": (2,), "outside": (4,)},
                "no_grad": ("module.head.fc.bias",),
            }
        },
        frozen={"module.stem.weight": (1,)},
        missing={"module.neck.weight": (5,)},
        duplicates={"module.tied.weight": "module.weight"},
    )
    modules = {**found.modules, "module.tied": Module("Linear", (), ("weight", "bias"))}
    found = msgspec.structs.replace(found, modules=modules)
    assert [(each.name, each.seen, each.path, each.own, each.shape, each.state) for each in tensors_met(found)] == [
        ("module.weight", "weight", "", "weight", (2, 3), "grouped"),
        ("module.head.fc.bias", "head.fc.bias", "head.fc", "bias", (2,), "frozen_in_group"),
        ("module.stem.weight", "stem.weight", "stem", "weight", (1,), "frozen"),
        ("module.neck.weight", "neck.weight", "neck", "weight", (5,), "missing"),
        ("module.tied.weight", "tied.weight", "tied", "weight", (2, 3), "duplicate"),
    ]


@pytest.mark.parametrize(
    ("name", "wrapped"),
    [
        *(("module.weight", True), ("module.head.fc.weight", True)),
        *(("modules.weight", False), ("head.module.weight", False), ("module", False)),
    ],
)
def test_a_model_in_a_wrapper(name: str, wrapped: bool) -> None:
    found = group_map({"group": {"parameters": {name: (2,)}}})
    assert found.is_wrapped == wrapped
    (tensor,) = tensors_met(found)
    assert tensor.seen == (name.removeprefix("module.") if wrapped else name)


@pytest.mark.parametrize(
    ("optimizer", "given"),
    [
        ({"type": "AdamW", "lr": 1e-4, "weight_decay": 0.05}, (1e-4, 0.05)),
        ({"lr": 1, "weight_decay": 0}, (1, 0)),
        *(({}, (None, None)), (None, (None, None)), ("AdamW", (None, None))),
    ],
)
def test_settings_distinguish_given_values_from_defaults(
    optimizer: Any, given: tuple[float | None, float | None]
) -> None:
    options = {"flat_decay_mult": 0.0}
    given_map = map_of(f"mmdet.{MMDET_LAYER_DECAY}", optimizer, options)
    assert inputs_of(given_map) == ConstructorInputs(
        mmdet_layer_decay.SPEC,
        options,
        *given,
        default_lr=0.001,
        default_weight_decay=0.01,
        backbone="ConvNeXt",
        optimizer=optimizer if isinstance(optimizer, dict) else {},
        wrapper=given_map.training.optim_wrapper,
        modules=given_map.modules,
    )


@pytest.mark.parametrize(("key", "number"), [("lr", math.inf), ("weight_decay", math.nan)])
def test_settings_that_are_no_numbers(key: str, number: float) -> None:
    with pytest.raises(DecayError, match=rf"^optim_wrapper\.optimizer\.{key}: the number is not finite;"):
        inputs_of(map_of(MMENGINE_DEFAULT, {key: number}))


@pytest.mark.parametrize(
    ("constructor", "known"),
    [
        *((name, True) for name in (MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY, MMDET_LAYER_DECAY, LRDECAY_LAYER_DECAY)),
        *((f"scope.{MMDET_LAYER_DECAY}", True), ("My", False), (f"My{MMDET_LAYER_DECAY}", False), ("", False)),
    ],
)
def test_known_constructors(constructor: str, known: bool) -> None:
    assert constructor_of(map_of(constructor, {})).known == known
