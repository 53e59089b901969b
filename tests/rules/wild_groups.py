"""Groups with wrong tensors or rates, each with its corrected version."""

from __future__ import annotations

from lrdecay_cli.rules import Example
from tests.rules.layer_configs import Pair, default, plain_decay, vit

GROUPS: dict[str, Pair] = {
    # Trained parameters.
    "forgotten-head": Pair(plain_decay(drop="head"), plain_decay(), "LRD101", ["head.*"]),
    "forgotten-layer": Pair(plain_decay(drop="backbone.layers.1."), plain_decay(), "LRD101", ["backbone.layers.1.*"]),
    "two-optimizers": Pair(
        vit("TwoOptimizers", dict(both=True)),
        vit("TwoOptimizers", dict(both=False), frozen_stages=-1),
        "LRD102",
        ["backbone.patch_embed.*"],
    ),
    "frozen-in-a-group": Pair(
        default("None", frozen_stages=2),
        default("dict(norm_decay_mult=1.0)", frozen_stages=2),
        "LRD103",
        ["backbone.{downsample_layers,stages}.{0,1}.*"],
    ),
    "lr-mult-0": Pair(
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0, decay_mult=0)))"),
        default("dict(norm_decay_mult=0.)", frozen_stages=4),
        "LRD104",
        ["backbone.*"],
    ),
    "lr-mult-0-of-a-part": Pair(
        default("dict(custom_keys={'stages.0': dict(lr_mult=0.0)})"),
        default("dict(custom_keys={'stages.0': dict(lr_mult=0.01)})"),
        "LRD104",
        ["backbone.stages.0.*"],
    ),
    "copied-parameters": Pair(plain_decay(foreign=True), plain_decay(), "LRD106", []),
    # Scales and rates.
    "scale-only": Pair(
        plain_decay(scale_only=True),
        plain_decay(),
        "LRD305",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "lr-changed-afterwards": Pair(
        plain_decay(times=["head", 3]),
        plain_decay(),
        "LRD304",
        ["head.*", "backbone.{ln1,ln2}.*"],
    ),
    "negative": Pair(
        default("dict(custom_keys=dict(backbone=dict(lr_mult=-0.1)))"),
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))"),
        "LRD306",
        ["backbone.*"],
    ),
    "zero": Pair(
        Example("optim_wrapper = dict(optimizer=dict(lr=0.0))"),
        Example("optim_wrapper = dict(optimizer=dict(lr=1e-4))"),
        "LRD306",
        ["*"],
    ),
    "lost-in-rounding": Pair(
        plain_decay(decay_rate=0.01),
        plain_decay(decay_rate=0.5),
        "LRD307",
        ["backbone.{cls_token,pos_embed}", "backbone.patch_embed.*", "backbone.layers.0.*"],
    ),
    "rate-above-1": Pair(
        plain_decay(decay_rate=1.25),
        plain_decay(decay_rate=0.8),
        "LRD302",
        ["backbone.{cls_token,pos_embed}", "backbone.{patch_embed,layers}.*"],
    ),
    "groups-of-one": Pair(plain_decay(10, layers=10, split=True), plain_decay(10, layers=10), "LRD308", []),
    "logged-lr": Pair(
        default("dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))"),
        default("dict(custom_keys=dict(head=dict(lr_mult=0.1)))"),
        "LRD309",
        ["backbone.downsample_layers.0.0.weight"],
    ),
}
