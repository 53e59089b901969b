"""Translate top-level settings of MMCV 1 (``optimizer``, ``lr_config``, ``runner``, …) to mmengine.

Source: mmcv 1.7, ``mmcv/runner/hooks/lr_updater.py``, ``momentum_updater.py`` and ``optimizer.py``; mmengine 0.10,
"Migrate from MMCV".

In MMCV 1, a policy with ``by_epoch=False`` changes the lr after each iteration. For a policy with ``by_epoch=False``,
numbers such as ``step`` and ``periods`` count iterations instead of epochs. A policy for the whole training, such as
``CosineAnnealing``, has no such numbers: it always ends at the end of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

OPTIMIZER_KEYS = ("optimizer", "optimizer_config", "fp16")
"""Settings of MMCV 1 that become ``optim_wrapper`` in mmengine."""
SCHEDULE_KEYS = ("lr_config", "momentum_config")
"""Settings of MMCV 1 that become ``param_scheduler`` in mmengine."""
KEYS = (*OPTIMIZER_KEYS, *SCHEDULE_KEYS, "runner")
"""All settings of MMCV 1 that lrdecay translates."""

_NEEDED = {
    "optimizer": ("type",),
    "lr_config": ("policy",),
    "momentum_config": ("policy",),
    "runner": ("max_epochs", "max_iters"),
    "fp16": ("loss_scale",),
}
_OF_WRAPPER = ("constructor", "paramwise_cfg")


def is_mmcv_style(key: str, value: Any) -> bool:
    """True if ``key`` and ``value`` are a top-level setting of MMCV 1, such as ``lr_config=dict(policy='step')``."""
    if not isinstance(value, Mapping):
        return False
    return key == "optimizer_config" or any(name in value for name in _NEEDED.get(key, ()))


def as_mmengine(
    given: Mapping[str, Any], *, length: float | None = None, in_epochs: bool | None = None
) -> dict[str, Any]:
    """Return ``optim_wrapper``, ``param_scheduler`` and ``train_cfg`` of mmengine for settings of MMCV 1.

    The result contains a key only if ``given`` has a setting for it.

    Args:
        given: settings of MMCV 1, by the names in ``KEYS``.
        length: number of epochs or iterations, used if there is no ``runner``.
        in_epochs: True if ``length`` counts epochs, False for iterations. None if unknown; then epochs are assumed.
    """
    found: dict[str, Any] = {}
    wrapper = _wrapper({key: given[key] for key in OPTIMIZER_KEYS if is_mmcv_style(key, given.get(key))})
    if wrapper:
        found["optim_wrapper"] = wrapper
    runner = given["runner"] if is_mmcv_style("runner", given.get("runner")) else {}
    key = "max_epochs" if "max_epochs" in runner else "max_iters"
    run = _Run(length, in_epochs is not False)
    if runner:
        run = _Run(runner[key] if isinstance(runner[key], (int, float)) else None, key == "max_epochs")
    wanted = [name for name in SCHEDULE_KEYS if is_mmcv_style(name, given.get(name))]
    schedulers = [_schedulers(given[name], run, "LR" if name == "lr_config" else "Momentum") for name in wanted]
    if wanted and None not in schedulers:
        found["param_scheduler"] = [each for several in schedulers for each in several or ()]
    if runner:
        found["train_cfg"] = {"by_epoch": run.in_epochs, key: runner[key]}
    return found


class _Run(NamedTuple):
    """Length of a training, in epochs or in iterations."""

    length: float | None
    in_epochs: bool

    def over_all(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options ``begin``, ``end`` and unit of a scheduler that lasts for the whole training."""
        counted = self.range(0, self.length)
        by_iteration = self.in_epochs and given.get("by_epoch", True) is False
        return {**counted, "convert_to_iter_based": True} if by_iteration else counted

    def range(self, begin: float, end: float | None) -> dict[str, Any]:
        """Return the options ``begin``, ``end`` and ``by_epoch`` of a scheduler, in the training's unit (epochs or
        iterations).
        """
        ended = {} if end is None else {"end": _whole(end)}
        return {"begin": _whole(begin), "by_epoch": self.in_epochs, **ended}


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


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


def _schedulers(given: Mapping[str, Any], run: _Run, what: str) -> list[dict[str, Any]] | None:
    """Return the schedulers of an ``lr_config`` or ``momentum_config``. A warm-up scheduler comes first.

    None if mmengine's schedulers cannot do what the policy does. The result is empty for a fixed lr without warm-up.
    """
    policy = _POLICIES.get(str(given["policy"]).lower())
    steps_by = 0.1 if what == "LR" else 0.5
    known = {**given, "min_lr": _least(given, ""), "ratio": _least(given, "_ratio"), "steps_by": steps_by}
    own = None if policy is None else policy(known, run)
    # mmengine has no OneCycleMomentum.
    if own is None or (what == "Momentum" and any(each["type"] == "OneCycle" for each in own)):
        return None
    warm_up = [_warm_up(given)] if given.get("warmup") else []
    return [{**each, "type": f"{each['type']}{what}"} for each in (*warm_up, *own)]


def _least(given: Mapping[str, Any], suffix: str) -> Any:
    return given.get(f"min_lr{suffix}", given.get(f"min_momentum{suffix}"))


def _lowest(given: Mapping[str, Any]) -> dict[str, Any]:
    ratio, least = given["ratio"], given["min_lr"]
    return {"eta_min_ratio": ratio} if ratio is not None else {} if least is None else {"eta_min": least}


def _at_steps(kind: str, settings: Mapping[str, Any], given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    """Return a scheduler that counts epochs, or iterations if ``given`` contains ``by_epoch=False``.

    The scheduler gets the option ``end`` only if the length of the training is given in the same unit.
    """
    by_epoch = given.get("by_epoch", True) is not False
    ended = {"end": run.length} if by_epoch is run.in_epochs and run.length is not None else {}
    return [{"type": kind, **settings, "begin": 0, "by_epoch": by_epoch, **ended}]


def _step(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    step, gamma = given.get("step", []), {"gamma": given.get("gamma", given["steps_by"])}
    if isinstance(step, int):
        return _at_steps("Step", {"step_size": step, **gamma}, given, run)
    return _at_steps("MultiStep", {"milestones": list(step), **gamma}, given, run)


def _exp(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    return _at_steps("Exponential", {"gamma": given["gamma"]} if "gamma" in given else {}, given, run)


def _poly(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    least = {} if given["min_lr"] is None else {"eta_min": given["min_lr"]}
    return [{"type": "Poly", "power": given.get("power", 1.0), **least, **run.over_all(given)}]


def _cosine(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    return [{"type": "CosineAnnealing", **_lowest(given), **run.over_all(given)}]


def _flat_cosine(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]] | None:
    if run.length is None:
        return None
    begin = run.length * given.get("start_percent", 0.75)
    by_epoch = given.get("by_epoch", True) is not False
    begin = round(begin) if by_epoch is run.in_epochs else begin
    return [{"type": "CosineAnnealing", **_lowest(given), **run.over_all(given), "begin": _whole(begin)}]


def _linear(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    if given["ratio"] is not None:
        return [{"type": "Linear", "start_factor": 1.0, "end_factor": given["ratio"], **run.over_all(given)}]
    return _poly({**given, "power": 1.0}, run)


def _restart(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]]:
    kept = {key: given[key] for key in ("periods", "restart_weights") if given.get(key) is not None}
    return _at_steps("CosineRestart", {**kept, **_lowest(given)}, given, run)


def _cyclic(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]] | None:
    """Return two cosine schedulers, which change the lr (or momentum) one after the other.

    The first ends at the base lr times ``target_ratio[0]``, the second at the base lr times ``target_ratio[1]``. The
    option ``by_epoch`` has no effect.
    """
    target, times = given.get("target_ratio", (10, 1e-4)), given.get("cyclic_times", 1)
    target = target if isinstance(target, (list, tuple)) else (target,)
    if run.length is None or times != 1 or given.get("anneal_strategy", "cos") != "cos" or not target:
        return None
    high, low = target if len(target) == 2 else (target[0], target[0] / 1e5)
    top = run.length * given.get("step_ratio_up", 0.4)
    converted = {"convert_to_iter_based": True} if run.in_epochs else {}
    return [
        {"type": "CosineAnnealing", "eta_min_ratio": high, **run.range(0, top), **converted},
        {"type": "CosineAnnealing", "eta_min_ratio": low, **run.range(top, run.length), **converted},
    ]


def _one_cycle(given: Mapping[str, Any], run: _Run) -> list[dict[str, Any]] | None:
    highest, total = given.get("max_lr"), given.get("total_steps")
    if not isinstance(highest, (int, float)):
        return None
    names = ("pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase")
    settings = {"eta_max": highest, **{name: given[name] for name in names if name in given}}
    if total is not None:
        return [{"type": "OneCycle", **settings, "total_steps": total, "begin": 0, "by_epoch": False, "end": total}]
    return [{"type": "OneCycle", **settings, **run.over_all({"by_epoch": False})}]


_POLICIES: Mapping[str, Callable[[Mapping[str, Any], _Run], list[dict[str, Any]] | None]] = {
    "fixed": lambda given, run: [],
    "step": _step,
    "exp": _exp,
    "poly": _poly,
    "cosineannealing": _cosine,
    "flatcosineannealing": _flat_cosine,
    "linearannealing": _linear,
    "cosinerestart": _restart,
    "cyclic": _cyclic,
    "onecycle": _one_cycle,
}
"""For each policy name in lower case: a function that returns mmengine's schedulers.

The scheduler types in the result have no suffix ``LR`` or ``Momentum``: ``CosineAnnealing``.
"""


def _warm_up(given: Mapping[str, Any]) -> dict[str, Any]:
    ratio, constant = given.get("warmup_ratio", 0.1), given["warmup"] == "constant"
    by_epoch = given.get("warmup_by_epoch") is True
    settings = {
        "type": "Constant" if constant else "Linear",
        "factor" if constant else "start_factor": ratio,
        "by_epoch": by_epoch,
        "begin": 0,
        "end": given.get("warmup_iters", 0),
    }
    return {**settings, "convert_to_iter_based": True} if by_epoch else settings
