"""Short real trainings of toy models with mmengine's Runner on CPU, and their checkpoints."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, MODELS, OPTIM_WRAPPERS
from mmengine.runner import Runner
from mmpretrain.models import ConvNeXt, VisionTransformer
from torch import nn

from tests.openmmlab.pairs import PairConstructor
from tests.unformatted import formatting

BATCH = 2
ITERATIONS = 3


@MODELS.register_module(force=True)
class LrdecayToy(BaseModel):
    """A backbone with a batch norm, a frozen layer and a buffer, and a head."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width), nn.Conv2d(width, width, 1))
        self.backbone[2].requires_grad_(False)
        self.head = nn.Linear(width, 2)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> dict[str, torch.Tensor]:
        pooled = self.backbone(inputs if isinstance(inputs, torch.Tensor) else torch.stack(inputs)).mean((2, 3))
        return {"loss": (self.head(pooled) * self.scale).square().mean()}


@MODELS.register_module(force=True)
class LrdecayToyClassifier(BaseModel):
    """A real backbone of mmpretrain, as small as possible, and a head."""

    def __init__(self, kind: str = "convnext") -> None:
        super().__init__()
        if kind == "convnext":
            arch = {"depths": [1, 1, 6, 1], "channels": [4, 4, 4, 4]}
            self.backbone = ConvNeXt(arch, drop_path_rate=0.0, gap_before_final_norm=True)
        else:
            arch = {"embed_dims": 8, "num_layers": 2, "num_heads": 1, "feedforward_channels": 8}
            self.backbone = VisionTransformer(arch, img_size=32, patch_size=16, out_type="cls_token")
        self.head = nn.Linear(4 if kind == "convnext" else 8, 2)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> dict[str, torch.Tensor]:
        (features,) = self.backbone(inputs if isinstance(inputs, torch.Tensor) else torch.stack(inputs))
        return {"loss": self.head(features).square().mean()}

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        own, depth = self.backbone.get_layer_depth(name, prefix="backbone.")
        return own, depth


@MODELS.register_module(force=True)
class LrdecayToyPair(BaseModel):
    """A generator and a discriminator, each with its own optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> torch.Tensor:
        return self.discriminator(self.generator(torch.stack(inputs).mean((2, 3))))

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        for name in ("generator", "discriminator"):
            optim_wrapper[name].update_params(self(data["inputs"]).square().mean())
        return {"loss": torch.zeros(())}


@OPTIM_WRAPPERS.register_module(force=True)
class LrdecayScaledWrapper(OptimWrapper):
    """Saves the same state as AmpOptimWrapper, which needs a GPU."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "loss_scaler": torch.amp.GradScaler("cpu").state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "loss_scaler"})


@DATASETS.register_module(force=True)
class LrdecayNoise(torch.utils.data.Dataset[Any]):
    """Images of noise."""

    def __len__(self) -> int:
        return BATCH * ITERATIONS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": torch.full((3, 32, 32), float(index + 1))}


_ADAMW = {"type": "AdamW", "lr": 0.01, "weight_decay": 0.05}
_CUSTOM_KEYS = {"norm_decay_mult": 0.0, "custom_keys": {"backbone": {"lr_mult": 0.1}}}
RUNS: dict[str, dict[str, Any]] = {
    "custom_keys": {
        "model": {"type": "LrdecayToy"},
        "optim_wrapper": {"optimizer": _ADAMW, "paramwise_cfg": _CUSTOM_KEYS},
    },
    "one_group": {
        "model": {"type": "LrdecayToy"},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
    },
    "amp": {
        "model": {"type": "LrdecayToy"},
        "optim_wrapper": {"type": "LrdecayScaledWrapper", "optimizer": _ADAMW, "paramwise_cfg": _CUSTOM_KEYS},
    },
    "mmdet_decay": {
        "model": {"type": "LrdecayToyClassifier"},
        "optim_wrapper": {
            "constructor": "mmdet.LearningRateDecayOptimizerConstructor",
            "optimizer": _ADAMW,
            "paramwise_cfg": {"decay_rate": 0.7, "decay_type": "layer_wise", "num_layers": 5},
        },
    },
    "mmpretrain_decay": {
        "model": {"type": "LrdecayToyClassifier", "kind": "vit"},
        "optim_wrapper": {
            "constructor": "mmpretrain.LearningRateDecayOptimWrapperConstructor",
            "optimizer": _ADAMW,
            "paramwise_cfg": {"layer_decay_rate": 0.7},
        },
    },
    "two_optimizers": {
        "model": {"type": "LrdecayToyPair"},
        "optim_wrapper": {
            "constructor": PairConstructor.__name__,
            "generator": {"optimizer": {"type": "Adam", "lr": 0.01}},
            "discriminator": {"optimizer": {"type": "Adam", "lr": 0.04}},
        },
    },
}
_DUMPED = ("custom_imports", "default_scope", "model", "optim_wrapper", "train_dataloader", "auto_scale_lr")
RECORDED = ("mmdet_decay", "mmpretrain_decay")
"""Trainings whose constructor records the names of the parameters."""


@dataclass(frozen=True)
class Run:
    """A finished training."""

    config: Path
    checkpoint: Path
    runner: Runner


def train(name: str, folder: Path, gpus: int | None = None) -> Run:
    """Train one of ``RUNS`` for an epoch, in which its lr falls to a tenth, and save its config too.

    With ``gpus``, ``auto_scale_lr`` scales the lr for this number of GPUs.
    """
    config = config_of(name, folder)
    if gpus:
        config["auto_scale_lr"] = {"enable": True, "base_batch_size": 8}
    path = folder / "config.py"
    # Readers of the config in the checkpoint get it in the usual form.
    with formatting():
        Config({key: config[key] for key in _DUMPED if key in config}).dump(path)
        runner = runner_of(config)
        runner._world_size = gpus or 1
        runner.train()
    return Run(path, folder / "epoch_1.pth", runner)


def config_of(name: str, folder: Path) -> dict[str, Any]:
    """Return a complete config for mmengine's Runner."""
    schedule = {"type": "MultiStepLR", "milestones": [2], "gamma": 0.1, "by_epoch": False}
    several = name == "two_optimizers"
    return {
        "default_scope": "mmengine",
        "custom_imports": {"imports": ["tests.openmmlab.runs", "mmdet.engine.optimizers", "mmpretrain.engine"]},
        "model": RUNS[name]["model"],
        "optim_wrapper": RUNS[name]["optim_wrapper"],
        "param_scheduler": {"generator": [schedule], "discriminator": [schedule]} if several else [schedule],
        "train_dataloader": {
            "batch_size": BATCH,
            "dataset": {"type": "LrdecayNoise"},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 1},
        "work_dir": str(folder),
        "log_level": "ERROR",
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        "experiment_name": f"{folder.parent.name}_{folder.name}_{name}",
    }


def runner_of(config: dict[str, Any]) -> Runner:
    """Return the Runner of a config."""
    logging.getLogger("mmengine").setLevel(logging.ERROR)
    return Runner.from_cfg(Config(config))
