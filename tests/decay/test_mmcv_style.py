"""What MMCV 1 read, in mmengine's words: what comes out is built by mmengine, and lowers the lr as MMCV did."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from lrdecay_cli.files.mmcv1 import as_mmengine
from lrdecay_cli.text.python_source import assignments

EPOCHS, PER_EPOCH = 12, 10


def lrs(schedulers: list[dict[str, Any]]) -> list[float]:
    """The lr of each iteration, from 1, as mmengine's hook steps it."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
    built = [
        PARAM_SCHEDULERS.build({**one}, default_args={"optimizer": optimizer, "epoch_length": PER_EPOCH})
        for one in schedulers
    ]
    found = []
    for iteration in range(1, EPOCHS * PER_EPOCH + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or iteration % PER_EPOCH == 0:
                scheduler.step()
    return found


# The lr of an epoch by mmcv 1.7, LrUpdaterHook.get_lr of each policy, with a base lr of 1.
POLICIES: dict[str, tuple[dict[str, Any], Any]] = {
    "step": ({"policy": "step", "step": [8, 11]}, lambda e: 0.1 ** ((e >= 8) + (e >= 11))),
    "each third": ({"policy": "Step", "step": 3, "gamma": 0.5}, lambda e: 0.5 ** (e // 3)),
    "exp": ({"policy": "exp", "gamma": 0.9}, lambda e: 0.9**e),
    "fixed": ({"policy": "fixed"}, lambda e: 1.0),
    "cosine": (
        {"policy": "CosineAnnealing", "min_lr": 0.0},
        lambda e: (1 + math.cos(math.pi * e / EPOCHS)) / 2,
    ),
    "cosine with a ratio": (
        {"policy": "CosineAnnealing", "min_lr_ratio": 0.1},
        lambda e: 0.1 + 0.9 * (1 + math.cos(math.pi * e / EPOCHS)) / 2,
    ),
    # mmengine is at the minimum in the last epoch, MMCV behind it.
    "poly": ({"policy": "poly", "power": 0.9, "min_lr": 0.01}, lambda e: 0.99 * (1 - e / (EPOCHS - 1)) ** 0.9 + 0.01),
}


@pytest.mark.parametrize(("lr_config", "of_epoch"), POLICIES.values(), ids=POLICIES)
def test_policies(lr_config: dict[str, Any], of_epoch: Any) -> None:
    found = lrs(as_mmengine({"lr_config": lr_config}, length=EPOCHS).get("param_scheduler", []))
    assert found[::PER_EPOCH] == pytest.approx([of_epoch(epoch) for epoch in range(EPOCHS)])


@pytest.mark.parametrize("kind", ["linear", "constant"])
def test_warm_up(kind: str) -> None:
    lr_config = {"policy": "step", "step": [8, 11], "warmup": kind, "warmup_iters": 6, "warmup_ratio": 0.1}
    found = lrs(as_mmengine({"lr_config": lr_config}, length=EPOCHS)["param_scheduler"])
    if kind == "constant":
        # mmengine gives the lr back with the last step of the range, one before MMCV.
        assert found[:7] == pytest.approx([0.1] * 5 + [1.0] * 2)
    else:
        assert found[0] == pytest.approx(0.1)
        assert found[:6] == sorted(found[:6])
        assert found[6] == pytest.approx(1.0)


def test_a_policy_that_mmengine_has_nothing_for() -> None:
    assert as_mmengine({"lr_config": {"policy": "inv", "gamma": 0.1}}) == {}


def test_what_is_pasted_is_built() -> None:
    given = {
        "optimizer": {
            "type": "SGD",
            "lr": 0.02,
            "momentum": 0.9,
            "paramwise_cfg": {"bias_lr_mult": 2.0, "custom_keys": {"0.weight": {"lr_mult": 0.1}}},
        },
        "optimizer_config": {"grad_clip": {"max_norm": 35, "norm_type": 2}, "cumulative_iters": 4},
        "runner": {"type": "IterBasedRunner", "max_iters": 90},
    }
    config: dict[str, Any] = {}
    exec(assignments(as_mmengine(given)), config)
    wrapper = build_optim_wrapper(nn.Sequential(nn.Linear(2, 2)), Config(config["optim_wrapper"])._cfg_dict)
    assert [group["lr"] for group in wrapper.param_groups if group["params"]][:2] == pytest.approx([0.002, 0.04])
    assert {group["momentum"] for group in wrapper.param_groups} == {0.9}
    assert (wrapper.clip_grad_kwargs, wrapper._accumulative_counts) == ({"max_norm": 35, "norm_type": 2}, 4)
    assert config["train_cfg"] == {"by_epoch": False, "max_iters": 90}


def test_half_precision() -> None:
    assert as_mmengine({"fp16": {"loss_scale": 512.0}}) == {
        "optim_wrapper": {"type": "AmpOptimWrapper", "loss_scale": 512.0}
    }
