"""A real training of a toy model by mmengine's own Runner, with the values of every iteration recorded."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from lrdecay_cli.openmmlab.build_context import fresh_managers


@MODELS.register_module(force=True)
class Toy(BaseModel):
    """A backbone of two layers and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Linear(2, 2))
        self.head = torch.nn.Linear(2, 1)

    def forward(self, inputs: list[torch.Tensor], mode: str = "tensor", **_: Any) -> dict[str, torch.Tensor]:
        return {"loss": self.head(self.backbone(torch.stack(inputs))).square().mean()}


class Samples(Dataset[dict[str, torch.Tensor]]):
    def __init__(self, size: int) -> None:
        self.metainfo: dict[str, Any] = {}
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": torch.ones(1)}


@DATASETS.register_module(force=True)
class Thirteen(BaseDataset):
    """Thirteen samples, for mmengine's wrappers, which accept only its own datasets."""

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"number": number} for number in range(13)]


class Watch(Hook):
    """Records every option of every group, and the logged values, before each iteration."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.groups: list[dict[str, list[dict[str, Any]]]] = []
        self.logged: list[dict[str, float]] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        wrapper = runner.optim_wrapper
        named = dict(wrapper.items()) if hasattr(wrapper, "items") else {"": wrapper}
        self.groups.append(
            {
                name: [
                    {key: value for key, value in group.items() if key != "params"}
                    for group in one.optimizer.param_groups
                ]
                for name, one in named.items()
            }
        )
        scalars = MessageHub.get_current_instance().log_scalars
        self.logged.append(
            {
                key[6:]: value.current()
                for key, value in scalars.items()
                if key.startswith("train/") and key.endswith("lr")
            }
        )


@fresh_managers()
def train(config: Config, samples: int, folder: Path) -> Watch:
    """Train on ``samples`` samples, and return the recorded values."""
    config = copy.deepcopy(config)
    watch = Watch()
    loader = {
        **config.get("train_dataloader", {"batch_size": 2}),
        "dataset": Samples(samples),
        # Any other sampler sleeps for seconds before it starts again in an iteration-based loop.
        "sampler": dict(type="DefaultSampler" if config.train_cfg.by_epoch else "InfiniteSampler", shuffle=False),
        "num_workers": 0,
    }
    runner = Runner(
        model=config.model,
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=config.train_cfg,
        optim_wrapper=config.optim_wrapper,
        param_scheduler=config.get("param_scheduler"),
        custom_hooks=[watch],
        default_hooks=dict(checkpoint=None, logger=dict(type="LoggerHook", interval=10_000)),
        experiment_name=f"toy-{folder.name}",
        log_level="ERROR",
        default_scope="mmengine",
    )
    runner.train()
    return watch


@MODELS.register_module(force=True)
class TwoHeadedToy(Toy):
    """A model that two optimizers train in turn, like a GAN."""

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        for wrapper in optim_wrapper.values():
            wrapper.update_params(self(**data)["loss"])
        return {}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class OneForEach:
    """An optimizer for the backbone and one for the head, each with its own config."""

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: Any = None) -> None:
        self._configs = optim_wrapper_cfg

    def __call__(self, model: torch.nn.Module) -> OptimWrapperDict:
        return OptimWrapperDict(
            **{
                name: build_optim_wrapper(getattr(model, name), copy.deepcopy(config))
                for name, config in self._configs.items()
            }
        )


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class BetasOfItsOwn(DefaultOptimWrapperConstructor):
    """Gives each group another first beta."""

    def __call__(self, model: torch.nn.Module) -> OptimWrapper:
        wrapper = super().__call__(model)
        for number, group in enumerate(wrapper.param_groups):
            group["betas"] = (0.9 - 0.1 * number, 0.999)
        return wrapper
