"""Read the group map of a training from its live optimizer, when the training starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from lrdecay_cli.analysis.logged_curves import curve_names, logged_lrs
from lrdecay_cli.decay import batch_scaling
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.domain.training import Batch
from lrdecay_cli.openmmlab.audit import group_map_of
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_optimizer, optimizers_of
from lrdecay_cli.openmmlab.config_file import resolved_sha256
from lrdecay_cli.openmmlab.config_values import number
from lrdecay_cli.openmmlab.constructor_class import constructor_of

register_hook: Callable[[], Callable[[type], type]] = HOOKS.register_module


class LiveGroupsHook(Hook):  # type: ignore[misc]
    """Base class of hooks that read the group map before the first iteration.

    At this time, the optimizer is already built, and the checkpoint of a resumed run is already loaded.

    With ``log_lr``, the hook also logs lrs with mmengine's Visualizer, in the iterations in which LoggerHook logs.
    Groups with equal lrs may be logged as one value: see :func:`analysis.logged_curves.curve_names`.
    """

    # After hooks that freeze parameters before training or set the lr of an iteration.
    priority = "VERY_LOW"
    log_lr = False

    def before_train(self, runner: Any) -> None:
        """Read the groups of ``runner.optim_wrapper`` and pass them to :meth:`judge`.

        mmengine calls this method on every rank.
        """
        logger = runner.logger if is_main_process() else None
        group_map = live_map(runner)
        if logger is not None and group_map.batch:
            logger.info(f"Parameter groups: auto_scale_lr: {batch_scaling.describe_factor(group_map.batch)}")
        self.judge(group_map, Path(runner.work_dir), logger)
        self._name_curves(group_map)
        if self.log_lr and logger is not None and _logger_hook(runner) is None:
            logger.warning("Parameter groups: log_lr logs nothing without LoggerHook; set default_hooks.logger")

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Log the lrs of this iteration. mmengine calls this method on every rank, but only the first rank logs."""
        if not self.log_lr or not _is_logged(runner, batch_idx):
            return
        optimizers = optimizers_of(runner.optim_wrapper).values()
        lrs = [number(group.get("lr")) for optimizer in optimizers for group in optimizer.param_groups]
        if len(lrs) != len(self._names):
            # A hook has added groups. Name them on every rank, because a constructor may communicate; if that fails,
            # training continues.
            with suppress(Exception):
                self._name_curves(live_map(runner))
        if len(lrs) != len(self._names) or not is_main_process():
            return
        scalars = logged_lrs(self._groups, self._names, lrs)
        # As LoggerHook does, so that both write at the same step of the same files.
        runner.visualizer.add_scalars(scalars, step=runner.iter + 1, file_path=f"{runner.timestamp}.json")

    def _name_curves(self, group_map: GroupMap) -> None:
        self._groups, self._names = group_map.groups, curve_names(group_map.groups)

    def judge(self, group_map: GroupMap, work_dir: Path, logger: Any) -> None:
        """Check or save the group map. ``logger`` is None on all ranks except the first."""
        raise NotImplementedError


def _logger_hook(runner: Any) -> LoggerHook | None:
    return next((hook for hook in runner.hooks if isinstance(hook, LoggerHook)), None)


def _is_logged(runner: Any, batch_idx: int) -> bool:
    """True if LoggerHook logs in this iteration.

    Source: mmengine 0.10.7, ``LoggerHook.after_train_iter``.
    """
    hook = _logger_hook(runner)
    if hook is None:
        return False
    if hook.every_n_inner_iters(batch_idx, hook.interval):
        return True
    loader = runner.train_dataloader
    return bool(hook.end_of_epoch(loader, batch_idx) and (not hook.ignore_last or len(loader) <= hook.interval))


def live_map(runner: Any) -> GroupMap:
    """Return the group map of a Runner's optimizer, with the lrs before the first scheduler step, as in ``inspect``.

    Differences from the map of ``inspect``:

    - device and stubs differ;
    - the map includes changes that the training script makes to the config;
    - the map includes changes that a resumed checkpoint or other code makes to the groups;
    - lrs are multiplied by the factor of ``auto_scale_lr``, and the map contains this factor.

    The constructor runs a second time, to find the options that it reads.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    config, optimizers = runner.cfg, optimizers_of(runner.optim_wrapper)
    if not config.get("optim_wrapper"):
        # The runner was created without a config: the optimizer describes itself.
        optimizer = next(iter(optimizers.values()))
        described = {"type": type(runner.optim_wrapper), "optimizer": {"type": type(optimizer), **optimizer.defaults}}
        config = Config({**config, "optim_wrapper": described})
    path = config.filename or "(no config file)"
    with suppress(ValueError):
        path = str(Path(path).relative_to(Path.cwd()))
    reads = asked = None
    fresh: dict[str, Any] = {}
    # Only a few rules need this, so an error here must not end a training.
    with suppress(Exception), quiet_stack(verbose=False):
        built = build_optimizer(config, model, "")
        reads, asked, fresh = built.reads, built.asked, dict(built.optimizers)
    factor = lr_factor(runner)
    with _unscaled(optimizers, fresh, factor):
        built_map = group_map_of(
            config,
            ConfigSource(path, resolved_sha256(config), {}),
            model,
            BuiltOptimizer(optimizers, constructor_of(config.optim_wrapper), (), reads, asked, scheduled=True),
            str(next(model.parameters()).device),
            (),
        )
    if not (scaling := runner.auto_scale_lr or {}).get("enable", False):
        return built_map
    size = runner.train_dataloader.batch_size
    return batch_scaling.scaled_map(
        built_map, Batch(runner.world_size, True, size, scaling["base_batch_size"], lr_factor=factor)
    )


def lr_factor(runner: Any) -> float:
    """Return the factor by which ``auto_scale_lr`` multiplies every lr of a Runner; 1 if ``auto_scale_lr`` is off.

    Source: mmengine 0.10.7, ``Runner.scale_lr``. In a resumed run, the optimizer's lrs come from the
    checkpoint, so they include the factor of the saved run.
    """
    scaling = runner.auto_scale_lr or {}
    if not scaling.get("enable", False):
        return 1.0
    return batch_scaling.lr_factor(runner.world_size, runner.train_dataloader.batch_size, scaling["base_batch_size"])


@contextmanager
def _unscaled(optimizers: Mapping[str, Any], fresh: Mapping[str, Any], factor: float) -> Iterator[None]:
    """Inside the block, give every group the lr that the constructor set, without ``auto_scale_lr``.

    Args:
        optimizers: the optimizers by name. Their lrs are restored after the block.
        fresh: the same optimizers, built again. Their lrs are exact, but a division by ``factor`` would round.
        factor: the factor by which ``auto_scale_lr`` multiplied every lr.
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
