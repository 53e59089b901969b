"""The texts of rules are true and readable."""

from __future__ import annotations

import re
from typing import Any

import numpy
import pytest

from lrdecay_cli.decay.families import vit
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.domain.provenance import Formula, Provenance
from tests.decay.plain import HEAD, explained, matched_part, one_line

STAGE_WISE = {"decay_type": "stage_wise"}
RESNET = {"backbone": "ResNet"}
VIT, SWIN, V2 = ({"backbone": name} for name in ("VisionTransformer", "SwinTransformer", "SwinTransformerV2"))

# Each branch of every rule, on one line.
LINES: dict[str, tuple[dict[str, Any], str, str]] = {
    "the worked example": ({}, "stages.2.7.gamma", "stages.2.7 → 3 + 7 // 3 = 5 → 0.7 ** (14 - 5 - 1) = 0.0576"),
    "token": ({}, "cls_token", "cls_token → 0 → 0.7 ** (14 - 0 - 1) = 0.00969"),
    "stem": ({}, "downsample_layers.0.1.bias", "downsample_layers.0 → 0 → 0.7 ** (14 - 0 - 1) = 0.00969"),
    "downsampling": ({}, "downsample_layers.2.0.w", "downsample_layers.2 → 3 → 0.7 ** (14 - 3 - 1) = 0.0282"),
    "last downsampling": ({}, "downsample_layers.3.0.w", "downsample_layers.3 → 12 → 0.7 ** (14 - 12 - 1) = 0.7"),
    "first stage": ({}, "stages.0.2.gamma", "stages.0.2 → 1 → 0.7 ** (14 - 1 - 1) = 0.0138"),
    "last stage": ({}, "stages.3.0.norm.bias", "stages.3.0 → 12 → 0.7 ** (14 - 12 - 1) = 0.7"),
    "norm": ({}, "norm3.weight", "backbone.norm3.weight → 12 + 1 = 13 → 0.7 ** (14 - 13 - 1) = 1"),
    "same letters": ({}, "stagesx.1.7.w", "stagesx.1.7 → 2 → 0.7 ** (14 - 2 - 1) = 0.0198"),
    "odd integers": ({}, "stages.2.-1.w", "stages.2.-1 → 3 + -1 // 3 = 2 → 0.7 ** (14 - 2 - 1) = 0.0198"),
    "token by stage": (STAGE_WISE, "pos_embed", "pos_embed → 0 → 0.7 ** (14 - 0 - 1) = 0.00969"),
    "stage": (STAGE_WISE, "stages.2.7.gamma", "stages.2 → 2 + 1 = 3 → 0.7 ** (14 - 3 - 1) = 0.0282"),
    "stage that is none": (STAGE_WISE, "stages.-3.w", "stages.-3 → -3 + 1 = -2 → 0.7 ** (14 - -2 - 1) = 0.00475"),
    "downsampling by stage": (
        *(STAGE_WISE, "downsample_layers.3.0.w"),
        "downsample_layers → 0 → 0.7 ** (14 - 0 - 1) = 0.00969",
    ),
    "norm by stage": (
        *(STAGE_WISE, "norm3.weight"),
        "backbone.norm3.weight → (12 + 2) - 1 = 13 → 0.7 ** (14 - 13 - 1) = 1",
    ),
    "integer rate": ({"decay_rate": 2}, "stages.1.0.w", "stages.1.0 → 2 → 2 ** (14 - 2 - 1) = 2048"),
    "negative rate": ({"decay_rate": -0.7}, "cls_token", "cls_token → 0 → (-0.7) ** (14 - 0 - 1) = -0.00969"),
    "even power of a negative rate": (
        *({"decay_rate": -2}, "stages.0.0.w"),
        "stages.0.0 → 1 → (-2) ** (14 - 1 - 1) = 4096",
    ),
    "negative power": (
        *({"num_layers": 1, "decay_rate": 0.5}, "stages.2.26.w"),
        "stages.2.26 → 3 + 26 // 3 = 11 → 0.5 ** (3 - 11 - 1) = 512",
    ),
    "resnet stem": (RESNET, "conv1.weight", "conv1 → 0 → 0.7 ** (8 - 0 - 1) = 0.0824"),
    "resnet stage": (RESNET, "layer4.2.bn1.bias", "layer4.2 → 6 → 0.7 ** (8 - 6 - 1) = 0.7"),
    "resnet block": (RESNET, "layer3.5.bn1.bias", "layer3.5 → 4 + 5 // 3 = 5 → 0.7 ** (8 - 5 - 1) = 0.49"),
    "resnet's first block": (RESNET, "layer1.0.conv1.weight", "layer1.0 → 1 → 0.7 ** (8 - 1 - 1) = 0.118"),
    "resnet's second stage": (RESNET, "layer2.3.conv1.weight", "layer2.3 → 2 + 3 // 2 = 3 → 0.7 ** (8 - 3 - 1) = 0.24"),
    "resnet's stem by stage": (
        *({**RESNET, **STAGE_WISE, "num_layers": 6}, "bn1.weight"),
        "bn1 → 0 → 0.7 ** (8 - 0 - 1) = 0.0824",
    ),
    "resnet by digits of another script": (RESNET, "layer٣.0.w", "layer٣ → 0 → 0.7 ** (8 - 0 - 1) = 0.0824"),
    "resnet by stage": (
        *({**RESNET, **STAGE_WISE, "num_layers": 6}, "layer3.5.bn1.bias"),
        "layer3 → 3 → 0.7 ** (8 - 3 - 1) = 0.24",
    ),
    "vit token": (VIT, "pos_embed", "pos_embed → 0 → 0.7 ** (14 - 0 - 1) = 0.00969"),
    "vit stem": (VIT, "patch_embed.projection.bias", "patch_embed → 0 → 0.7 ** (14 - 0 - 1) = 0.00969"),
    "vit's first block": (VIT, "layers.0.ln1.bias", "layers.0 → 0 + 1 = 1 → 0.7 ** (14 - 1 - 1) = 0.0138"),
    "vit block": (VIT, "layers.11.ln1.bias", "layers.11 → 11 + 1 = 12 → 0.7 ** (14 - 12 - 1) = 0.7"),
    "vit norm": (VIT, "ln1.bias", "backbone.ln1.bias → 12 + 1 = 13 → 0.7 ** (14 - 13 - 1) = 1"),
    "swin stem": (SWIN, "patch_embed.norm.bias", "patch_embed → 0 → 0.7 ** (6 - 0 - 1) = 0.168"),
    "swin block": (
        *(SWIN, "stages.1.blocks.0.norm1.bias"),
        "stages.1.blocks.0 → 2 + 0 + 1 = 3 → 0.7 ** (6 - 3 - 1) = 0.49",
    ),
    "swin downsampling": (
        *(SWIN, "stages.1.downsample.norm.bias"),
        "stages.1.downsample → 2 + 1 = 3 → 0.7 ** (6 - 3 - 1) = 0.49",
    ),
    "swin norm": (SWIN, "norm2.bias", "backbone.norm2.bias → 4 + 1 = 5 → 0.7 ** (6 - 5 - 1) = 1"),
    "swin-v2 downsampling": (
        *(V2, "stages.2.downsample.norm.bias"),
        "stages.2.downsample → 2 + 1 = 3 → 0.7 ** (6 - 3 - 1) = 0.49",
    ),
    "swin-v2 downsampling before all": (
        *(V2, "stages.0.downsample.norm.bias"),
        "stages.0.downsample → 0 → 0.7 ** (6 - 0 - 1) = 0.168",
    ),
}


@pytest.mark.parametrize(("given", "own_name", "line"), LINES.values(), ids=LINES)
def test_one_line(given: dict[str, Any], own_name: str, line: str) -> None:
    name = f"backbone.{own_name}"
    assert one_line(name, explained(name, **given)) == line


def evaluated(expression: str, names: dict[str, Any] | None = None) -> object:
    return eval(expression, {"__builtins__": {}}, names or {})


def assert_true(step: Formula) -> None:
    result = evaluated(step.formula)
    assert (result, type(result)) == (step.result, type(step.result))
    assert evaluated(step.expression, dict(step.inputs)) == step.result
    assert step.rule in (step.expression, f"{step.cause} -> {step.expression}")


@pytest.mark.parametrize("base_lr", [1e-4, 1, -0.5])
@pytest.mark.parametrize(("given", "own_name", "line"), LINES.values(), ids=LINES)
def test_formulas_and_rules_evaluate_to_their_results(
    given: dict[str, Any], own_name: str, line: str, base_lr: float
) -> None:
    found = explained(f"backbone.{own_name}", **given, base_lr=base_lr)
    for step in (found.layer_id, found.lr_scale, found.lr):
        assert_true(step)
    pattern = found.layer_id.cause
    assert (found.layer_id.basis == "fallback") == (pattern == "everything else")
    if found.layer_id.basis == "name":
        # <block> matches a number, and * the rest of a name.
        literal = re.escape(pattern).replace(r"\*", ".*")
        assert re.match(re.sub(r"<\w+>", r"-?\\d+", literal) + r"(\.|$)", f"backbone.{own_name}")
    assert found.lr_scale.inputs["layer_id"] == found.layer_id.result
    assert found.lr.inputs == {"lr_scale": found.lr_scale.result, "base_lr": base_lr}


@pytest.mark.parametrize(
    ("name", "shape", "base", "rule", "formula"),
    [
        ("backbone.norm.weight", (8,), 0.05, "1-D tensor -> 0", "0.0"),
        ("bbox_head.bias", (8, 1), 0.05, "name ends in '.bias' -> 0", "0.0"),
        ("bbox_head.bias", (8,), None, "1-D tensor -> 0", "0.0"),
        ("cls_token", (1, 1, 8), 0.05, "name is 'cls_token' -> 0", "0.0"),
        ("backbone.cls_token", (1, 1, 8), 0.05, "base weight decay", "0.05"),
        ("backbone.attn.q_bias", (2, 4), 0.05, "base weight decay", "0.05"),
        (HEAD, (2, 2), 0, "base weight decay", "0"),
        (HEAD, (), None, "base weight decay", "None"),
    ],
)
def test_weight_decay(name: str, shape: tuple[int, ...], base: float | None, rule: str, formula: str) -> None:
    step = explained(name, shape=shape, base_weight_decay=base).weight_decay
    assert (step.rule, step.formula, repr(step.result)) == (rule, formula, formula)
    assert dict(step.inputs) == ({} if formula in ("0.0", "None") else {"base_weight_decay": base})


@pytest.mark.parametrize(
    ("name", "layer_id", "part"),
    [
        ("detector.backbone.layers.3.ln1.bias", 4, "layers.3"),
        ("backbone.layers.3.ln1.bias", 13, "backbone.layers.3.ln1.bias"),
    ],
)
def test_another_prefix(name: str, layer_id: int, part: str) -> None:
    prefix = "detector.backbone."
    step = vit.layer_wise(name, 12, (12,), prefix)
    assert step.result == layer_id
    assert matched_part(name, Provenance(step, step, step, step), prefix) == part


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"num_layers": 6, "decay_rate": 0.7}, DecayOptions(6, 0.7, "layer_wise")),
        ({"num_layers": 6, "decay_rate": 1, "decay_type": "stage_wise"}, DecayOptions(6, 1, "stage_wise")),
        ({"num_layers": 0, "decay_rate": 0.7, "decay_type": "a layer_wise one"}, DecayOptions(0, 0.7, "layer_wise")),
        ({"num_layers": 6, "decay_rate": numpy.float64(0.7), "norm_decay_mult": 0}, DecayOptions(6, 0.7)),
    ],
    ids=["default type", "stage_wise", "type within", "numpy and another key"],
)
def test_options(given: dict[str, Any], options: DecayOptions) -> None:
    assert repr(DecayOptions.from_paramwise_cfg(given)) == repr(options)
