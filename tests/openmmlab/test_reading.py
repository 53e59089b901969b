"""Read groups back: every parameter once, whatever a constructor does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from torch import nn

from lrdecay_cli.openmmlab.config_facts import averages_of
from lrdecay_cli.openmmlab.reading import ReadGroups, read_groups


class Toy(nn.Module):
    """A shared module, a frozen tensor and a tensor that no constructor here puts into a group."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 3)
        self.twin = self.backbone
        self.head = nn.Linear(3, 2, bias=False)
        self.head.weight.requires_grad = False
        self.lost = nn.Parameter(torch.zeros(5))


def read(groups: list[dict], base_lr: float | None = 0.1, **options: float) -> ReadGroups:
    model = Toy()
    for group in groups:
        group["params"] = [model.get_parameter(name) for name in group["params"]]
    return read_groups(model, {"": torch.optim.SGD(groups, lr=0.1, **options)}, {"": base_lr}, {})


def test_every_parameter_is_accounted_for_once() -> None:
    found = read([{"params": ["backbone.weight", "backbone.bias"]}])
    assert [parameter.name for group in found.groups for parameter in group.parameters] == [
        "backbone.weight",
        "backbone.bias",
    ]
    assert [parameter.name for parameter in found.frozen] == ["head.weight"]
    assert [parameter.name for parameter in found.missing] == ["lost"]
    assert [(duplicate.name, duplicate.of) for duplicate in found.duplicates] == [
        ("twin.weight", "backbone.weight"),
        ("twin.bias", "backbone.bias"),
    ]
    totals = found.totals
    assert (totals.tensors, totals.parameters) == (4, 23)
    assert (totals.grouped_parameters, totals.frozen_parameters, totals.missing_parameters) == (12, 6, 5)


def test_a_frozen_parameter_in_a_group_is_grouped_and_marked() -> None:
    found = read([{"params": ["head.weight", "lost"]}])
    assert [parameter.requires_grad for parameter in found.groups[0].parameters] == [False, True]
    assert found.frozen == ()


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_shared_tensor_is_counted_once() -> None:
    model = Toy()
    optimizer = torch.optim.SGD([model.lost], lr=0.1)
    optimizer.param_groups[0]["params"].append(model.lost)
    found = read_groups(model, {"": optimizer}, {"": 0.1}, {})
    assert len(found.groups[0].parameters) == 1
    assert ("lost", "lost") in [(duplicate.name, duplicate.of) for duplicate in found.duplicates]


def test_a_tensor_from_outside_the_model_is_named() -> None:
    model = Toy()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(2)), model.lost], lr=0.1)
    found = read_groups(model, {"": optimizer}, {"": 0.1}, {})
    assert [p.name for p in found.groups[0].parameters] == ["group_0[0] (not a parameter of the model)", "lost"]
    assert found.totals.grouped_tensors == 1


@pytest.mark.parametrize(
    ("group", "base_lr", "expected"),
    [
        (dict(lr=0.1 * 0.1), 0.1, 0.1),  # the shortest decimal, not 0.10000000000000002
        (dict(lr=0.0002 * 0.7**8), 0.0002, 0.0002 * 0.7**8 / 0.0002),
        (dict(lr=0.05, lr_scale=0.25), 0.1, 0.25),  # recorded, whether right or wrong
        (dict(lr=0.1), None, None),
        (dict(lr=0.1), 0.0, None),
        (dict(lr=torch.tensor(0.5)), 1.0, 0.5),
    ],
)
def test_lr_scale(group: dict, base_lr: float | None, expected: float | None) -> None:
    found = read([{"params": ["lost"], **group}], base_lr).groups[0]
    assert found.lr_scale == expected
    if "lr_scale" not in group and base_lr:
        assert found.lr_scale * base_lr == found.lr


@pytest.mark.parametrize(
    ("group", "name", "layer_id"),
    [
        (dict(group_name="layer_12_no_decay"), "layer_12_no_decay", 12),
        (dict(group_name="layer_3_decay"), "layer_3_decay", 3),
        (dict(group_name="layer_0_no_decay_pos_embed"), "layer_0_no_decay_pos_embed", 0),  # ViTDet's
        (dict(group_name="layer_3_no_decay_0.1x"), "layer_3_no_decay_0.1x", 3),  # InternImage's
        (dict(layer_id=4, group_name="blocks"), "blocks", 4),
        # A number that is no layer id: maps contain ids up to a million.
        (dict(layer_id=10**30, group_name="blocks"), "blocks", None),
        (dict(group_name="layer_20261129_decay"), "layer_20261129_decay", None),
        (dict(group_name="player_3_decay"), "player_3_decay", None),
        ({}, "group_0", None),
    ],
)
def test_name_and_layer_id(group: dict, name: str, layer_id: int | None) -> None:
    found = read([{"params": ["lost"], **group}]).groups[0]
    assert (found.name, found.layer_id) == (name, layer_id)


def test_other_options_are_kept_and_names_are_unique() -> None:
    found = read(
        [
            {"params": ["lost"], "group_name": "same", "momentum": 0.5},
            {"params": ["backbone.bias"], "group_name": "same"},
        ],
        momentum=0.9,
    )
    assert [group.name for group in found.groups] == ["same", "same#2"]
    assert [group.options["momentum"] for group in found.groups] == [0.5, 0.9]
    assert not {"params", "lr", "weight_decay", "group_name"} & set(found.groups[0].options)


def test_several_optimizers() -> None:
    model = Toy()
    optimizers = {
        "generator": torch.optim.SGD([model.lost], 0.1),
        "critic": torch.optim.Adam([model.backbone.bias], 0.2),
    }
    found = read_groups(model, optimizers, {"generator": 0.1, "critic": 0.2}, {})
    assert [group.name for group in found.groups] == ["generator.group_0", "critic.group_0"]
    assert [group.lr for group in found.groups] == [0.1, 0.2]
    assert [group.lr_scale for group in found.groups] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("turns", "names", "again"),
    [
        ((), ["a"], 2),
        ((("a", "b"),), ["a", "b"], 1),
        ((("b", "c"),), ["a"], 2),
        ((("a", "b", "c"),), ["a", "b", "c"], 0),
    ],
)
def test_optimizers_that_take_turns_each_have_the_tensor(turns: Any, names: list[str], again: int) -> None:
    model = Toy()
    optimizers = {name: torch.optim.SGD([model.lost], lr=0.1) for name in "abc"}
    found = read_groups(model, optimizers, dict.fromkeys(optimizers, 0.1), {}, turns=turns)
    assert [group.optimizer for group in found.groups if group.parameters] == names
    assert [each.of for each in found.duplicates].count("lost") == again
    assert (found.totals.grouped_tensors, found.totals.grouped_parameters) == (1, 5)


def test_moving_averages_are_found_by_their_class() -> None:
    model = nn.ModuleDict({"plain": nn.Linear(2, 2)})
    model["torch"] = torch.optim.swa_utils.AveragedModel(model["plain"])
    model["mmengine"] = ExponentialMovingAverage(model["plain"])
    assert averages_of(Config(), model) == ("torch", "mmengine")
