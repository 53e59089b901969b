"""The settings and classes of mmengine's schedulers."""

from __future__ import annotations

from collections.abc import Mapping

COMMON = ("type", "_scope_", "param_name", "convert_to_iter_based", "begin", "end", "last_step", "by_epoch", "verbose")
"""Settings that every mmengine scheduler accepts, or that mmengine's registry reads."""

_NAMES = {
    "Constant": "factor",
    "CosineAnnealing": "T_max eta_min eta_min_ratio",
    "CosineRestart": "periods restart_weights eta_min eta_min_ratio",
    "Exponential": "gamma",
    "Linear": "start_factor end_factor",
    "MultiStep": "milestones gamma",
    "OneCycle": "eta_max total_steps pct_start anneal_strategy div_factor final_div_factor three_phase",
    "Poly": "eta_min power",
    "ReduceOnPlateau": "monitor rule factor patience threshold threshold_rule cooldown min_value eps",
    "Step": "step_size gamma",
}
SETTINGS = {family: tuple(names.split()) for family, names in _NAMES.items()}
"""Settings of each scheduler family, besides ``COMMON``. Source: mmengine 0.10, ``mmengine.optim.scheduler``."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "CosineRestart": ("periods",),
    "Exponential": ("gamma",),
    "MultiStep": ("milestones",),
    "Step": ("step_size",),
}
"""Settings that a config has to set because they have no default, by scheduler family."""

CLASSES = (
    *(f"{family}LR" for family in SETTINGS),
    *(f"{family}{what}" for family in SETTINGS for what in ("Momentum", "ParamScheduler")),
    "CosineAnnealingBetas",
    "CosineAnnealingWeightDecay",
    "QuadraticWarmupLR",
    "QuadraticWarmupMomentum",
    "QuadraticWarmupParamScheduler",
)
"""All scheduler classes that mmengine, mmdet and mmpretrain register."""
