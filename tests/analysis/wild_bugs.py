"""Small versions of real users' mistakes: each is a config with a question, and a golden file with the report.

``pytest --update-golden`` writes the golden files; review them before you commit them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import MODELS as ENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmpretrain.models import ConvNeXt
from mmpretrain.registry import MODELS
from torch import nn

# Configs that use lrdecay's own constructor import this module.
import lrdecay_cli.training  # noqa: F401
from lrdecay_cli.analysis.explaining.report import explanation
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.plain_text import render
from lrdecay_cli.openmmlab.audit import audit

GOLDEN = Path(__file__).with_name("explained_wild_bugs.txt")
MMDET = "mmdet.LearningRateDecayOptimizerConstructor"
MMPRETRAIN = "LearningRateDecayOptimWrapperConstructor"
NORMS_AND_BACKBONE = {"backbone": {"lr_mult": 0.1}, "norm": {"decay_mult": 0.0}}


@MODELS.register_module(force=True)
class PositionedConvNeXt(ConvNeXt):
    """A backbone with its own position embedding and register token."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pos_embed = nn.Parameter(torch.empty(1, 4, 8))
        self.register_token = nn.Parameter(torch.empty(1, 1, 8))


@ENGINE_MODELS.register_module(force=True)
class Wrapped(nn.Module):
    """A model in ``.module``, as DistributedDataParallel wraps it, and a parameter beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        self.outside = nn.Parameter(torch.empty(2))


@ENGINE_MODELS.register_module(force=True)
class Shared(nn.Module):
    """Two heads that share one weight, on a frozen stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(2, 2).requires_grad_(False)
        self.head = nn.Linear(2, 2)
        self.second_head = nn.Linear(2, 2)
        self.second_head.weight = self.head.weight


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class HomeMadeConstructor(DefaultOptimWrapperConstructor):
    """A constructor that reads its own option and ignores norms."""

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: Any) -> None:
        mult = self.paramwise_cfg.get("slow", {}).get("mult", 1.0)
        others = [parameter for name, parameter in module.named_parameters() if "norm" not in name]
        params.append({"params": others, "lr": self.base_lr * mult})


class Bug(NamedTuple):
    """A config and the arguments of ``explain`` for it."""

    patterns: tuple[str, ...]
    paramwise_cfg: Mapping[str, Any]
    constructor: str = "DefaultOptimWrapperConstructor"
    backbone: str = "ConvNeXt"
    depths: tuple[int, ...] = (1, 1, 1, 1)
    model: str = "ImageClassifier"
    weight_decay: float | None = 0.05
    unlike: str | None = None
    group: str | None = None


BUGS: dict[str, Bug] = {
    "one key shadows another": Bug(("backbone.norm3", "head"), {"custom_keys": NORMS_AND_BACKBONE}),
    "a key switches an option off": Bug(
        ("backbone.stages.0",), {"custom_keys": {"backbone": {"lr_mult": 0.1}}, "norm_decay_mult": 0.0}
    ),
    "a key matches nothing": Bug(("backbone.downsample_layers.0.0",), {"custom_keys": {".backbone": {"lr_mult": 0.1}}}),
    "an option is misspelt": Bug(("backbone.norm3.weight",), {"custom_keys": {"norm": {"decay_multi": 0.0}}}),
    "an option has no effect": Bug(("backbone.norm3.weight",), {"flat_decay_mult": 0.0}, weight_decay=None),
    "fall-through to the head's rate": Bug(("backbone.norm0",), {"num_layers": 6, "decay_rate": 0.7}, MMDET),
    "an exemption that cannot match": Bug(
        ("backbone.pos_embed", "backbone.register_token"),
        {"num_layers": 6, "decay_rate": 0.7},
        MMDET,
        backbone="PositionedConvNeXt",
    ),
    "options that the decay constructor never reads": Bug(
        ("backbone.norm3.weight", "head"),
        {
            "num_layers": 6,
            "decay_rate": 0.7,
            "custom_keys": NORMS_AND_BACKBONE,
            "norm_decay_mult": 0.0,
            "bypass_duplicate": True,
        },
        MMDET,
    ),
    "overflow": Bug(
        ("backbone.stages.2.26.*.weight",), {"num_layers": 6, "decay_rate": 0.7}, MMDET, depths=(1, 1, 27, 1)
    ),
    "a gap": Bug(
        ("backbone.stages.2.8.norm.weight", "backbone.stages.3.0.norm.weight"),
        {"num_layers": 12, "decay_rate": 0.7},
        MMDET,
        depths=(1, 1, 9, 1),
    ),
    "stage_wise with a layer count": Bug(
        ("backbone.stages.3.0.norm.weight", "backbone.downsample_layers.3.0.weight"),
        {"num_layers": 12, "decay_rate": 0.9, "decay_type": "stage_wise"},
        MMDET,
    ),
    "an lr_mult that mmpretrain does not use": Bug(
        ("head", "backbone.norm3.bias"),
        {"layer_decay_rate": 0.7, "flat_decay_mult": 0.0, "custom_keys": {"head": {"lr_mult": 10.0}}},
        MMPRETRAIN,
    ),
    "frozen and shared parameters": Bug(
        ("stem", "second_head"), {"bypass_duplicate": True, "bias_lr_mult": 2.0}, model="Shared"
    ),
    "a wrapper hides the names": Bug(
        ("module", "outside"), {"custom_keys": {"module": {"lr_mult": 0.1}}}, model="Wrapped"
    ),
    "a constructor that lrdecay does not know": Bug(
        ("backbone.norm3", "head.fc.bias"),
        {"slow": {"mult": 0.5}, "norm_decay_mult": 0.0},
        "mmengine.HomeMadeConstructor",
    ),
    "lrdecay's own constructor": Bug(
        ("backbone.norm3", "head.fc.weight"),
        {"decay_rate": 0.7, "custom_keys": {"norm": {"lr_mult": 0.5}, "norm3.w": {"decay_mult": 0.3}}},
        "mmengine.LayerDecayOptimWrapperConstructor",
    ),
    "why the last norm is not with the last stage": Bug(
        (),
        {"num_layers": 6, "decay_rate": 0.7},
        MMDET,
        unlike="backbone.norm3",
        group="layer_6_no_decay",
    ),
    "why the norms are not without weight decay": Bug(
        (),
        {"custom_keys": {"backbone.stages": {"lr_mult": 0.1}, "norm": {"decay_mult": 0.0}}},
        unlike="backbone.stages.3.*.norm",
        group="group_58",
    ),
}


def config_of(bug: Bug) -> Config:
    """Return the bug as a complete config."""
    model: dict[str, Any] = {"type": bug.model}
    if bug.model == "ImageClassifier":
        arch = {"depths": [*bug.depths], "channels": [8, 8, 8, 8]}
        model["backbone"] = {"type": bug.backbone, "arch": arch, "out_indices": [0, 1, 2, 3]}
        model["head"] = {"type": "LinearClsHead", "num_classes": 2, "in_channels": 8}
    optimizer = {"type": "AdamW", "lr": 1e-4}
    if bug.weight_decay is not None:
        optimizer["weight_decay"] = bug.weight_decay
    wrapper = {"optimizer": optimizer, "constructor": bug.constructor, "paramwise_cfg": dict(bug.paramwise_cfg)}
    scope = "mmpretrain" if bug.model == "ImageClassifier" else "mmengine"
    return Config({"default_scope": scope, "model": model, "optim_wrapper": wrapper})


@cache
def group_map_of(title: str) -> GroupMap:
    """Return the real group map of a bug; its config is named after the bug."""
    with tempfile.TemporaryDirectory() as folder, _inside(folder):
        name = f"{title.replace(' ', '-')}.py".replace("'", "")
        config_of(BUGS[title]).dump(name)
        return audit(name, device="meta")


@contextmanager
def _inside(folder: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def answer(title: str) -> str:
    """Return the report of ``explain`` about a bug as text."""
    bug = BUGS[title]
    report = explanation(group_map_of(title), bug.patterns, unlike=bug.unlike, group=bug.group).report
    return render(report, Canvas())


def answers() -> str:
    """Return the whole golden file."""
    return "\n".join(f"{'=' * 8} {title} {'=' * 8}\n{answer(title)}" for title in BUGS)
