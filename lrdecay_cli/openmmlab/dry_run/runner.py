"""The Runner for dry runs: a subclass of mmengine's Runner.

This Runner uses no data, weights or network, and writes files only to a scratch folder.
"""

from __future__ import annotations

import itertools
import time
import types
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader, Dataset

from lrdecay_cli.domain.dry_run import LeftOut
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_text import settings_of
from lrdecay_cli.openmmlab.building import optimizers_of
from lrdecay_cli.openmmlab.checkpoints.saved_groups import load_checkpoint
from lrdecay_cli.openmmlab.dry_run.driving import Drive, each_scheduler, is_quiet, overrides
from lrdecay_cli.openmmlab.dry_run.failing_hooks import failed_hook
from lrdecay_cli.openmmlab.dry_run.log_line import FirstLog
from lrdecay_cli.openmmlab.dry_run.moments import Moments, Trace
from lrdecay_cli.openmmlab.dry_run.optimizers import Steps
from lrdecay_cli.openmmlab.dry_run.recording import Recorder
from lrdecay_cli.openmmlab.dry_run.representatives import Representatives
from lrdecay_cli.openmmlab.dry_run.watching import Watch
from lrdecay_cli.openmmlab.from_runner import lr_factor
from lrdecay_cli.openmmlab.schedulers.lr_hooks import LEFT_OUT
from lrdecay_cli.openmmlab.schedulers.running import Stepper, settings_of_scheduler
from lrdecay_cli.openmmlab.unrun_code import freezing_in_forward, has_own_run

_numbers = itertools.count()


def saved_place(checkpoint: Mapping[str, Any], path: str) -> tuple[int, int]:
    """Return the epoch and iteration at which a training resumes from a checkpoint.

    Raises:
        LrdecayError: the checkpoint does not contain its epoch and iteration.
    """
    meta = checkpoint.get("meta")
    epoch, iteration = (meta.get("epoch"), meta.get("iter")) if isinstance(meta, Mapping) else (None, None)
    if type(epoch) is not int or type(iteration) is not int or epoch < 0 or iteration < 0:
        raise LrdecayError(
            "the checkpoint does not contain its epoch and iteration, which a resumed training needs",
            where=path,
            fix="give a checkpoint that mmengine's CheckpointHook saved",
        )
    return epoch, iteration


class Samples(Dataset):  # type: ignore[misc]
    """A dataset that has a length but no data: every sample is an empty dict."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {}


class Group(dict[str, Any]):
    """A parameter group as a plain dict.

    mmengine's constructor creates groups as ConfigDicts. Writing to a ConfigDict is far slower than to a plain dict.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class Blank(Visualizer):  # type: ignore[misc]
    """A visualizer that accepts logs and draws nothing."""

    def _initialize_fig(self, fig_cfg: Any) -> tuple[Any, ...]:
        return None, types.SimpleNamespace(get_dpi=lambda: 100), None


class DryRunner(Runner):  # type: ignore[misc]
    """A :class:`mmengine.runner.Runner` for dry runs. ``left_out`` lists the hooks and code that do not run.

    Args:
        config: the training config.
        model: built from the config.
        optim_wrapper: result of the config's constructor for the model.
        watch: records changes of groups and parameters.
        work_dir: a scratch folder.
        batch_size: samples per GPU.
        iterations_per_epoch: length of the data loader.
        gpus: world size of the training.
        steps: number of iterations with real optimizer steps.
        resume: the checkpoint to resume from; None to start from iteration 0.
        trace: list that gets the lr of every group in every visited iteration.
        logged: list that gets the lrs that mmengine logs.
        recorder: records every scheduled value.
    """

    def __init__(
        self,
        config: Config,
        model: nn.Module,
        optim_wrapper: Any,
        watch: Watch,
        work_dir: str,
        *,
        batch_size: int,
        iterations_per_epoch: int,
        gpus: int,
        steps: int,
        resume: str | None = None,
        trace: Trace | None = None,
        logged: Trace | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.watch = watch
        self.left_out: list[LeftOut] = []
        self.lr_factor: float | None = None
        self.moments = Moments(trace, logged, recorder)
        self.optimizer_steps = Steps(steps)
        self.representatives = Representatives([])
        self.first_log = FirstLog()
        self.built_schedulers: list[dict[str, Any]] = []
        """Settings of each scheduler in the config, before a checkpoint changes them."""
        self.scheduler_attributes: list[set[str]] = []
        """For each scheduler, the names of its attributes. A checkpoint can restore these attributes."""
        self.resumed_from = resume
        self._gpus = gpus
        super().__init__(
            model=model,
            work_dir=work_dir,
            train_dataloader=DataLoader(Samples(batch_size * iterations_per_epoch), batch_size=batch_size),
            train_cfg=config.train_cfg,
            auto_scale_lr=config.get("auto_scale_lr"),
            optim_wrapper=optim_wrapper,
            param_scheduler=config.get("param_scheduler"),
            log_processor=config.get("log_processor"),
            default_hooks=config.get("default_hooks"),
            custom_hooks=config.get("custom_hooks"),
            load_from=resume,
            resume=resume is not None,
            default_scope=config.get("default_scope", "mmengine"),
            # mmengine shares scope, logger and message hub among Runners with the same name.
            experiment_name=f"dry run {next(_numbers)}",
            cfg=config,
        )

    # Methods that query the machine, change this process or write files.

    def setup_env(self, env_cfg: Mapping[str, Any]) -> None:
        """Set only rank, world size and time stamp.

        mmengine would also change how processes start, the number of OpenCV's threads and the limit on open files.
        """
        self._rank, self._world_size = 0, self._gpus
        self._timestamp = time.strftime("%Y%m%d_%H%M%S")

    def set_randomness(
        self, seed: int | None = None, diff_rank_seed: bool = False, deterministic: bool = False
    ) -> None:
        """Store the seed, but do not seed the random generators of this process."""
        self._seed, self._deterministic = seed or 0, deterministic

    def build_logger(self, *_args: Any, **_kwargs: Any) -> MMLogger:
        """Return a logger that does not write files."""
        return MMLogger.get_instance(self.experiment_name, log_level="ERROR")

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        """Return a visualizer that writes nothing. It has no canvas, which would import matplotlib."""
        return Blank.get_instance(self.experiment_name)

    def _log_env(self, env_cfg: Mapping[str, Any]) -> None:
        pass

    def dump_config(self) -> None:
        """Do nothing, instead of writing the config to a file."""

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """Return the model without a model wrapper such as DistributedDataParallel, which would not change the lrs."""
        return model

    def _init_model_weights(self) -> None:
        pass

    def _maybe_compile(self, target: str) -> None:
        pass

    def register_hook(self, hook: Any, priority: Any = None) -> None:
        """Register a hook. If the dry run does not run this hook, add it to ``left_out`` with the reason instead."""
        named = hook.get("type") if isinstance(hook, Mapping) else type(hook)
        name = (named if isinstance(named, str) else str(getattr(named, "__name__", named))).rpartition(".")[2]
        if name in LEFT_OUT:
            self.first_log.register(hook)
            self.left_out.append(LeftOut(name, LEFT_OUT[name]))
            return
        try:
            super().register_hook(hook, priority)
        except Exception as error:
            self.left_out.append(failed_hook(name, "", error, self.cfg, needs_data=False))

    def load_checkpoint(self, filename: str, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        """Return the checkpoint to resume from. Tensors in the file are not read, and code in the file is not run."""
        saved, _ = load_checkpoint(filename)
        saved_place(saved, filename)
        meta = {key: value for key, value in saved["meta"].items() if key != "config"}
        gpus = settings_of(saved["meta"].get("config")).get("gpu_ids")
        if isinstance(gpus, list):
            # mmengine runs the text of this config to count its GPUs.
            meta["config"] = f"gpu_ids = {list(range(len(gpus)))}"
        checkpoint = {
            **saved,
            "meta": meta,
            "message_hub": {key: {} for key in ("log_scalars", "runtime_info", "resumed_keys")},
        }
        optimizer = checkpoint.get("optimizer")
        if isinstance(optimizer, Mapping):
            several = {"": optimizer} if "param_groups" in optimizer else optimizer
            without = {name: {**state, "state": {}} for name, state in several.items()}
            checkpoint["optimizer"] = without.get("", without)
        return checkpoint

    def load_or_resume(self) -> None:
        """Resume from the checkpoint, and record which lrs change."""
        schedulers = list(each_scheduler(self.param_schedulers))
        self.built_schedulers = [settings_of_scheduler(scheduler) for scheduler in schedulers]
        self.scheduler_attributes = [{*vars(scheduler)} for scheduler in schedulers]
        with self.watch.acting("resume", "resume"):
            super().load_or_resume()

    # Methods whose changes are recorded.

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Return the optimizer wrapper, which is already built.

        From now on, changes of the parameter groups are recorded. The tensors in the groups are shrunk.
        """
        if not self.watch.built:
            for optimizer in optimizers_of(optim_wrapper).values():
                optimizer.param_groups[:] = map(Group, optimizer.param_groups)
            self.watch.follow(optimizers_of(optim_wrapper))
            self.optimizer_steps.prepare(optim_wrapper)
        return optim_wrapper

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: Any = None) -> None:
        """Apply ``auto_scale_lr`` to every lr, and store the factor in ``lr_factor``."""
        with self.watch.acting("auto_scale_lr", "auto_scale_lr"):
            super().scale_lr(optim_wrapper, auto_scale_lr)
        if auto_scale_lr and auto_scale_lr.get("enable"):
            self.lr_factor = lr_factor(self)
        # The groups now have the values that schedulers start from.
        if self.optimizer_steps.are_left:
            self.optimizer_steps.measure(self.watch)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedulers, and record the lrs that they set for the first iteration."""
        before = self.watch.lrs()
        built = super().build_param_scheduler(scheduler)
        begins = {type(each).__name__: None for each in each_scheduler(built) if each.begin == 0}
        for name in begins or {"param_scheduler": None}:
            self.watch.attribute(before, "param_scheduler", name)
        return built

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call all hooks. Each change of a value is attributed to the hook that caused it."""
        for hook in tuple(self._hooks):
            self.call_method(hook, fn_name, **kwargs)

    def call_method(self, hook: Hook, method: str, **kwargs: Any) -> None:
        """Call one method of a hook. A hook that fails is not called again."""
        if not overrides(hook, method):
            return
        name = type(hook).__name__
        try:
            if type(hook) is ParamSchedulerHook:
                self._step_schedulers(hook, method, kwargs)
                return
            with nullcontext() if is_quiet(hook) else self.watch.acting("hook", f"{name}.{method}"):
                getattr(hook, method)(self, **kwargs)
        except Exception as error:
            self._hooks.remove(hook)
            needs_data = "data_batch" in kwargs or isinstance(getattr(error, "obj", None), Samples)
            self.left_out.append(failed_hook(name, method, error, self.cfg, needs_data=needs_data))

    def _step_schedulers(self, hook: Hook, method: str, kwargs: Mapping[str, Any]) -> None:
        before = self.watch.lrs()
        acting = [
            each for each in each_scheduler(self.param_schedulers) if each.by_epoch == (method == "after_train_epoch")
        ]
        names = [type(each).__name__ for each in acting if not Stepper(each).idle()]
        getattr(hook, method)(self, **kwargs)
        self.representatives.spread()
        for name in dict.fromkeys(names):
            self.watch.attribute(before, "param_scheduler", name)

    # The loop.

    def build_train_loop(self, loop: Any) -> Any:
        """Build the training loop of the config, and replace its method ``run`` by the method of :class:`Drive`."""
        built = super().build_train_loop(loop)
        if has_own_run(type(built)):
            reason = "this loop has its own run method, but the dry run used mmengine's run method"
            self.left_out.append(LeftOut(type(built).__name__, reason, failed=True))
        self.left_out += freezing_in_forward(self.model)
        built.run = Drive(self, built).run
        return built
