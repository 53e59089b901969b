"""The group map of a training that is about to begin, read off its live optimizer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.openmmlab.audit import group_map_of
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_optimizer, constructor_of, optimizers_of
from lrdecay_cli.openmmlab.config_file import resolved_sha256

register_hook: Callable[[], Callable[[type], type]] = HOOKS.register_module


class LiveGroupsHook(Hook):  # type: ignore[misc]
    """Reads the group map once, when the optimizer is built and whatever is to be resumed has been."""

    # After the hooks that freeze something before training.
    priority = "VERY_LOW"

    def before_train(self, runner: Any) -> None:
        """Read the groups of ``runner.optim_wrapper`` and hand them on. mmengine calls it, on every rank."""
        self.judge(live_map(runner), Path(runner.work_dir), runner.logger if is_main_process() else None)

    def judge(self, group_map: GroupMap, work_dir: Path, logger: Any) -> None:
        """Do something with the map; ``logger`` is None on every rank but the first."""
        raise NotImplementedError


def live_map(runner: Any) -> GroupMap:
    """The map of the optimizer of an mmengine Runner, as its groups started: schedules undone, as ``inspect`` has it.

    It differs from the map of ``inspect`` in where it was made (device, stubs) and in what a training script adds
    to the config; and in the groups wherever a checkpoint was resumed, ``auto_scale_lr`` is on, or somebody changed
    them. Options that the constructor read are found by running it once more.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    config, optimizers = runner.cfg, optimizers_of(runner.optim_wrapper)
    if not config.get("optim_wrapper"):
        # The runner was put together without a config: the optimizer describes itself.
        optimizer = next(iter(optimizers.values()))
        described = {"type": type(runner.optim_wrapper), "optimizer": {"type": type(optimizer), **optimizer.defaults}}
        config = Config({**config, "optim_wrapper": described})
    path = config.filename or "(no config file)"
    with suppress(ValueError):
        path = str(Path(path).relative_to(Path.cwd()))
    reads = asked = None
    # Only a few rules depend on it, so that an error in here must not end a training.
    with suppress(Exception), quiet_stack(verbose=False):
        built = build_optimizer(config, model, "")
        reads, asked = built.reads, built.asked
    return group_map_of(
        config,
        ConfigSource(path, resolved_sha256(config), {}),
        model,
        BuiltOptimizer(optimizers, constructor_of(config.optim_wrapper), (), reads, asked, scheduled=True),
        str(next(model.parameters()).device),
        (),
    )
