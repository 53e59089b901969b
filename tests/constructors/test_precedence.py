"""Precedence of custom keys and multipliers for one parameter of each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lrdecay_cli.constructors.recomputation import custom_key_matches, rules_of, tensors_met, with_provenance
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.provenance import Formula
from lrdecay_cli.domain.training import Constructor, Module, Training
from tests.constructors.names import LRDECAY_LAYER_DECAY, MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY
from tests.group_maps import group_map

LR = {"bias_lr_mult": 2.0, "dcn_offset_lr_mult": 0.7}
DECAY = {"norm_decay_mult": 0.0, "bias_decay_mult": 0.25, "dwconv_decay_mult": 0.1, "flat_decay_mult": 0.3}
GIVEN = {"lr": 1e-4, "weight_decay": 0.05}


def considered(
    name: str,
    module: Module,
    shape: tuple[int, ...],
    options: Mapping[str, Any],
    constructor: str = MMENGINE_DEFAULT,
    optimizer: Mapping[str, Any] = GIVEN,
) -> dict[str, RuleTrace]:
    """Values by option or key, in order."""
    found = group_map(
        {"group": {"parameters": {name: shape}}},
        constructor=Constructor(constructor, options),
        training=Training({"optimizer": optimizer}, (), {}, {}, None, ()),
    )
    found = msgspec.structs.replace(found, modules={name.rpartition(".")[0]: module})
    tensors = list(tensors_met(found))
    rules = rules_of(found, tensors)
    assert rules is not None
    return {each.rule.partition("=")[0]: each for each in rules.considered(tensors[0], None)}


def module(kind: str, *traits: Any) -> Module:
    return Module(kind, traits, ("weight", "bias"))


OFFSETS = "the module computes the offsets of a deformable convolution"
NO_OFFSET = "the module is not a conv_offset of a deformable convolution"
KINDS: dict[str, tuple[str, Module, tuple[int, ...], dict[str, tuple[str, str]]]] = {
    "a bias": (
        *("head.bias", module("Linear"), (8,)),
        {
            "bias_lr_mult": ("applies", "the tensor is a bias"),
            "dcn_offset_lr_mult": ("no match", NO_OFFSET),
            "norm_decay_mult": ("no match", "the module is a Linear"),
            "bias_decay_mult": ("applies", "the tensor is a bias"),
            "dwconv_decay_mult": ("skipped", "bias_decay_mult applied"),
            "flat_decay_mult": ("overridden", "bias_decay_mult comes first"),
        },
    ),
    "a bias of a norm layer": (
        *("norm.bias", module("LayerNorm", "norm"), (8,)),
        {
            "bias_lr_mult": ("no match", "a bias of a norm layer (LayerNorm) is exempt"),
            "dcn_offset_lr_mult": ("no match", NO_OFFSET),
            "norm_decay_mult": ("applies", "the module is a LayerNorm"),
            "bias_decay_mult": ("overridden", "norm_decay_mult comes first"),
            "dwconv_decay_mult": ("skipped", "norm_decay_mult applied"),
            "flat_decay_mult": ("overridden", "norm_decay_mult comes first"),
        },
    ),
    "a bias of offsets": (
        *("dcn.conv_offset.bias", module("Conv2d", "conv2d", "offset"), (8,)),
        {
            "bias_lr_mult": ("no match", OFFSETS),
            "dcn_offset_lr_mult": ("applies", OFFSETS),
            "norm_decay_mult": ("no match", "the module is a Conv2d"),
            "bias_decay_mult": ("no match", OFFSETS),
            "dwconv_decay_mult": ("no match", "the module is a Conv2d, not a depth-wise convolution"),
            "flat_decay_mult": ("no match", OFFSETS),
        },
    ),
    "an offset of another name": (
        *("dcn.offset.weight", module("Conv2d", "conv2d", "offset"), (8, 8, 3, 3)),
        {
            "bias_lr_mult": ("no match", "the tensor is not a bias"),
            "dcn_offset_lr_mult": ("no match", NO_OFFSET),
            "norm_decay_mult": ("no match", "the module is a Conv2d"),
            "bias_decay_mult": ("no match", "the tensor is not a bias"),
            "dwconv_decay_mult": ("no match", "the module is a Conv2d, not a depth-wise convolution"),
            "flat_decay_mult": ("no match", "the tensor has more than one dimension"),
        },
    ),
    "a depth-wise kernel": (
        *("conv.weight", module("Conv2d", "conv2d", "depthwise"), (8, 1, 3, 3)),
        {
            "bias_lr_mult": ("no match", "the tensor is not a bias"),
            "dcn_offset_lr_mult": ("no match", NO_OFFSET),
            "norm_decay_mult": ("no match", "the module is a Conv2d"),
            "bias_decay_mult": ("no match", "the tensor is not a bias"),
            "dwconv_decay_mult": ("applies", "the module is a depth-wise Conv2d"),
            "flat_decay_mult": ("skipped", "dwconv_decay_mult applied"),
        },
    ),
    "a scalar": (
        *("head.weight", module("Scale"), ()),
        {
            "bias_lr_mult": ("no match", "the tensor is not a bias"),
            "dcn_offset_lr_mult": ("no match", NO_OFFSET),
            "norm_decay_mult": ("no match", "the module is a Scale"),
            "bias_decay_mult": ("no match", "the tensor is not a bias"),
            "dwconv_decay_mult": ("no match", "the module is a Scale, not a depth-wise convolution"),
            "flat_decay_mult": ("no match", "the tensor is a scalar"),
        },
    ),
}


@pytest.mark.parametrize(("name", "owner", "shape", "expected"), KINDS.values(), ids=KINDS)
def test_multipliers_of_mmengine(
    name: str, owner: Module, shape: tuple[int, ...], expected: dict[str, tuple[str, str]]
) -> None:
    found = considered(name, owner, shape, {**LR, **DECAY})
    assert [*found] == [*LR, *DECAY]
    assert {option: (step.outcome, step.reason) for option, step in found.items()} == expected
    assert [step.about for step in found.values()] == [("lr",)] * len(LR) + [("weight_decay",)] * len(DECAY)
    assert {option: step.condition for option, step in found.items()} == {
        "bias_lr_mult": "be a bias, but not in a norm or offset layer",
        "dcn_offset_lr_mult": "be a conv_offset of a deformable convolution",
        "norm_decay_mult": "be a parameter of a norm layer",
        "bias_decay_mult": "be a bias, but not in an offset layer",
        "dwconv_decay_mult": "be a parameter of a depth-wise convolution",
        "flat_decay_mult": "be a 1-D tensor, but not in an offset layer",
    }


def test_without_options_there_is_nothing_to_consider() -> None:
    found = considered("head.bias", module("Linear"), (8,), {})
    reason = "paramwise_cfg is empty, so all parameters are in one group, also the frozen parameters"
    assert [*found.values()] == [RuleTrace(("lr", "weight_decay"), "paramwise_cfg", "no effect", reason)]


def test_mmpretrain_knows_three_of_them_and_no_offsets() -> None:
    found = considered(
        *("dcn.conv_offset.bias", module("Conv2d", "conv2d", "offset"), (8,)), {**LR, **DECAY}, MMPRETRAIN_LAYER_DECAY
    )
    assert {option: (step.outcome, step.condition) for option, step in found.items()} == {
        "norm_decay_mult": ("no match", "be a parameter of a norm layer"),
        "bias_decay_mult": ("applies", "be a bias"),
        "flat_decay_mult": ("overridden", "be a 1-D tensor"),
    }


@pytest.mark.parametrize(
    ("optimizer", "idle"), [({"weight_decay": 0.05}, "lr"), ({"lr": 1e-4}, "weight decay"), ({}, "lr weight decay")]
)
def test_multipliers_with_nothing_to_multiply(optimizer: Mapping[str, Any], idle: str) -> None:
    found = considered("head.bias", module("Linear"), (8,), {**LR, **DECAY}, optimizer=optimizer)
    for options, what in ((LR, "lr"), (DECAY, "weight decay")):
        for option in options:
            if what in idle:
                reason = f"the config sets no {what} to multiply"
                assert (found[option].outcome, found[option].reason) == ("no effect", reason)
            else:
                assert found[option].outcome != "no effect"


def test_a_key_takes_precedence_over_all_multipliers() -> None:
    keys = {"head": {"lr_mult": 0.1}, "head.": {}, "weight": {}, ".head": {}, "xhead": {}}
    found = considered("head.bias", module("Linear"), (8,), {**LR, **DECAY, "custom_keys": keys})
    taken = "custom_keys['head.'] matches and takes precedence"
    assert {rule: (step.outcome, step.reason) for rule, step in found.items()} == {
        "custom_keys['weight']": ("no match", "'weight' is not in the name"),
        "custom_keys['.head']": ("no match", "'.head' is not in the name: the name begins without a dot"),
        "custom_keys['xhead']": ("no match", "'xhead' is not in the name"),
        "custom_keys['head.']": ("applies", "the longest key in the name"),
        "custom_keys['head']": ("overridden", "by the longer 'head.'"),
        "bias_lr_mult": ("skipped", f"{taken}, although the tensor is a bias"),
        "dcn_offset_lr_mult": ("skipped", taken),
        "norm_decay_mult": ("skipped", taken),
        "bias_decay_mult": ("skipped", f"{taken}, although the tensor is a bias"),
        "dwconv_decay_mult": ("skipped", taken),
        "flat_decay_mult": ("skipped", f"{taken}, although the tensor has one dimension"),
    }
    for key in keys:
        step = found[f"custom_keys[{key!r}]"]
        assert step.condition == f"have {key!r} in its name, and no longer key"
        assert step.about == ("lr", "weight_decay")


def test_keys_that_only_the_map_has_in_its_names() -> None:
    found = considered("module.head.bias", module("Linear"), (8,), {"custom_keys": {"module": {}, "bias": {}}})
    assert {rule: (step.outcome, step.reason) for rule, step in found.items()} == {
        "custom_keys['module']": (
            *(
                "no match",
                "'module' is not in the name: the constructor sees the name without the model wrapper's 'module.'",
            ),
        ),
        "custom_keys['bias']": ("applies", "the only key in the name"),
    }


def test_mmengine_prefixes_parameters_of_the_model_with_a_dot() -> None:
    found = considered("pos_embed", Module("Detector", (), ("pos_embed",)), (1, 8), {"custom_keys": {".pos_embed": {}}})
    assert [(step.outcome, step.reason) for step in found.values()] == [("applies", "the only key in the name")]


def test_keys_of_our_own_constructor_switch_nothing_off() -> None:
    """The constructor reads no multipliers of mmengine. A value that is not a dict sets nothing."""
    options = {**DECAY, "custom_keys": {"head": {"lr_mult": 0.1}, "neck": 0.1, "norm": {}}}
    found = group_map(
        {"group": {"parameters": {"head.bias": (8,), "neck.bias": (8,)}}},
        constructor=Constructor(LRDECAY_LAYER_DECAY, options),
        training=Training({"optimizer": GIVEN}, (), {}, {}, None, ()),
    )
    matches = custom_key_matches(found)
    assert {key: (match.wins, match.settings, match.switches_off) for key, match in matches.items()} == {
        "head": (("head.bias",), {"lr_mult": 0.1}, {}),
        "neck": (("neck.bias",), {}, {}),
        "norm": ((), {}, {}),
    }


BASES = {"base_lr": 1e-4, "base_weight_decay": 0.05}
NUMBERS: dict[str, tuple[dict[str, Any], Mapping[str, Any], Formula, Formula]] = {
    "no options": ({}, GIVEN, Formula("base_lr", "0.0001", 1e-4), Formula("base_weight_decay", "0.05", 0.05)),
    "no options and no numbers": (
        *({}, {}, Formula("the optimizer's default, because the config sets no lr", "0.001", 0.001)),
        Formula("the optimizer's default, because the config sets no weight_decay", "0.01", 0.01),
    ),
    "no numbers": (
        *({"bias_lr_mult": 2.0}, {}, Formula("the optimizer's default, because the config sets no lr", "0.001", 0.001)),
        Formula("the optimizer's default, because the config sets no weight_decay", "0.01", 0.01),
    ),
    "nothing that fits": (
        {"norm_decay_mult": 0.0},
        *(GIVEN, Formula("base_lr", "0.0001", 1e-4), Formula("base_weight_decay", "0.05", 0.05)),
    ),
    "multipliers": (
        *({"bias_lr_mult": 2.0, "bias_decay_mult": 0.5}, GIVEN),
        Formula("base_lr * bias_lr_mult", "0.0001 * 2.0", 2e-4, {"bias_lr_mult": 2.0}),
        Formula("base_weight_decay * bias_decay_mult", "0.05 * 0.5", 0.025, {"bias_decay_mult": 0.5}),
    ),
    "a key without settings": (
        *({"custom_keys": {"head": {}}, "bias_lr_mult": 2.0}, GIVEN),
        Formula("base_lr * 1.0, custom_keys['head'] gives no lr_mult", "0.0001 * 1.0", 1e-4),
        Formula("base_weight_decay * 1.0, custom_keys['head'] gives no decay_mult", "0.05 * 1.0", 0.05),
    ),
    "a key with the numbers themselves": (
        *({"custom_keys": {"head": {"lr": 0.5, "weight_decay": 0.2, "lr_mult": 9.0, "decay_mult": 9.0}}}, GIVEN),
        Formula("custom_keys['head'].lr", "0.5", 0.5, {"lr": 0.5}),
        Formula("custom_keys['head'].weight_decay", "0.2", 0.2, {"weight_decay": 0.2}),
    ),
}


@pytest.mark.parametrize(("options", "optimizer", "lr", "weight_decay"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_mmengine(
    options: dict[str, Any], optimizer: Mapping[str, Any], lr: Formula, weight_decay: Formula
) -> None:
    found = group_map(
        {"group": {"parameters": {"head.bias": (8,)}}},
        base_lr=0.001,
        base_weight_decay=0.01,
        constructor=Constructor(MMENGINE_DEFAULT, options),
        training=Training({"optimizer": optimizer}, (), {}, {}, None, ()),
    )
    (tensor,) = tensors_met(found)
    rules = rules_of(found, [tensor])
    assert rules is not None
    provenance = rules.provenance(tensor)
    for step, expected in ((provenance.lr, lr), (provenance.weight_decay, weight_decay)):
        assert (step.rule, step.formula, step.result) == (expected.rule, expected.formula, expected.result)
        assert {**step.inputs} == {key: BASES[key] for key in BASES if key in step.rule} | {**expected.inputs}


def test_a_tensor_that_the_model_does_not_know_has_no_provenance() -> None:
    found = group_map({"group": {"parameters": {"head.bias": (8,), "group[1] (not a parameter of the model)": (2,)}}})
    modules = {"head": Module("Linear", (), ("bias",))}
    explained = with_provenance(msgspec.structs.replace(found, modules=modules), None)
    assert [parameter.provenance is not None for _, parameter in explained.grouped()] == [True, False]


@pytest.mark.parametrize(
    ("constructor", "options", "where"),
    [
        (MMENGINE_DEFAULT, {"bias_lr_mult": "2"}, "bias_lr_mult"),
        (MMENGINE_DEFAULT, {"bias_decay_mult": "2"}, "bias_decay_mult"),
        (MMENGINE_DEFAULT, {"custom_keys": {"head": {"lr_mult": "2"}}}, "custom_keys['head'].lr_mult"),
        (MMENGINE_DEFAULT, {"custom_keys": {"head": {"weight_decay": "2"}}}, "custom_keys['head'].weight_decay"),
        (MMPRETRAIN_LAYER_DECAY, {"layer_decay_rate": "2"}, "layer_decay_rate"),
        (MMPRETRAIN_LAYER_DECAY, {"flat_decay_mult": "2"}, "flat_decay_mult"),
    ],
)
def test_a_non_number_is_reported_with_its_place(constructor: str, options: Mapping[str, Any], where: str) -> None:
    found = group_map(
        {"group": {"parameters": {"head.bias": (8,)}}},
        constructor=Constructor(constructor, options),
        training=Training({"optimizer": GIVEN}, (), {}, {}, None, ()),
    )
    (tensor,) = tensors_met(found)
    with pytest.raises(DecayError) as caught:
        rules_of(found, [tensor], lambda _: (0, 2)).provenance(tensor)
    assert (caught.value.where, caught.value.problem) == (f"paramwise_cfg.{where}", "'2' is not a number")


@pytest.mark.parametrize(
    ("constructor", "problem"),
    [
        (MMENGINE_DEFAULT, "there is no base lr for a custom key to multiply"),
        (MMPRETRAIN_LAYER_DECAY, "the constructor needs a base lr, but the config sets none"),
    ],
)
def test_a_key_needs_an_lr(constructor: str, problem: str) -> None:
    found = group_map(
        {"group": {"parameters": {"head.bias": (8,)}}},
        constructor=Constructor(constructor, {"custom_keys": {"head": {}}}),
    )
    (tensor,) = tensors_met(found)
    with pytest.raises(DecayError) as caught:
        rules_of(found, [tensor], lambda _: (0, 2)).provenance(tensor)
    assert (caught.value.where, caught.value.problem) == ("optim_wrapper.optimizer.lr", problem)


@pytest.mark.parametrize(
    ("constructor", "settings", "remark"),
    [
        (MMENGINE_DEFAULT, {"lr_mult": 0.1, "decay_mult": 0.0}, ""),
        (
            MMENGINE_DEFAULT,
            {"decay_multi": 0.0},
            "'decay_multi', which is copied into the group and has no effect:",
        ),
        (MMENGINE_DEFAULT, {"betas": (0.9, 0.99)}, ""),
        (MMPRETRAIN_LAYER_DECAY, {"lr_mult": 0.1}, f"'lr_mult', which {MMPRETRAIN_LAYER_DECAY} ignores"),
        (MMPRETRAIN_LAYER_DECAY, {"decay_mult": 0.1}, ""),
        (
            MMPRETRAIN_LAYER_DECAY,
            {"lr_mul": 0.1},
            "'lr_mul', which is copied into the group and has no effect: did",
        ),
    ],
)
def test_unused_settings_of_a_key(constructor: str, settings: Mapping[str, Any], remark: str) -> None:
    found = group_map(
        {"group": {"parameters": {"head.weight": (8, 8), "neck.weight": (8, 8)}}},
        constructor=Constructor(constructor, {"custom_keys": {"head": settings}}),
        training=Training({"optimizer": GIVEN}, (), {}, {}, None, ()),
    )
    head, neck = tensors_met(found)
    rules = rules_of(found, [head, neck], lambda name: (0, 2))
    assert rules is not None
    remarks = rules.remarks(head, rules.provenance(head))
    assert len(remarks) == bool(remark)
    assert "".join(remarks).startswith(f"custom_keys['head'] sets {remark}" if remark else "")
    assert not rules.remarks(neck, rules.provenance(neck))
