"""Schedules that cancel the groups' lrs, each with its corrected version."""

from __future__ import annotations

from tests.rules.wild_configs import MMDET, Wild, convnext

SCHEDULES: dict[str, Wild] = {
    "eta_min above the lowest layers": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=2e-5)",
        f"{MMDET}param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-7)",
        "LRD601",
        r"backbone\.(downsample_layers|stages)\.[01]\..*",
    ),
    "eta_min wakes what lr_mult=0 was to hold": Wild(
        convnext("flat_decay_mult=0.0, custom_keys={'downsample_layers.0.0.weight': dict(lr_mult=0.0)}")
        + "param_scheduler[1] = dict(type='CosineAnnealingLR', T_max=12, eta_min=1e-8)",
        convnext("flat_decay_mult=0.0, custom_keys={'downsample_layers.0.0.weight': dict(lr_mult=0.0)}"),
        "LRD601",
        "backbone.downsample_layers.0.0.weight",
    ),
    "milestones of a longer schedule": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='MultiStepLR', milestones=[27, 33])",
        f"{MMDET}param_scheduler[1] = dict(type='MultiStepLR', milestones=[8, 11])",
        "LRD603",
        "param_scheduler[1].milestones",
        "",
        "error",
    ),
    "500 epochs of warm-up": Wild(
        f"{MMDET}del param_scheduler[0]['by_epoch']",
        MMDET,
        "LRD605",
        "param_scheduler[0].end",
        "",
        "error",
    ),
    "one lr for all layers": Wild(
        f"{MMDET}param_scheduler[1] = dict(type='OneCycleLR', eta_max=1e-3)",
        MMDET,
        "LRD607",
        ".*",
        "",
        "error",
    ),
}
