"""MMCV 1 settings translated to mmengine's: mmengine builds the result, and it lowers the lr as MMCV did."""

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


def lrs(schedulers: list[dict[str, Any]], what: str = "lr", *, in_epochs: bool = True) -> list[float]:
    """Return the lr of each iteration, from 1, as mmengine's hook steps it; or the momentum."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0, momentum=0.9)
    built = [
        PARAM_SCHEDULERS.build(
            {"end": EPOCHS if each.get("by_epoch", True) else EPOCHS * PER_EPOCH, **each},
            default_args={"optimizer": optimizer, "epoch_length": PER_EPOCH},
        )
        for each in schedulers
    ]
    found = []
    for iteration in range(1, EPOCHS * PER_EPOCH + 1):
        found.append(optimizer.param_groups[0][what])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or (in_epochs and iteration % PER_EPOCH == 0):
                scheduler.step()
    return found


# The lr of an epoch in mmcv 1.7, LrUpdaterHook.get_lr of each policy, with a base lr of 1.
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
    # mmengine reaches the minimum in the last epoch, MMCV after it.
    "poly": ({"policy": "poly", "power": 0.9, "min_lr": 0.01}, lambda e: 0.99 * (1 - e / (EPOCHS - 1)) ** 0.9 + 0.01),
}


@pytest.mark.parametrize(("lr_config", "of_epoch"), POLICIES.values(), ids=POLICIES)
def test_policies(lr_config: dict[str, Any], of_epoch: Any) -> None:
    found = lrs(as_mmengine({"lr_config": lr_config}, length=EPOCHS).get("param_scheduler", []))
    assert found[::PER_EPOCH] == pytest.approx([of_epoch(epoch) for epoch in range(EPOCHS)])


def cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def up_and_down(high: float, low: float, share: float, top: float = 0.4) -> float:
    """mmcv 1.7, CyclicLrUpdaterHook, for one cycle."""
    return cosine(1, high, share / top) if share < top else cosine(high, low, (share - top) / (1 - top))


ITERATIONS = EPOCHS * PER_EPOCH
# The lr of an iteration if mmcv 1.7 steps after each: progress is runner.iter, of max_iters.
BY_ITERATION: dict[str, tuple[dict[str, Any], Any]] = {
    "cosine": (
        {"policy": "CosineAnnealing", "min_lr_ratio": 0.01, "by_epoch": False},
        lambda i: cosine(1, 0.01, i / ITERATIONS),
    ),
    "poly": (
        {"policy": "poly", "power": 0.9, "min_lr": 1e-4, "by_epoch": False},
        lambda i: (1 - 1e-4) * (1 - i / (ITERATIONS - 1)) ** 0.9 + 1e-4,
    ),
    "linear annealing": (
        {"policy": "LinearAnnealing", "min_lr_ratio": 0.1, "by_epoch": False},
        lambda i: 1 - 0.9 * i / (ITERATIONS - 1),
    ),
    "linear annealing to an lr": (
        {"policy": "LinearAnnealing", "min_lr": 0.1, "by_epoch": False},
        lambda i: 1 - 0.9 * i / (ITERATIONS - 1),
    ),
    "step": (
        {"policy": "step", "step": [40, 90], "by_epoch": False},
        lambda i: 0.1 ** ((i >= 40) + (i >= 90)),
    ),
    "exp": ({"policy": "exp", "gamma": 0.99, "by_epoch": False}, lambda i: 0.99**i),
    "restarts": (
        {"policy": "CosineRestart", "periods": [60, 60], "restart_weights": [1, 0.5], "min_lr": 0, "by_epoch": False},
        lambda i: (1 if i < 60 else 0.5) * cosine(1, 0, i % 60 / 60),
    ),
    "flat cosine": (
        {"policy": "FlatCosineAnnealing", "start_percent": 0.5, "min_lr": 0.1, "by_epoch": False},
        lambda i: 1.0 if i < 60 else cosine(1, 0.1, (i - 60) / 60),
    ),
    "cyclic": (
        {"policy": "cyclic", "target_ratio": (10, 1e-4), "cyclic_times": 1, "step_ratio_up": 0.4},
        lambda i: up_and_down(10, 1e-4, i / ITERATIONS),
    ),
    "cyclic by one ratio": (
        {"policy": "cyclic", "target_ratio": 5, "step_ratio_up": 0.25},
        lambda i: up_and_down(5, 5e-5, i / ITERATIONS, 0.25),
    ),
}


@pytest.mark.parametrize("in_epochs", [True, False], ids=["epochs", "iterations"])
@pytest.mark.parametrize(("lr_config", "of_iteration"), BY_ITERATION.values(), ids=BY_ITERATION)
def test_policies_by_iteration(lr_config: dict[str, Any], of_iteration: Any, in_epochs: bool) -> None:
    length = EPOCHS if in_epochs else ITERATIONS
    schedulers = as_mmengine({"lr_config": lr_config}, length=length, in_epochs=in_epochs)["param_scheduler"]
    found = lrs(schedulers, in_epochs=in_epochs)
    # mmengine's increase stops one step before its top.
    near = 3e-3 * max(found) if lr_config["policy"] == "cyclic" else 1e-6
    assert found == pytest.approx([of_iteration(i) for i in range(ITERATIONS)], rel=1e-6, abs=near)


def test_a_cosine_by_iteration_lasts_as_long_as_the_training() -> None:
    lr_config = {"policy": "CosineAnnealing", "min_lr_ratio": 0.01, "by_epoch": False}
    assert as_mmengine({"lr_config": lr_config}, length=12)["param_scheduler"] == [
        {
            "type": "CosineAnnealingLR",
            "eta_min_ratio": 0.01,
            "begin": 0,
            "by_epoch": True,
            "end": 12,
            "convert_to_iter_based": True,
        }
    ]


@pytest.mark.parametrize(
    ("momentum_config", "of_iteration"),
    [
        pytest.param(
            {"policy": "cyclic", "target_ratio": (0.85 / 0.95, 1), "step_ratio_up": 0.4},
            lambda i: 0.9 * up_and_down(0.85 / 0.95, 1, i / ITERATIONS),
            id="cyclic",
        ),
        pytest.param(
            {"policy": "CosineAnnealing", "min_momentum_ratio": 0.5, "by_epoch": False},
            lambda i: 0.9 * cosine(1, 0.5, i / ITERATIONS),
            id="cosine",
        ),
        pytest.param({"policy": "step", "step": [8]}, lambda i: 0.9 if i < 80 else 0.45, id="step"),
    ],
)
def test_momentum(momentum_config: dict[str, Any], of_iteration: Any) -> None:
    schedulers = as_mmengine({"momentum_config": momentum_config}, length=EPOCHS)["param_scheduler"]
    assert lrs(schedulers, "momentum") == pytest.approx([of_iteration(i) for i in range(ITERATIONS)], rel=1e-3)
    lr_config = {"policy": "fixed"}
    both = as_mmengine({"lr_config": lr_config, "momentum_config": momentum_config}, length=EPOCHS)
    assert both == {"param_scheduler": schedulers}


def test_one_cycle() -> None:
    """mmcv's hook was modelled on torch's own scheduler."""
    lr_config = {"policy": "OneCycle", "max_lr": 0.5, "pct_start": 0.25, "div_factor": 10}
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0, momentum=0.9)
    torchs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, ITERATIONS, pct_start=0.25, div_factor=10, cycle_momentum=False
    )
    expected = []
    for _ in range(ITERATIONS):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        torchs.step()
    for total in ({}, {"total_steps": ITERATIONS}):
        schedulers = as_mmengine({"lr_config": {**lr_config, **total}}, length=EPOCHS)["param_scheduler"]
        assert lrs(schedulers) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["linear", "constant"])
def test_warm_up(kind: str) -> None:
    lr_config = {"policy": "step", "step": [8, 11], "warmup": kind, "warmup_iters": 6, "warmup_ratio": 0.1}
    found = lrs(as_mmengine({"lr_config": lr_config}, length=EPOCHS)["param_scheduler"])
    if kind == "constant":
        # mmengine restores the lr with the last step of the range, one step before MMCV.
        assert found[:7] == pytest.approx([0.1] * 5 + [1.0] * 2)
    else:
        assert found[0] == pytest.approx(0.1)
        assert found[:6] == sorted(found[:6])
        assert found[6] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "lr_config",
    [
        {"policy": "inv", "gamma": 0.1},
        {"policy": "cyclic", "target_ratio": (10, 1e-4), "cyclic_times": 3},
        {"policy": "OneCycle", "max_lr": {"backbone": 0.1}},
    ],
)
def test_a_policy_that_mmengine_has_nothing_for(lr_config: dict[str, Any]) -> None:
    assert as_mmengine({"lr_config": lr_config}, length=EPOCHS) == {}


def test_pasted_configs_build() -> None:
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
