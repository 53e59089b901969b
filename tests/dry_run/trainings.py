"""Trainings of toy models with mmengine's own Runner, data and gradients, recorded in every iteration."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapperDict
from mmengine.registry import DATASETS, HOOKS, MODELS
from mmengine.runner import Runner
from torch import nn

from lrdecay_cli.openmmlab.build_context import fresh_managers
from tests.openmmlab.pairs import PairConstructor

BATCH = 2
ITERATIONS = 5
"""Iterations in an epoch."""


@MODELS.register_module(force=True)
class DryBackbone(nn.Module):
    """A model named like ConvNeXt, for mmdet's constructor; only ``train()`` freezes the first ``frozen`` stages."""

    def __init__(self, frozen: int = 0) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        self.stages = nn.ModuleList(nn.ModuleList([nn.Linear(4, 4)]) for _ in range(4))
        self.norm = nn.LayerNorm(4)
        self.frozen = frozen

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for down, (block,) in zip(self.downsample_layers, self.stages, strict=True):
            x = x + block(down(x))
        return self.norm(x)

    def train(self, mode: bool = True) -> DryBackbone:
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.requires_grad_(False)
        return self


# Attributes that mmdet's constructor reads.
DryBackbone.__name__ = "ConvNeXt"


@MODELS.register_module(force=True)
class DryToy(BaseModel):
    """A backbone and a head."""

    def __init__(self, frozen: int = 0) -> None:
        super().__init__()
        self.backbone = DryBackbone(frozen)
        self.head = nn.Linear(4, 1)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "loss") -> dict[str, torch.Tensor]:
        return {"loss": self.head(self.backbone(torch.stack(list(inputs)))).square().mean()}


@MODELS.register_module(force=True)
class DryPair(BaseModel):
    """A generator and a discriminator, each with its own optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotImplementedError

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        for name in ("generator", "discriminator"):
            loss = self.discriminator(self.generator(torch.stack(list(data["inputs"])))).square().mean()
            optim_wrapper[name].update_params(loss)
        return {"loss": torch.zeros(())}


@DATASETS.register_module(force=True)
class DryNoise(torch.utils.data.Dataset[Any]):
    """A dataset of numbers, with the samples of one tiny epoch."""

    def __len__(self) -> int:
        return BATCH * ITERATIONS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        return {"inputs": torch.randn(4, generator=generator)}


@HOOKS.register_module(force=True)
class DryLrHook(Hook):
    """Sets the lr itself in every iteration, for each group by its position."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        for index, group in enumerate(runner.optim_wrapper.param_groups):
            group["lr"] = 0.01 / (1 + index + runner.iter)


@HOOKS.register_module(force=True)
class DryInPlaceOfSchedulers(ParamSchedulerHook):
    """Replaces ParamSchedulerHook, as mmyolo's YOLOv5ParamSchedulerHook does."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        for group in runner.optim_wrapper.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * (1 - runner.epoch / runner.max_epochs)

    def after_train_iter(self, *_args: Any, **_kwargs: Any) -> None:
        """Do not step the schedulers."""

    def after_train_epoch(self, runner: Runner) -> None:
        """Do not step the schedulers."""


@HOOKS.register_module(force=True)
class DryRampHook(ParamSchedulerHook):
    """Raises weights from 0 and lowers biases to their lr for some iterations, then sets the lr once an epoch.

    This is the code of mmyolo 0.6.0 for YOLOv5: ``engine/hooks/yolov5_param_scheduler_hook.py``.
    """

    priority = 9

    def __init__(self, iterations: int, bias_lr: float) -> None:
        self.iterations, self.bias_lr = iterations, bias_lr

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        for group in runner.optim_wrapper.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            if runner.iter <= self.iterations:
                begin = self.bias_lr if group["params"][0].ndim == 1 else 0.0
                target = group["initial_lr"] * self._share(runner)
                group["lr"] = begin + (target - begin) * runner.iter / self.iterations

    def after_train_iter(self, *_args: Any, **_kwargs: Any) -> None:
        """Do not step the schedulers."""

    def after_train_epoch(self, runner: Runner) -> None:
        for group in runner.optim_wrapper.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self._share(runner)

    @staticmethod
    def _share(runner: Runner) -> float:
        return 1 - 0.99 * runner.epoch / runner.max_epochs


@HOOKS.register_module(force=True)
class DryFreezeFirst(Hook):
    """Freezes the backbone before the training, when its parameters are already in the optimizer."""

    def before_train(self, runner: Runner) -> None:
        runner.model.backbone.requires_grad_(False)


@HOOKS.register_module(force=True)
class DryValidationHook(Hook):
    """Halves every lr after a validation."""

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        for group in runner.optim_wrapper.param_groups:
            group["lr"] /= 2


@HOOKS.register_module(force=True)
class DryFreezeHook(Hook):
    """Freezes or unfreezes the backbone before an iteration of the run."""

    def __init__(self, at: int, trainable: bool = False) -> None:
        self.at, self.trainable = at, trainable

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == self.at:
            for parameter in runner.model.backbone.parameters():
                parameter.requires_grad = self.trainable


@HOOKS.register_module(force=True)
class DryDecayHook(Hook):
    """Removes the weight decay from the second epoch on."""

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 1:
            for group in runner.optim_wrapper.param_groups:
                group["weight_decay"] = 0.0


@HOOKS.register_module(force=True)
class DryDataHook(Hook):
    """Sets the lr from the content of the batch."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        for group in runner.optim_wrapper.param_groups:
            group["lr"] = 1e-3 * len(data_batch["inputs"])


@dataclass
class Seen(Hook):  # type: ignore[misc]
    """Records, before each iteration and after every other hook, the lrs that the optimizer will use."""

    priority = "LOWEST"
    lrs: dict[int, list[float]] = field(default_factory=dict)
    weight_decays: dict[int, list[float]] = field(default_factory=dict)
    trainable: dict[int, set[str]] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def before_train(self, runner: Runner) -> None:
        format_log = runner.log_processor.get_log_after_iter

        def noted(*arguments: Any) -> Any:
            tag, text = format_log(*arguments)
            self.log.append(text)
            return tag, text

        runner.log_processor.get_log_after_iter = noted

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        wrapper = runner.optim_wrapper
        several = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else (wrapper,)
        groups = [group for each in several for group in each.optimizer.param_groups]
        self.lrs[runner.iter] = [float(group["lr"]) for group in groups]
        self.weight_decays[runner.iter] = [float(group["weight_decay"]) for group in groups]
        self.trainable[runner.iter] = {n for n, p in runner.model.named_parameters() if p.requires_grad}


@fresh_managers()
def train(
    config: Config, folder: Path, *, resume: str | None = None, launcher: str = "none", log_level: str = "ERROR"
) -> Seen:
    """Train as ``tools/train.py`` does, and return the recorded values."""
    config = Config(config._cfg_dict.to_dict())
    config.update(work_dir=str(folder), log_level=log_level, launcher=launcher, experiment_name=str(folder))
    config.update(load_from=resume, resume=resume is not None)
    logging.getLogger("mmengine").setLevel(logging.ERROR)
    runner = Runner.from_cfg(config)
    seen = Seen()
    runner.register_hook(seen)
    model = runner.model.module if hasattr(runner.model, "module") else runner.model
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    runner.train()
    seen.moved = {name for name, start in before.items() if not torch.equal(model.get_parameter(name).detach(), start)}
    return seen


ADAMW = dict(type="AdamW", lr=0.01, weight_decay=0.05)
KEYS = dict(norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1)))
WARM_UP = dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=3)
STEPS = dict(type="MultiStepLR", milestones=[2], gamma=0.1, by_epoch=True, begin=0, end=4)
COSINE = dict(type="CosineAnnealingLR", T_max=4, eta_min_ratio=0.05, begin=0, end=4, by_epoch=True)
CONVERTED = dict(COSINE, convert_to_iter_based=True)
BASE = dict(
    custom_imports=dict(imports=["tests.dry_run.trainings", "mmdet.engine.optimizers"]),
    default_scope="mmengine",
    model=dict(type="DryToy"),
    optim_wrapper=dict(optimizer=ADAMW, paramwise_cfg=KEYS),
    param_scheduler=[WARM_UP, STEPS],
    train_dataloader=dict(
        batch_size=BATCH,
        num_workers=0,
        dataset=dict(type="DryNoise"),
        sampler=dict(type="DefaultSampler", shuffle=False),
    ),
    train_cfg=dict(by_epoch=True, max_epochs=4),
    default_hooks=dict(checkpoint=None, logger=dict(type="LoggerHook", interval=1000)),
)
LAYERS = dict(
    constructor="mmdet.LearningRateDecayOptimizerConstructor",
    optimizer=ADAMW,
    paramwise_cfg=dict(decay_rate=0.7, decay_type="layer_wise", num_layers=6),
)
FULLY_SHARDED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (dict(type="MMFullyShardedDataParallel", use_orig_params=False), dict(optimizer=ADAMW, paramwise_cfg=KEYS)),
    (dict(type="MMFullyShardedDataParallel"), dict(optimizer=ADAMW, paramwise_cfg=KEYS)),
    (dict(type="MMFullyShardedDataParallel"), LAYERS),
    (dict(type="MMFullyShardedDataParallel", sharding_strategy="NO_SHARD"), LAYERS),
]
"""Model wrappers, each with the settings of an optimizer wrapper."""
TRAININGS: dict[str, dict[str, Any]] = {
    "warm-up and steps": {},
    "no schedulers": dict(param_scheduler=None),
    "layer decay and a cosine by iteration": dict(optim_wrapper=LAYERS, param_scheduler=[WARM_UP, CONVERTED]),
    "a cosine by epoch": dict(param_scheduler=COSINE),
    "momentum goes along": dict(
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4)),
        param_scheduler=[
            dict(CONVERTED),
            dict(type="CosineAnnealingMomentum", T_max=4, eta_min=0.8, end=4, by_epoch=True),
        ],
    ),
    "one cycle": dict(
        param_scheduler=dict(type="OneCycleLR", eta_max=0.02, total_steps=4 * ITERATIONS, by_epoch=False)
    ),
    "an iteration-based loop": dict(
        train_cfg=dict(by_epoch=False, max_iters=17, val_interval=1000),
        train_dataloader=dict(BASE["train_dataloader"], sampler=dict(type="InfiniteSampler", shuffle=False)),
        param_scheduler=[WARM_UP, dict(type="PolyLR", power=0.9, eta_min=1e-5, begin=3, end=17, by_epoch=False)],
    ),
    "auto_scale_lr": dict(auto_scale_lr=dict(enable=True, base_batch_size=8)),
    "auto_scale_lr that is off": dict(auto_scale_lr=dict(enable=False, base_batch_size=8)),
    "a hook sets the lr": dict(custom_hooks=[dict(type="DryLrHook", priority="VERY_LOW")]),
    "a hook sets the lr after it is logged": dict(
        custom_hooks=[dict(type="DryLrHook", priority="VERY_LOW")],
        default_hooks=dict(BASE["default_hooks"], logger=dict(type="LoggerHook", interval=3, ignore_last=False)),
        log_processor=dict(type="LogProcessor", num_digits=7),
    ),
    "it logs in the middle of a warm-up": dict(
        default_hooks=dict(BASE["default_hooks"], logger=dict(type="LoggerHook", interval=2)),
    ),
    "a hook takes the schedulers' place": dict(
        param_scheduler=None,
        default_hooks=dict(BASE["default_hooks"], param_scheduler=dict(type="DryInPlaceOfSchedulers")),
    ),
    "a hook ramps weights and biases": dict(
        param_scheduler=None,
        default_hooks=dict(BASE["default_hooks"], param_scheduler=dict(type="DryRampHook", iterations=7, bias_lr=0.1)),
    ),
    "a hook freezes before the training": dict(custom_hooks=[dict(type="DryFreezeFirst")]),
    "nobody steps the schedulers": dict(default_hooks=dict(BASE["default_hooks"], param_scheduler=None)),
    "train() freezes": dict(model=dict(type="DryToy", frozen=2)),
    "a hook freezes in the middle": dict(custom_hooks=[dict(type="DryFreezeHook", at=7)]),
    "a hook freezes and another unfreezes": dict(
        custom_hooks=[dict(type="DryFreezeHook", at=0), dict(type="DryFreezeHook", at=6, trainable=True)]
    ),
    "a hook takes weight decay away": dict(custom_hooks=[dict(type="DryDecayHook")]),
    "accumulation": dict(optim_wrapper=dict(optimizer=ADAMW, paramwise_cfg=KEYS, accumulative_counts=2)),
    "EMA": dict(custom_hooks=[dict(type="EMAHook", ema_type="ExponentialMovingAverage")]),
    "an lr of 0": dict(
        optim_wrapper=dict(optimizer=ADAMW, paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.0))))
    ),
    "two optimizers": dict(
        model=dict(type="DryPair"),
        optim_wrapper=dict(
            constructor=PairConstructor.__name__,
            generator=dict(optimizer=dict(type="Adam", lr=0.01)),
            discriminator=dict(optimizer=dict(type="Adam", lr=0.04)),
        ),
        param_scheduler=dict(generator=[STEPS], discriminator=[CONVERTED]),
    ),
}
"""Settings of each training in addition to ``BASE``."""


def config_of(name: str) -> Config:
    """Return the config of a training."""
    return Config({**BASE, **TRAININGS[name]})
