"""mmpretrain's layer decay: the model returns the depth of a parameter, and lrdecay's rules explain equal depths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lrdecay_cli.constructors.recomputation import rules_of, tensors_met
from lrdecay_cli.constructors.spec import ConstructorRules
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance, computed
from lrdecay_cli.domain.training import Constructor, Model, Totals, Training
from tests.constructors.names import MMPRETRAIN_LAYER_DECAY
from tests.group_maps import group_map

OBSERVED = "get_layer_depth() of the model"
# The last blocks of each stage of a Swin Transformer and of a ConvNeXt.
SWIN = [f"backbone.stages.{stage}.blocks.{block}.w" for stage, block in ((0, 1), (1, 0), (2, 0))]
CONVNEXT = [f"backbone.stages.{stage}.{depth - 1}.gamma" for stage, depth in enumerate((3, 3, 9, 3))]


def rules_and_subject(
    backbone: str | None,
    names: list[str],
    depth: tuple[int, int],
    options: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, Any] | None = None,
) -> tuple[ConstructorRules, Tensor]:
    """Return rules for a model with these parameters, and the last parameter, which has depth ``depth``."""
    found = group_map(
        {"group": {"parameters": dict.fromkeys(names, (8, 8))}},
        base_weight_decay=0.01,
        constructor=Constructor(MMPRETRAIN_LAYER_DECAY, options or {"layer_decay_rate": 0.5}),
        model=Model("Classifier", backbone, Totals(0, 0, 0, 0, 0, 0, 0, 0, 0)),
        training=Training({"optimizer": optimizer or {"lr": 0.1, "weight_decay": 0.05}}, (), {}, {}, None, ()),
    )
    tensors = {tensor.name: tensor for tensor in tensors_met(found)}
    rules = rules_of(found, [*tensors.values()], lambda _: depth)
    assert rules is not None
    return rules, tensors[names[-1]]


@pytest.mark.parametrize(
    ("backbone", "names", "depth", "rule"),
    [
        ("ConvNeXt", CONVNEXT, (6, 8), "backbone.stages.3.<block> -> num_layers"),
        ("ConvNeXt", CONVNEXT, (5, 8), OBSERVED),
        ("ConvNeXt", [*CONVNEXT, "backbone.stages.last.w"], (5, 8), OBSERVED),
        ("SwinTransformer", SWIN, (4, 6), "backbone.stages.2.blocks.<block> -> blocks_before + block + 1"),
        ("SwinTransformer", SWIN, (0, 6), OBSERVED),
        ("LeViT", SWIN, (4, 6), OBSERVED),
        (None, SWIN, (4, 6), OBSERVED),
    ],
)
def test_our_rule_if_it_agrees(backbone: str | None, names: list[str], depth: tuple[int, int], rule: str) -> None:
    rules, tensor = rules_and_subject(backbone, names, depth)
    found = rules.provenance(tensor)
    assert found.layer_id is not None
    assert (found.layer_id.rule, found.layer_id.result) == (rule, depth[0])
    assert found.lr_scale == computed(
        "layer_decay_rate ** (layers - layer_id - 1)",
        f"0.5 ** ({depth[1]} - {depth[0]} - 1)",
        0.5 ** (depth[1] - depth[0] - 1),
        {"layer_decay_rate": 0.5, "layers": depth[1], "layer_id": depth[0]},
    )


BASE = {"base_weight_decay": 0.05}
DECAYS: dict[str, tuple[dict[str, Any], dict[str, Any], Formula]] = {
    "the optimizer's": ({}, {"weight_decay": 0.05}, Formula("base_weight_decay", "0.05", 0.05, BASE)),
    "none in the config": (
        *({"bias_decay_mult": 0.5, "custom_keys": {"head": {"decay_mult": 0.5}}}, {}),
        Formula("the optimizer's default, because the config sets no weight_decay", "0.01", 0.01),
    ),
    "times an option": (
        *({"bias_decay_mult": 0.5}, {"weight_decay": 0.05}),
        Formula("base_weight_decay * bias_decay_mult", "0.05 * 0.5", 0.025, {**BASE, "bias_decay_mult": 0.5}),
    ),
    "times that of a key": (
        *({"bias_decay_mult": 0.5, "custom_keys": {"head": {"decay_mult": 0.1}}}, {"weight_decay": 0.05}),
        Formula("base_weight_decay * custom_keys['head'].decay_mult", "0.05 * 0.1", 0.005, {**BASE, "decay_mult": 0.1}),
    ),
    "a key that sets none": (
        *({"bias_decay_mult": 0.5, "custom_keys": {"head": {}}}, {"weight_decay": 0.05}),
        Formula("base_weight_decay * 1.0, custom_keys['head'] gives no decay_mult", "0.05 * 1.0", 0.05, BASE),
    ),
    "a key's own": (
        *({"custom_keys": {"head": {"weight_decay": 0.2, "decay_mult": 9.0}}}, {"weight_decay": 0.05}),
        Formula("custom_keys['head'].weight_decay", "0.2", 0.2, {"weight_decay": 0.2}),
    ),
}


@pytest.mark.parametrize(("options", "optimizer", "expected"), DECAYS.values(), ids=DECAYS)
def test_weight_decay(options: dict[str, Any], optimizer: dict[str, Any], expected: Formula) -> None:
    options = {"layer_decay_rate": 0.5, **options}
    rules, tensor = rules_and_subject("LeViT", ["head.bias"], (1, 2), options, {"lr": 0.1, **optimizer})
    found = rules.provenance(tensor).weight_decay
    assert found.result == pytest.approx(expected.result, rel=1e-12)
    assert (found.rule, found.formula, dict(found.inputs)) == (expected.rule, expected.formula, dict(expected.inputs))


@pytest.mark.parametrize(
    ("name", "depth", "remarks"),
    [
        (
            "backbone.norm3.w",
            (7, 8),
            ("get_layer_depth() gives the parameter the head's layer id 7, so its lr is the base lr",),
        ),
        *(("backbone.norm3.w", (6, 8), ()), ("head.w", (7, 8), ())),
    ],
)
def test_a_backbone_parameter_with_the_heads_id(name: str, depth: tuple[int, int], remarks: tuple[str]) -> None:
    rules, tensor = rules_and_subject("ConvNeXt", [*CONVNEXT, name], depth)
    assert rules.remarks(tensor, rules.provenance(tensor)) == remarks


def test_a_map_may_say_less() -> None:
    rules, tensor = rules_and_subject("ConvNeXt", CONVNEXT, (7, 8))
    lr, at_the_stem = Formula("lr", "0.1", 0.1), Formula("stem", "0", 0)
    for provenance in (Provenance(None, None, lr, lr), Provenance(at_the_stem, lr, lr, lr)):
        assert rules.remarks(tensor, provenance) == ()
