"""Wrappers of distributed training: changes of the groups that they cause, and changes that they do not."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lrdecay_cli.domain.training import Launch
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.dry_run.trainings import ADAMW, BASE, KEYS, LAYERS, DryToy

FSDP = dict(type="MMFullyShardedDataParallel")
WHOLE = dict(FSDP, sharding_strategy="NO_SHARD")
FLAT = dict(FSDP, use_orig_params=False)
SCALED = dict(auto_scale_lr=dict(enable=True, base_batch_size=8))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class WrappedByBatch(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """Multiplies the weight decay by the number of GPUs, as mmyolo's constructor of YOLOv5 does."""

    def __call__(self, model: nn.Module) -> Any:
        from mmengine.dist import get_world_size

        self.optimizer_cfg["weight_decay"] = 0.01 * get_world_size()
        return super().__call__(model)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class InTurns(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """Builds two optimizers of the same parameters with different lrs, like mmagic's constructor for PGGAN."""

    def __call__(self, model: nn.Module) -> Any:
        slow = super().__call__(model)
        self.optimizer_cfg["lr"] *= 2
        return OptimWrapperDict(slow=slow, fast=super().__call__(model))


@MODELS.register_module(force=True)
class Synced(DryToy):
    """A model with a layer that DistributedDataParallel requires on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.SyncBatchNorm(2)


DDP = dict(find_unused_parameters=True)
UNSCOPED = dict(LAYERS, constructor="LearningRateDecayOptimizerConstructor")
BY_BATCH = dict(constructor="WrappedByBatch", optimizer=ADAMW)


@pytest.mark.parametrize(
    ("config", "gpus", "codes"),
    [
        (dict(model_wrapper_cfg=FLAT), None, {"LRD820"}),
        (dict(runner_type="FlexibleRunner", strategy=dict(type="FSDPStrategy", model_wrapper=FLAT)), None, {"LRD820"}),
        (dict(runner_type="FlexibleRunner", strategy=dict(type="FSDPStrategy"), optim_wrapper=LAYERS), 8, {"LRD821"}),
        (dict(runner_type="FlexibleRunner", strategy=dict(type="DeepSpeedStrategy")), 8, set()),
        (dict(model_wrapper_cfg=FSDP, optim_wrapper=LAYERS), None, {"LRD821"}),
        (dict(model_wrapper_cfg=FSDP), None, set()),
        (dict(model_wrapper_cfg=WHOLE, **SCALED), 8, set()),
        (dict(model_wrapper_cfg=FLAT, optim_wrapper=dict(optimizer=ADAMW), **SCALED), 8, set()),
        (dict(model_wrapper_cfg=WHOLE, optim_wrapper=BY_BATCH), None, set()),
        (dict(model_wrapper_cfg=WHOLE, optim_wrapper=BY_BATCH), 4, set()),
        (dict(model_wrapper_cfg=dict(type="MMDistributedDataParallel"), optim_wrapper=LAYERS), 4, set()),
        (dict(model_wrapper_cfg=dict(find_unused_parameters=True)), 4, set()),
        (dict(model_wrapper_cfg=DDP, model=dict(type="Synced")), 4, set()),
        (dict(model_wrapper_cfg=DDP, default_scope="mmdet", optim_wrapper=UNSCOPED), None, set()),
        (dict(model_wrapper_cfg=DDP, optim_wrapper=dict(constructor="InTurns", optimizer=ADAMW)), None, set()),
        (dict(model_wrapper_cfg=dict(type="NoSuchWrapper")), None, {"LRD822"}),
        (dict(model_wrapper_cfg=dict(FSDP, sharding_strategy="SOMEWHAT")), None, {"LRD822"}),
    ],
)
def test_findings_are_about_changes_by_the_wrapper(
    config: dict[str, Any], gpus: int | None, codes: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "config.py"
    Config({**BASE, "optim_wrapper": dict(optimizer=ADAMW, paramwise_cfg=KEYS), **config}).dump(path)
    group_map = audit(str(path), launch=Launch(gpus=gpus))
    found = {finding.code for finding in findings_of(group_map, RULES)}
    assert {code for code in found if code.startswith("LRD82") and code < "LRD823"} == codes


def test_parts_in_wrappers_of_their_own_have_other_names(tmp_path: Path) -> None:
    """MMSeparateDistributedDataParallel wraps each child, so keys that name modules inside no longer match."""
    path = tmp_path / "config.py"
    keys = {"backbone.stages": dict(lr_mult=0.1)}
    settings = dict(optimizer=ADAMW, paramwise_cfg=dict(custom_keys=keys))
    wrapper = dict(type="MMSeparateDistributedDataParallel")
    Config({**BASE, "optim_wrapper": settings, "model_wrapper_cfg": wrapper}).dump(path)
    (finding,) = (each for each in findings_of(audit(str(path)), RULES) if each.code == "LRD821")
    assert finding.message.startswith("MMSeparateDistributedDataParallel changes the lr of 8 tensors")
    assert all(name.startswith("backbone.stages.") for name in finding.parameters)


class FrozenByTrain(BaseModel):  # type: ignore[misc]
    """A model of two linear layers that freezes the first in train()."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Linear(2, 2), nn.Linear(2, 1)

    def train(self, mode: bool = True) -> nn.Module:
        self.backbone.requires_grad_(False)
        return super().train(mode)  # type: ignore[no-any-return]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(inputs)).sum()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ({}, "find_unused_parameters"),
        (dict(find_unused_parameters=True), None),
        (dict(model_wrapper_cfg=dict(broadcast_buffers=False)), "model_wrapper_cfg.find_unused_parameters"),
        (
            dict(model_wrapper_cfg=dict(broadcast_buffers=False), find_unused_parameters=True),
            "model_wrapper_cfg.find_unused_parameters",
        ),
        (dict(model_wrapper_cfg=DDP), None),
        (dict(model_wrapper_cfg=FSDP), None),
        (dict(runner_type="FlexibleRunner", **DDP), "strategy.model_wrapper.find_unused_parameters"),
        (dict(runner_type="FlexibleRunner", strategy=dict(type="DDPStrategy", model_wrapper=DDP)), None),
    ],
)
def test_parameters_frozen_by_train_fail_in_the_second_iteration_of_ddp(
    config: dict[str, Any], option: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MODELS.register_module(module=FrozenByTrain, force=True)
    path = tmp_path / "config.py"
    settings = {**BASE, "model": dict(type="FrozenByTrain"), "optim_wrapper": dict(optimizer=ADAMW), **config}
    Config(settings).dump(path)
    findings = findings_of(audit(str(path), launch=Launch(gpus=2)), RULES)
    assert [finding.fix for finding in findings if finding.code == "LRD819"] == (
        [f"set {option}=True"] if option else []
    )
    (intended,) = (finding.fix.partition("; ")[0] for finding in findings if finding.code == "LRD103")
    is_set = "" if config.get("model_wrapper_cfg") == FSDP else ", because the config sets "
    assert f"change nothing{f', but set {option}=True' if option else is_set}" in intended
    assert not option or "sets" not in intended
    if "runner_type" in config or config.get("model_wrapper_cfg") == FSDP:
        return
    # The wrapper that mmengine's Runner builds from the config, in a group of one real process, except for the GPU's
    # number.
    monkeypatch.setenv("LOCAL_RANK", "0")
    build = DistributedDataParallel.__init__
    monkeypatch.setattr(
        DistributedDataParallel, "__init__", lambda *args, device_ids=None, **options: build(*args, **options)
    )
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = Runner.wrap_model(
            SimpleNamespace(cfg=Config(settings), distributed=True), config.get("model_wrapper_cfg"), FrozenByTrain()
        )
        model.train()
        with pytest.raises(RuntimeError, match="prior iteration") if option else nullcontext():
            for _ in range(2):
                model(torch.ones(1, 2)).backward()
        # If the wrapper outlives the process group, its deletion waits for gloo's threads, which may wait for the GIL.
        del model
        gc.collect()
    finally:
        torch.distributed.destroy_process_group()
