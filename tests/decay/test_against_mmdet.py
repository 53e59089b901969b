"""ConvNeXt: layer ids and groups equal those of mmdet's code; where mmdet's code raises, lrdecay has an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.engine.optimizers.layer_decay_optimizer_constructor import (
    LearningRateDecayOptimizerConstructor,
    get_layer_id_for_convnext,
    get_stage_id_for_convnext,
)
from mmdet.registry import MODELS
from torch import nn

import tests.openmmlab.plain  # noqa: F401  (silences mmengine's log)
from lrdecay_cli.decay.families import MMDET_FAMILIES
from lrdecay_cli.decay.options import DecayError, DecayOptions, DecayType
from lrdecay_cli.decay.rules import TrainingParameter
from tests.decay.plain import plan_groups

DIES = "dies"
# Exceptions of mmdet's code for invalid names and settings.
DEATHS = (ArithmeticError, AttributeError, IndexError, NameError, NotImplementedError, TypeError, ValueError)
DECAY_TYPES = ["layer_wise", "stage_wise", "my_layer_wise_x", "layer_wise_stage_wise"]

INDICES = [
    *map(str, range(6)),
    *("01", " 3", "2\n", "+2", "-1", "-0", "1_0", "٣"),  # int() accepts all of these
    *("", "_1", "1__0", "²", "1e0", "0x1", "--1", "norm", "None"),
    *("9" * 4_300, "9" * 4_301),  # int() takes no more than 4300 digits
]
STAGED = ["stages", "stages", "downsample_layers", "downsample_layers", "stagesx", "stages ", "downsample_layers_x"]
OTHERS = ["cls_token", "mask_token", "pos_embed", "cls_tokens", "norm3", "stage", "Stages", ""]
PREFIXES = ["", "Backbone.", "backbone", "module.backbone.", "backbone.backbone.", "backbone..", "head."]


def names(prefixes: list[str], modules: list[str], parts: st.SearchStrategy[Iterable[str]]) -> st.SearchStrategy[str]:
    heads = st.builds(str.__add__, st.sampled_from(prefixes), st.sampled_from(modules))
    return st.builds(lambda head, rest: ".".join((head, *rest)), heads, parts)


NAMES = st.one_of(
    names(["backbone."], STAGED, st.tuples(st.sampled_from("0123"), st.integers(0, 40).map(str), st.just("weight"))),
    names(["backbone."], STAGED, st.lists(st.sampled_from(INDICES), max_size=3)),
    names(["backbone."], STAGED, st.lists(st.text(max_size=3), max_size=3)),
    names(["backbone.", *PREFIXES], [*STAGED, *OTHERS, *OTHERS], st.lists(st.sampled_from(INDICES), max_size=3)),
    st.text(),
)


THEIRS: dict[DecayType, tuple[Callable[[str, int], int], int]] = {
    "layer_wise": (get_layer_id_for_convnext, 0),
    "stage_wise": (get_stage_id_for_convnext, 2),  # the constructor calls it with num_layers + 2
}


@given(name=NAMES, num_layers=st.one_of(st.integers(-3, 30), st.integers()))
@settings(max_examples=2_000, deadline=None)
def test_layer_id_of_any_name(name: str, num_layers: int) -> None:
    """One strategy for both names, because drawing takes longer than the test itself."""
    for decay_type, (theirs, above) in THEIRS.items():
        try:
            ours: object = MMDET_FAMILIES[0].rules[decay_type](name, num_layers).result
        except DecayError:
            ours = DIES
        try:
            expected: object = theirs(name, num_layers + above)
        except DEATHS:
            expected = DIES
        assert ours == expected, decay_type


def our_groups(model: nn.Module, optimizer: dict[str, Any], paramwise_cfg: dict[str, Any]) -> Any:
    backbone = getattr(model, "backbone", None)
    try:
        groups = plan_groups(
            (TrainingParameter(name, tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()),
            DecayOptions.from_paramwise_cfg(paramwise_cfg),
            backbone_class=None if backbone is None else type(backbone).__name__,
            base_lr=optimizer["lr"],
            base_weight_decay=optimizer.get("weight_decay"),
            families=MMDET_FAMILIES,
        )
    except DecayError:
        return DIES
    assert all(group.name.startswith(f"layer_{group.layer_id}_") for group in groups)
    # The repr of a number shows its type and every bit.
    return [
        (group.name, [p.name for p in group.parameters], repr((group.lr_scale, group.lr, group.weight_decay)))
        for group in groups
    ]


def their_groups(model: nn.Module, optimizer: dict[str, Any], paramwise_cfg: dict[str, Any]) -> Any:
    groups: list[dict[str, Any]] = []
    try:
        LearningRateDecayOptimizerConstructor({"optimizer": optimizer}, paramwise_cfg).add_params(groups, model)
    except DEATHS:
        return DIES
    return [
        (group["group_name"], group["param_names"], repr((group["lr_scale"], group["lr"], group["weight_decay"])))
        for group in groups
    ]


BLOCKS = ["downsample_layers.{}.0", "downsample_layers.{}.1", "stages.{}.0", "stages.{}.2.norm", "stages.{}.8.fc"]
MODULES = [
    *(f"backbone.{block.format(stage)}" for block in BLOCKS for stage in range(4)),
    *("backbone.stages.2.26", "backbone.stagesx.1.7", "backbone.norm3", "neck.convs.0.conv", "bbox_head"),
]
PARAMETERS = [
    *(f"{module}.{leaf}" for module in MODULES for leaf in ("weight", "bias", "gamma")),
    *("cls_token", "pos_embed", "mask_token", "bias", "scale"),
    *("backbone.cls_token", "backbone.pos_embed", "backbone.mask_token", "backbone.gamma"),
]
UNUSUAL = ["stages.4.0", "stages.-1.0", "stages.2.²", "stages.x.1", "stages. 3.+2", "stages.0", "downsample_layers.7.0"]
TENSORS = st.tuples(st.sampled_from([(), (3,), (1,), (2, 3), (2, 1, 1, 1)]), st.sampled_from([True, True, False]))


@st.composite
def models(draw: st.DrawFn) -> nn.Module:
    model = nn.Module()
    if backbone_class := draw(st.sampled_from([*["ConvNeXt"] * 9, "MyConvNeXtV2", "ConvNext", "ResNet", None])):
        model.backbone = type(backbone_class, (nn.Module,), {})()
    parameters = draw(st.lists(st.sampled_from(PARAMETERS), unique=True, max_size=30))
    if unusual := draw(st.sampled_from([*[None] * 20, *UNUSUAL])):
        parameters.append(f"backbone.{unusual}.weight")
    # Without trainable parameters, mmdet raises no error.
    for name, (shape, trained) in [*((name, draw(TENSORS)) for name in parameters), ("head.weight", ((2, 2), True))]:
        *path, leaf = name.split(".")
        module = model
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        module.register_parameter(leaf, nn.Parameter(torch.zeros(shape), requires_grad=trained))
    return model


RATES = st.one_of(st.floats(0.5, 2), st.floats(0.5, 2), st.sampled_from([1, 2, 0, 0.0, -0.7, 1e-300, 1e300, None]))
PARAMWISE = st.fixed_dictionaries(
    {"num_layers": st.sampled_from([*range(-2, 31), None]), "decay_rate": RATES},
    optional={
        "decay_type": st.sampled_from([*DECAY_TYPES * 4, "stage_wise_x", "Layer_wise", "", None]),
        "custom_keys": st.just({"backbone": {"lr_mult": 0.1}}),  # an option of another constructor, which is ignored
    },
)
OPTIMIZERS = st.fixed_dictionaries(
    {"type": st.just("AdamW"), "lr": st.floats(1e-7, 1) | st.sampled_from([1, 2, 0, 1e-4, None])},
    optional={"weight_decay": st.sampled_from([0.05, 0, 1e-4, None])},
)


@given(model=models(), optimizer=OPTIMIZERS, paramwise_cfg=PARAMWISE)
@settings(max_examples=500, deadline=None)
def test_groups_of_any_model(model: nn.Module, optimizer: dict[str, Any], paramwise_cfg: dict[str, Any]) -> None:
    assert our_groups(model, optimizer, paramwise_cfg) == their_groups(model, optimizer, paramwise_cfg)


@cache
def detector(depth: int) -> nn.Module:
    arch = {"depths": [3, 3, depth, 3], "channels": [2, 2, 2, 2]}
    model = nn.Module()
    model.backbone = MODELS.build({"type": "mmpretrain.ConvNeXt", "arch": arch, "frozen_stages": 2})
    model.head = nn.Linear(2, 2)
    return model


@pytest.mark.parametrize("decay_type", [*DECAY_TYPES, None])
@pytest.mark.parametrize(("depth", "num_layers"), [(9, 6), (27, 12), (9, 12), (27, 6)])
def test_groups_of_a_real_backbone(depth: int, num_layers: int, decay_type: str | None) -> None:
    model = detector(depth)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trained) < len(list(model.parameters()))
    options: dict[str, Any] = {"num_layers": num_layers} | ({"decay_type": decay_type} if decay_type else {})
    for rate in (0.5, 0.7, 1.0, 1, 1.3, 2.0, 2):
        both = model, {"lr": 1e-4, "weight_decay": 0.05}, {**options, "decay_rate": rate}
        groups = our_groups(*both)
        assert groups == their_groups(*both)
        assert {name for _, names, _ in groups for name in names} == trained
