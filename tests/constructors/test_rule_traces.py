"""The rules that a constructor applies to one parameter, in order, and unexpected results of these rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lrdecay_cli.constructors.precedence import overridden_by
from lrdecay_cli.constructors.recomputation import rules_of, tensors_met
from lrdecay_cli.constructors.spec import ConstructorRules
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Constructor, Model, Totals, Training
from tests.constructors.names import LRDECAY_LAYER_DECAY, MMDET_LAYER_DECAY
from tests.decay.plain import explained
from tests.group_maps import Shapes, group_map

NO_TOTALS = Totals(0, 0, 0, 0, 0, 0, 0, 0, 0)
OPTIMIZER = {"type": "AdamW", "lr": 1e-4, "weight_decay": 0.05}
# The last blocks of a ConvNeXt-T.
CONVNEXT = {f"backbone.stages.{stage}.{depth - 1}.gamma": (8,) for stage, depth in enumerate((3, 3, 9, 3))}


def constructor_of(
    constructor: str, options: dict[str, Any], parameters: Shapes, name: str, backbone: str = "ConvNeXt"
) -> tuple[ConstructorRules, Tensor]:
    """Return the rules for a model with these parameters, and one parameter as the constructor sees it."""
    found = group_map(
        {"group": {"parameters": parameters}},
        constructor=Constructor(constructor, options),
        model=Model("Detector", backbone, NO_TOTALS),
        training=Training({"optimizer": OPTIMIZER}, (), {}, {}, None, ()),
    )
    tensors = list(tensors_met(found))
    rules = rules_of(found, tensors)
    assert rules is not None
    return rules, next(tensor for tensor in tensors if tensor.name == name)


def steps_of(rules: ConstructorRules, tensor: Tensor, provenance: Provenance | None = None) -> list[Sequence[str]]:
    return [
        (" ".join(each.about), each.rule, each.outcome, each.condition) for each in rules.considered(tensor, provenance)
    ]


TOKENS = "backbone.{cls_token,mask_token,pos_embed}"
NO_TOKEN = ("layer_id", f"{TOKENS} -> 0", "no match", f"have a name like {TOKENS}")
NO_DOWNSAMPLING = (
    *("layer_id", "backbone.downsample_layers.<stage> -> 0, 2, 3, num_layers", "no match"),
    "have a name like backbone.downsample_layers.<stage>",
)
NO_BLOCK = (
    *("layer_id", "backbone.stages.<stage>.<block> -> 1, 2, 3 + block // 3, num_layers", "no match"),
    "have a name like backbone.stages.<stage>.<block>",
)
THE_REST = (
    *("layer_id", "everything else -> num_layers + 1", "applies"),
    "have a name that no other rule matches",
)
FLAT, BIAS, NAMED = (
    ("weight_decay", "1-D tensor -> 0", "applies", "be a 1-D tensor"),
    ("weight_decay", "name ends in '.bias' -> 0", "applies", "have a name that ends in '.bias'"),
    ("weight_decay", "name is 'pos_embed' -> 0", "applies", "be named just 'pos_embed' or 'cls_token'"),
)
NOT_FLAT, NO_BIAS, NOT_NAMED = (
    (about, rule.replace("'pos_embed' ->", "'pos_embed' or 'cls_token' ->"), "no match", condition)
    for about, rule, _, condition in (FLAT, BIAS, NAMED)
)

BY_MMDET: dict[str, tuple[str, tuple[int, ...], list[Sequence[str]]]] = {
    "a token of the backbone": (
        *("backbone.pos_embed", (1, 4, 8)),
        [
            ("layer_id", "backbone.pos_embed -> 0", "applies", "have a name like backbone.pos_embed"),
            *(NOT_FLAT, NO_BIAS, NOT_NAMED),
        ],
    ),
    "downsampling": (
        *("backbone.downsample_layers.1.0.weight", (8,)),
        [
            NO_TOKEN,
            (
                *("layer_id", "backbone.downsample_layers.1 -> 2", "applies"),
                "have a name like backbone.downsample_layers.1",
            ),
            FLAT,
        ],
    ),
    "a block": (
        *("backbone.stages.2.4.bias", (8, 1)),
        [
            *(NO_TOKEN, NO_DOWNSAMPLING),
            (
                *("layer_id", "backbone.stages.2.<block> -> 3 + block // 3", "applies"),
                "have a name like backbone.stages.2.<block>",
            ),
            *(NOT_FLAT, BIAS),
        ],
    ),
    "a token of the model": (
        "pos_embed",
        (1, 4, 8),
        [NO_TOKEN, NO_DOWNSAMPLING, NO_BLOCK, THE_REST, NOT_FLAT, NO_BIAS, NAMED],
    ),
    "a head": ("head.weight", (8, 8), [NO_TOKEN, NO_DOWNSAMPLING, NO_BLOCK, THE_REST, NOT_FLAT, NO_BIAS, NOT_NAMED]),
}


@pytest.mark.parametrize(("name", "shape", "expected"), BY_MMDET.values(), ids=BY_MMDET)
def test_mmdet_asks_by_name_and_then_by_shape(name: str, shape: tuple[int, ...], expected: list[Sequence[str]]) -> None:
    rules, tensor = constructor_of(
        MMDET_LAYER_DECAY, {"num_layers": 6, "decay_rate": 0.7}, {**CONVNEXT, name: shape}, name
    )
    assert steps_of(rules, tensor) == expected
    provenance = rules.provenance(tensor)
    assert provenance.layer_id is not None
    assert provenance.layer_id.rule in {each[1] for each in expected if each[2] == "applies"}


GAP = "layer ids 6 to 11 are unused: the blocks of stage 2 end at layer id 5, but the last stage has"
BY_STAGE = "with stage_wise, the last stage has layer id 4, but with num_layers={}, the head has layer id {}"
REMARKS: dict[str, tuple[dict[str, Any], str, str]] = {
    "fits": ({"num_layers": 6}, "stages.3.0.gamma", ""),
    "fits, below the last stage": ({"num_layers": 6}, "stages.2.8.gamma", ""),
    "below the gap": ({"num_layers": 12}, "stages.2.8.gamma", GAP),
    "above the gap": ({"num_layers": 12}, "stages.3.0.gamma", GAP),
    "not at the gap": ({"num_layers": 12}, "stages.2.5.gamma", ""),
    "one id is empty": (
        {"num_layers": 7},
        "stages.3.0.gamma",
        "layer id 6 is unused: the blocks of stage 2 end at layer id 5, but the last stage has layer",
    ),
    "above the head": (
        {"num_layers": 3},
        "stages.2.8.gamma",
        "layer id 5 is above the head's, num_layers + 1 = 4: the exponent is negative",
    ),
    "beside the head": (
        {"num_layers": 4},
        "stages.2.8.gamma",
        "the block has the head's layer id: num_layers=4 is too",
    ),
    "below the head": ({"num_layers": 4}, "stages.2.5.gamma", ""),
    "the head": ({"num_layers": 12}, "norm3.weight", ""),
    "by stage": ({"num_layers": 12, "decay_type": "stage_wise"}, "stages.3.0.gamma", BY_STAGE.format(12, 13)),
    "the stem by stage": (
        {"num_layers": 5, "decay_type": "stage_wise"},
        "downsample_layers.0.0.weight",
        BY_STAGE.format(5, 6),
    ),
    "by stage, fits": ({"num_layers": 4, "decay_type": "stage_wise"}, "stages.3.0.gamma", ""),
    "a stage too many": ({"num_layers": 12, "decay_type": "stage_wise"}, "stages.7.0.gamma", ""),
    "no stage": ({"num_layers": 12, "decay_type": "stage_wise"}, "stages.-3.0.gamma", ""),
}


@pytest.mark.parametrize(("options", "own_name", "remark"), REMARKS.values(), ids=REMARKS)
def test_remarks_on_a_block(options: dict[str, Any], own_name: str, remark: str) -> None:
    name = f"backbone.{own_name}"
    rules, tensor = constructor_of(MMDET_LAYER_DECAY, {"decay_rate": 0.7, **options}, {**CONVNEXT, name: (8,)}, name)
    remarks = rules.remarks(tensor, rules.provenance(tensor))
    assert len(remarks) == bool(remark)
    assert "".join(remarks).startswith(remark)


def test_unsupported_backbones_of_mmdet_have_no_rules() -> None:
    """lrdecay's rules for a Swin Transformer differ from mmdet's."""
    options = {"num_layers": 12, "decay_rate": 0.7}
    with pytest.raises(
        DecayError, match=r"^model\.backbone: mmdet's constructor has no layer decay for SwinTransformer; "
    ):
        constructor_of(MMDET_LAYER_DECAY, options, {"head.weight": (8, 8)}, "head.weight", "SwinTransformer")


def test_a_provenance_without_a_layer_id_is_valid() -> None:
    name = "backbone.stages.2.8.gamma"
    rules, tensor = constructor_of(MMDET_LAYER_DECAY, {"num_layers": 3, "decay_rate": 0.7}, CONVNEXT, name)
    whole = rules.provenance(tensor)
    assert rules.remarks(tensor, whole)
    assert rules.remarks(tensor, Provenance(None, None, whole.lr, whole.weight_decay)) == ()


KEYS = {
    "norm": {"lr_mult": 0.5, "decay_mult": 0.3},
    "norm3": {"lr_mult": 0.5},
    "norm3.": {"decay_mult": 0.3},
    "bone.": {},
    "head": {"lr_mult": 2.0},
}


def test_our_constructor_uses_the_longest_key() -> None:
    name = "backbone.norm3.weight"
    rules, tensor = constructor_of(LRDECAY_LAYER_DECAY, {"decay_rate": 0.7, "custom_keys": KEYS}, {name: (8,)}, name)
    assert rules.considered(tensor, None) == ()
    found = {each.rule: each for each in rules.considered(tensor, explained(name, shape=(8,)))}
    assert [(" ".join(step.about), rule, step.outcome) for rule, step in found.items()] == [
        ("layer_id", "everything else -> num_layers + 1", "applies"),
        ("weight_decay", "custom_keys['norm3.']", "applies"),
        ("options", "custom_keys['bone.']", "overridden"),
        ("lr_scale", "custom_keys['norm3']", "overridden"),
        ("lr_scale", "custom_keys['head']", "no match"),
        ("lr_scale weight_decay", "custom_keys['norm']", "overridden"),
        ("weight_decay", "1-D tensor -> 0", "applies"),
    ]
    assert found["everything else -> num_layers + 1"].condition == "have a name that no other rule matches"
    assert found["1-D tensor -> 0"].condition == "be exempt as 1-D tensor"
    (block, *_) = rules.considered(tensor, explained("backbone.stages.2.7.gamma", shape=(8,)))
    assert block.condition == "have a name like backbone.stages.2.<block>"
    for key in KEYS:
        assert found[f"custom_keys[{key!r}]"].condition == f"have {key!r} in its name, and no longer key"


@pytest.mark.parametrize(
    ("winner", "key", "why"),
    [
        ("backbone", "norm", "by the longer 'backbone'"),
        ("kbone.", "weight", "by 'kbone.': equally long, first in the alphabet"),
    ],
)
def test_why_a_key_is_overridden(winner: str, key: str, why: str) -> None:
    assert overridden_by(winner, key) == why
