"""Facts that rules read from a map: the first lr of a group, its scale, and the order of names."""

from __future__ import annotations

import math

import msgspec
import pytest

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Constructor, Training
from lrdecay_cli.rules import find_rule
from lrdecay_cli.rules.context.rule_context import RuleContext
from lrdecay_cli.rules.options.custom_keys import _is_word
from tests.group_maps import group_map


def one_group(base_lr: float | None, lr: float | None, lr_scale: float | None) -> GroupMap:
    return group_map({"group": {"lr": lr, "lr_scale": lr_scale, "parameters": {"w": (2,)}}}, base_lr=base_lr)


@pytest.mark.parametrize(
    ("base_lr", "lr", "lr_scale", "scale"),
    [
        pytest.param(0.1, 0.07, 0.7, 0.7, id="agree"),
        pytest.param(0.1, 0.05, 0.7, 0.5, id="lr counts"),
        pytest.param(0.1, 0.05, None, 0.5, id="no scale"),
        pytest.param(0.1, 0.0, 1.0, 0.0, id="lr 0"),
        # The recorded number is exact in the last digit.
        pytest.param(3e-4, 3e-4 * 0.7, 0.7, 0.7, id="rounded"),
        # Nothing to divide, or a division by zero.
        pytest.param(None, 0.05, 0.7, 0.7, id="no base lr"),
        pytest.param(0.0, 0.05, 0.7, 0.7, id="base lr 0"),
        pytest.param(0.1, None, 0.7, 0.7, id="no lr"),
        pytest.param(0.1, None, None, None, id="neither"),
        pytest.param(math.inf, 0.05, 0.7, 0.7, id="base lr infinite"),
        pytest.param(math.nan, 0.05, 0.7, 0.7, id="base lr nan"),
        pytest.param(0.1, math.inf, 0.7, 0.7, id="lr infinite"),
        pytest.param(0.1, math.nan, 0.7, 0.7, id="lr nan"),
    ],
)
def test_scale_is_that_of_the_lr_which_trains(
    base_lr: float | None, lr: float | None, lr_scale: float | None, scale: float | None
) -> None:
    found = one_group(base_lr, lr, lr_scale)
    (group,) = found.groups
    assert RuleContext(found).starting_lr(group) == lr or (lr is not None and math.isnan(lr))
    assert RuleContext(found).starting_scale(group) == scale


def test_names_are_in_the_models_order_and_unknown_ones_last() -> None:
    found = group_map({"late": {"parameters": {"c.w": (2,), "a.w": (2,)}}}, frozen={"b.w": (2,)})
    modules = {path: found.modules[path] for path in ("a", "b", "c")}
    facts = RuleContext(msgspec.structs.replace(found, modules=modules))
    assert facts.in_model_order(["x.w", "c.w", "b.w", "a.w", "c.w", "n.w"]) == ("a.w", "b.w", "c.w", "x.w", "n.w")
    assert [*facts.tensors] == ["a.w", "b.w", "c.w"]


def test_a_rate_of_one_is_reported_by_the_name_that_it_has() -> None:
    """For an unknown constructor, from the option that it read."""
    found = group_map(
        {"group": {"parameters": {"backbone.w": (2, 2)}}},
        constructor=Constructor("mine.Own", {"layer_decay": 1.0}),
        training=Training({}, (), {}, {}, None, ("layer_decay",), ()),
    )
    (fault,) = find_rule("LRD509").check(RuleContext(found))
    assert (fault.message, fault.option) == (
        "layer_decay=1 gives every layer the same lr",
        "optim_wrapper.paramwise_cfg.layer_decay",
    )


@pytest.mark.parametrize(
    ("key", "name", "is_word"),
    [
        *(("norm", "backbone.norm.weight", True), ("norm", "norm", True), ("norm", "backbone.norm3.weight", True)),
        *(
            ("norm", "backbone.layernorm.weight", False),
            ("norm", "normal.weight", False),
            ("norm", "head.weight", False),
        ),
        *(("norm", "layernorm.norm.weight", True), ("norm", "normal.layer_norm", True), ("n", "annn.n", True)),
        # A dot or a number also ends a word.
        *(
            (".norm", "backbone.norm.weight", True),
            ("norm.", "layernorm.weight", False),
            ("m3.", "norm3.weight", False),
        ),
        *(("3.w", "norm3.weight", False), ("3.", "norm3.weight", True)),
    ],
)
def test_a_key_that_is_a_word_of_the_name(key: str, name: str, is_word: bool) -> None:
    assert _is_word(key, name) == is_word
