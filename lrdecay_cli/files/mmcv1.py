"""What MMCV 1 took at the top of a config (``optimizer``, ``lr_config``, ``runner``, …) in the words of mmengine.

Source: mmcv 1.7, ``mmcv/runner/hooks/lr_updater.py`` and ``optimizer.py``; mmengine 0.10, "Migrate from MMCV".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPTIMIZER_KEYS = ("optimizer", "optimizer_config", "fp16")
"""What becomes ``optim_wrapper``."""
KEYS = (*OPTIMIZER_KEYS, "lr_config", "runner")
"""What MMCV 1 read."""

_NEEDED = {
    "optimizer": ("type",),
    "lr_config": ("policy",),
    "runner": ("max_epochs", "max_iters"),
    "fp16": ("loss_scale",),
}
_OF_WRAPPER = ("constructor", "paramwise_cfg")


def is_mmcv_style(key: str, value: Any) -> bool:
    """Whether a top-level name of a config is one that MMCV 1 read, by what it holds."""
    if not isinstance(value, Mapping):
        return False
    return key == "optimizer_config" or any(name in value for name in _NEEDED.get(key, ()))


def mmcv_style_keys(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Top-level names of a config that MMCV 1 read and that say something: ``grad_clip=None`` alone does not."""
    present = {key: config.get(key) for key in KEYS}
    return tuple(
        key
        for key, value in present.items()
        if is_mmcv_style(key, value) and (key == "lr_config" or as_mmengine({key: value}))
    )


def as_mmengine(given: Mapping[str, Any], *, length: float | None = None) -> dict[str, Any]:
    """``optim_wrapper``, ``param_scheduler`` and ``train_cfg`` for what MMCV 1 read; without what is not given.

    Args:
        given: those of ``KEYS`` that there are.
        length: epochs or iterations of the training, where no ``runner`` says so.
    """
    found: dict[str, Any] = {}
    wrapper = _wrapper({key: given[key] for key in OPTIMIZER_KEYS if is_mmcv_style(key, given.get(key))})
    if wrapper:
        found["optim_wrapper"] = wrapper
    runner = given["runner"] if is_mmcv_style("runner", given.get("runner")) else {}
    if is_mmcv_style("lr_config", given.get("lr_config")):
        schedulers = _schedulers(given["lr_config"], runner.get("max_epochs", runner.get("max_iters", length)))
        if schedulers is not None:
            found["param_scheduler"] = schedulers
    if runner:
        key = "max_epochs" if "max_epochs" in runner else "max_iters"
        found["train_cfg"] = {"by_epoch": key == "max_epochs", key: runner[key]}
    return found


def _wrapper(given: Mapping[str, Any]) -> dict[str, Any]:
    wrapper: dict[str, Any] = {}
    hook: Mapping[str, Any] = given.get("optimizer_config", {})
    kind = str(hook.get("type", ""))
    scale = given["fp16"]["loss_scale"] if "fp16" in given else hook.get("loss_scale") if "Fp16" in kind else None
    if scale is not None or "Fp16" in kind:
        wrapper["type"] = "AmpOptimWrapper"
        if scale is not None:
            wrapper["loss_scale"] = scale
    optimizer: Mapping[str, Any] = given.get("optimizer", {})
    if optimizer:
        wrapper["optimizer"] = {key: value for key, value in optimizer.items() if key not in _OF_WRAPPER}
        wrapper.update({key: optimizer[key] for key in _OF_WRAPPER if optimizer.get(key)})
    if isinstance(hook.get("grad_clip"), Mapping):
        wrapper["clip_grad"] = dict(hook["grad_clip"])
    if hook.get("cumulative_iters", 1) != 1:
        wrapper["accumulative_counts"] = hook["cumulative_iters"]
    return wrapper


def _schedulers(given: Mapping[str, Any], length: float | None) -> list[dict[str, Any]] | None:
    """The warm-up and what comes after it; None for a policy that mmengine has nothing for."""
    policy = _SCHEDULERS.get(str(given["policy"]).lower())
    if policy is None:
        return None
    own = _settings(policy, given)
    schedulers: list[dict[str, Any]] = []
    if given.get("warmup"):
        schedulers.append(_warm_up(given))
    if own is not None:
        kind = "StepLR" if "step_size" in own else policy
        end = {"end": length} if isinstance(length, (int, float)) else {}
        by_epoch = given.get("by_epoch", True) is not False
        schedulers.append({"type": kind, **own, "begin": 0, "by_epoch": by_epoch, **end})
    return schedulers


_SCHEDULERS = {
    "fixed": "",
    "step": "MultiStepLR",
    "exp": "ExponentialLR",
    "poly": "PolyLR",
    "cosineannealing": "CosineAnnealingLR",
    "cosinerestart": "CosineRestartLR",
}
"""By policy, in lower case."""


def _settings(kind: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The scheduler's own settings, with MMCV's defaults where mmengine has others; None for a fixed lr."""
    if not kind:
        return None
    if kind == "MultiStepLR":
        step = given.get("step", [])
        steps = {"step_size": step} if isinstance(step, int) else {"milestones": list(step)}
        return {**steps, "gamma": given.get("gamma", 0.1)}
    renamed = {"min_lr": "eta_min", "min_lr_ratio": "eta_min_ratio"}
    kept = ("gamma", "power", "min_lr", "min_lr_ratio", "periods", "restart_weights")
    return {renamed.get(key, key): given[key] for key in kept if given.get(key) is not None}


def _warm_up(given: Mapping[str, Any]) -> dict[str, Any]:
    ratio, constant = given.get("warmup_ratio", 0.1), given["warmup"] == "constant"
    by_epoch = given.get("warmup_by_epoch") is True
    settings = {
        "type": "ConstantLR" if constant else "LinearLR",
        "factor" if constant else "start_factor": ratio,
        "by_epoch": by_epoch,
        "begin": 0,
        "end": given.get("warmup_iters", 0),
    }
    return {**settings, "convert_to_iter_based": True} if by_epoch else settings
