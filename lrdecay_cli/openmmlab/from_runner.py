"""The group map of a training that is about to begin, read off its live optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_optimizer, optimizers_of
from lrdecay_cli.openmmlab.config_file import resolved_sha256
from lrdecay_cli.openmmlab.constructor_class import constructor_of

register_hook: Callable[[], Callable[[type], type]] = HOOKS.register_module


class LiveGroupsHook(Hook):  # type: ignore[misc]
    """Reads the group map once, when the optimizer is built and whatever is to be resumed has been."""

    # After the hooks that freeze something before training.
    priority = "VERY_LOW"

    def before_train(self, runner: Any) -> None:
        """Read the groups of ``runner.optim_wrapper`` and hand them on. mmengine calls it, on every rank."""
        logger = runner.logger if is_main_process() else None
        if logger is not None and (factor := lr_factor(runner)) != 1:
            logger.info(
                f"Parameter groups: auto_scale_lr multiplies every lr by {factor:g}; shown as built, before that"
            )
        self.judge(live_map(runner), Path(runner.work_dir), logger)

    def judge(self, group_map: GroupMap, work_dir: Path, logger: Any) -> None:
        """Do something with the map; ``logger`` is None on every rank but the first."""
        raise NotImplementedError


def live_map(runner: Any) -> GroupMap:
    """The map of the optimizer of an mmengine Runner, as its groups started: schedules undone, as ``inspect`` has it.

    It differs from the map of ``inspect`` in where it was made (device, stubs) and in what a training script adds
    to the config; and in the groups wherever a checkpoint was resumed, or somebody changed them. What ``auto_scale_lr``
    did is undone. Options that the constructor read are found by running it once more.
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
    fresh: dict[str, Any] = {}
    # Only a few rules depend on it, so that an error in here must not end a training.
    with suppress(Exception), quiet_stack(verbose=False):
        built = build_optimizer(config, model, "")
        reads, asked, fresh = built.reads, built.asked, dict(built.optimizers)
    with _unscaled(optimizers, fresh, lr_factor(runner)):
        return group_map_of(
            config,
            ConfigSource(path, resolved_sha256(config), {}),
            model,
            BuiltOptimizer(optimizers, constructor_of(config.optim_wrapper), (), reads, asked, scheduled=True),
            str(next(model.parameters()).device),
            (),
        )


def lr_factor(runner: Any) -> float:
    """What ``auto_scale_lr`` has multiplied every lr of a Runner by; 1 where it is off.

    Source: mmengine 0.10.7, ``Runner.scale_lr``. A resumed optimizer has the lr of the run that saved it.
    """
    scaling = runner.auto_scale_lr or {}
    if not scaling.get("enable", False):
        return 1.0
    return float(runner.world_size * runner.train_dataloader.batch_size) / float(scaling["base_batch_size"])


@contextmanager
def _unscaled(optimizers: Mapping[str, Any], fresh: Mapping[str, Any], factor: float) -> Iterator[None]:
    """Give every group the lr in here that it was built with.

    Args:
        optimizers: by name; what they hold is put back.
        fresh: the same ones, built once more: their lrs are exact, where a division would round.
        factor: what every lr was multiplied by.
    """
    groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups] if factor != 1 else []
    exact = [group["lr"] for optimizer in fresh.values() for group in optimizer.param_groups]
    kept = [(group, key, group[key]) for group in groups for key in ("lr", "initial_lr") if key in group]
    try:
        for index, group in enumerate(groups):
            begun = group.get("initial_lr", group["lr"])
            built = exact[index] if len(exact) == len(groups) and exact[index] * factor == begun else begun / factor
            group.update(lr=built, **({"initial_lr": built} if "initial_lr" in group else {}))
        yield
    finally:
        for group, key, value in kept:
            group[key] = value
