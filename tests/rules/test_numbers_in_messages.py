"""Numbers in messages, for maps that are small enough to count by hand."""

from __future__ import annotations

import msgspec
import pytest

from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Module
from lrdecay_cli.rules import find_rule
from lrdecay_cli.rules.running import findings_of
from tests.group_maps import group_map


def message(found: GroupMap, code: str) -> str:
    (finding,) = findings_of(found, [find_rule(code)])
    return finding.message


@pytest.mark.parametrize(
    ("kind", "traits", "part"),
    [
        pytest.param("SyncBatchNorm", ("norm",), ", and the statistics of 1 batch norm still change", id="batch norm"),
        pytest.param("GroupNorm", ("norm",), "", id="group norm"),
        pytest.param("BatchNormLike", (), "", id="name alone"),
    ],
)
def test_batch_norms_at_lr_zero_still_change(kind: str, traits: tuple[str, ...], part: str) -> None:
    found = group_map(
        {
            "still": {"lr": 0.0, "parameters": {"bn.weight": (4,), "bn.bias": (4,), "conv.weight": (4, 2)}},
            "group": {"parameters": {"head.weight": (2, 2)}},
        }
    )
    modules = {**found.modules, "bn": Module(kind, traits, ("weight", "bias"))}
    text = message(msgspec.structs.replace(found, modules=modules), "LRD104")
    assert text == f"3 trainable tensors with 16 parameters have lr 0{part}"


@pytest.mark.parametrize(
    ("missing", "part"),
    [
        pytest.param(
            {"neck.weight": (2, 2), "neck.bias": (2,)},
            "2 trainable tensors with 43% of the trainable parameters are",
            id="two",
        ),
        pytest.param({"neck.weight": (2, 2)}, "1 trainable tensor with 33% of the trainable parameters is", id="one"),
    ],
)
def test_share_of_missing_parameters_counts_all_trainable_ones(missing: dict[str, tuple[int, ...]], part: str) -> None:
    parameters = {"head.weight": (4, 2), "head.still": (100,)}
    found = group_map({"group": {"parameters": parameters, "no_grad": ("head.still",)}}, missing=missing)
    assert message(found, "LRD101") == f"{part} in no parameter group"


def test_without_an_optimizer_the_fix_is_an_optimizer() -> None:
    """Like mmagic's guided_diffusion: its ``optim_wrapper`` names a constructor and no optimizer."""
    found = group_map(missing={"head.weight": (2, 2)})
    assert message(found, "LRD101") == f"{DEFAULT.name} builds no optimizer: 1 trainable tensor is never updated"


@pytest.mark.parametrize(("times", "part"), [(1, "twice"), (2, "up to 3 times")])
def test_number_of_occurrences_in_groups(times: int, part: str) -> None:
    found = group_map({"group": {"parameters": {"a.weight": (2,)}}}, duplicates={"a.weight": "a.weight"})
    found = msgspec.structs.replace(found, duplicates=found.duplicates * times)
    assert message(found, "LRD102") == f"1 tensor is in groups {part}, so each step updates it {part}"
