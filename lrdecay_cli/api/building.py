"""Functions that build a config (``lrdecay_cli.audit``, ``schedule``, ``suggest``, ``dry_run``) or read a map."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from lrdecay_cli.api.arguments import path_of, text_of
from lrdecay_cli.api.display import with_report
from lrdecay_cli.api.errors import short_errors
from lrdecay_cli.api.overrides import CfgOptions, overrides_of
from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult, Severity
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.schedule import Schedule
from lrdecay_cli.domain.suggestion import Suggestion

PathLike = str | os.PathLike[str]
_Document = TypeVar("_Document", bound=msgspec.Struct)


@short_errors
def audit(
    config: PathLike,
    *,
    cfg_options: CfgOptions | None = None,
    device: str = "cpu",
    gpus: int | None = None,
    batch_size: int | None = None,
    auto_scale_lr: bool = False,
    cache: bool = True,
) -> GroupMap:
    """Return the parameter groups of a training config.

    lrdecay builds the model, runs the config's own optimizer constructor, and reads the groups from the optimizer.

    >>> group_map = audit("config.py", cfg_options={"optim_wrapper.optimizer.lr": 1e-3})
    >>> group_map
    <GroupMap config.py: ImageClassifier, AdamW, 16 groups with 182 of 182 tensors, lr 8.24e-05 to 0.001>
    >>> group_map["backbone.stages.0.0.norm.weight"].lr_scale
    0.1176...

    The config runs in a new process, so that imports, registries, random numbers and the working directory of the
    calling process stay unchanged. The map is cached, as by ``lrdecay inspect``.

    There is one exception: the calling program has registered its own classes with mmengine, or has imported a package
    other than mmdet and mmpretrain that registers classes. Then the config runs in a forked copy of the calling
    process, and the map is not cached. On Windows, which cannot fork, and on a GPU, the config then runs in the calling
    process itself.

    Args:
        config: path of a config, or ``mmdet::<path>`` for the zoo of an installed package.
        cfg_options: overrides of the config: a dict such as ``{"optim_wrapper.optimizer.lr": 1e-3}``, a nested dict as
            for mmengine's ``merge_from_dict``, or a list of ``key=value`` as for ``--cfg-options``.
        device: device on which the model is built: ``cpu``, ``meta``, ``mps``, ``cuda`` or ``cuda:<n>``. The map is the
            same on every device.
        gpus: number of GPUs in the training; 1 if None.
        batch_size: samples in a batch of one GPU; the config's own value if None.
        auto_scale_lr: switch the config's ``auto_scale_lr`` on, as ``tools/train.py --auto-scale-lr`` does.
        cache: use a cached map, and cache a new map. ``LRDECAY_NO_CACHE=1`` also switches the cache off.

    Raises:
        LrdecayError: a package or the device is missing, or the config, the model or the constructor fails.
    """
    from lrdecay_cli.api.tasks import Task, answer
    from lrdecay_cli.openmmlab.availability import check_config
    from lrdecay_cli.openmmlab.own_registrations import has_own_registrations
    from lrdecay_cli.processes.outcomes import Failure

    source, overrides = path_of(config, "config"), overrides_of(cfg_options)
    task = Task.of(
        kind="map",
        source=source,
        device=device,
        gpus=gpus,
        batch_size=batch_size,
        auto_scale_lr=auto_scale_lr,
        cache=cache,
    )
    if cache and not has_own_registrations():
        cached = task.request(overrides).caching.cached(source)
        if isinstance(cached, Failure):
            raise cached.error()
        if cached is not None:
            return cached
    check_config(source)
    return _document(answer(task, overrides, GroupMap).document)


@short_errors
def load(path: PathLike, *, config: PathLike | None = None) -> GroupMap:
    """Read a group map from an exported map (.json) or a checkpoint (.pth). No code in the checkpoint is run.

    >>> load("baselines/map.json")
    <GroupMap config.py: ImageClassifier, AdamW, 16 groups with 182 of 182 tensors, lr 8.24e-06 to 0.0001>

    Args:
        path: a file written by ``lrdecay inspect --format json`` or :meth:`GroupMap.save`, or a checkpoint of mmengine.
        config: for a checkpoint only: the config or exported map with the parameter names.

    Raises:
        LrdecayError: the file is missing, or is not a group map.
    """
    from lrdecay_cli.files import read_map
    from lrdecay_cli.files.config_path import is_checkpoint

    source = path_of(path, "path")
    if is_checkpoint(source):
        from lrdecay_cli.api.tasks import Task, answer

        named_by = None if config is None else path_of(config, "config")
        return _document(answer(Task(kind="map", source=source, named_by=named_by), (), GroupMap).document)
    if config is not None:
        raise LrdecayError("the argument config is allowed only for a checkpoint", where=source, fix="leave out config")
    return read_map(source)


def as_map(source: GroupMap | PathLike, *, cfg_options: CfgOptions | None = None) -> GroupMap:
    """Return the group map of ``source``: a group map (returned unchanged), a map file or checkpoint, or a config."""
    if isinstance(source, GroupMap):
        if cfg_options:
            raise LrdecayError(
                "options cannot be set in a group map", where="cfg_options", fix="pass a config instead of the map"
            )
        return source
    return load(source) if is_map_file(source) else audit(source, cfg_options=cfg_options)


def is_map_file(source: GroupMap | PathLike) -> bool:
    """True if ``source`` is the path of an exported map or a checkpoint; False for a :class:`GroupMap` or a config."""
    from lrdecay_cli.app.requests.sources import is_map
    from lrdecay_cli.files.config_path import is_checkpoint

    if isinstance(source, GroupMap):
        return False
    name = path_of(source, "map")
    return is_map(name) or is_checkpoint(name)


@short_errors
def schedule(
    config: PathLike,
    *,
    iters_per_epoch: int | None = None,
    dataset_size: int | None = None,
    every: int | None = None,
    cfg_options: CfgOptions | None = None,
    gpus: int | None = None,
    batch_size: int | None = None,
    auto_scale_lr: bool = False,
    cache: bool = True,
) -> Schedule:
    """Return the lr of every group over the whole run, as mmengine's schedulers set it.

    >>> found = schedule("config.py", iters_per_epoch=100)
    >>> found
    <Schedule config.py: 1,200 iterations, 1 scheduler, 8 curves>
    >>> found.curves[-1].moments["lr"].peak
    0.0001

    Args:
        config: path of a config, or ``mmdet::<path>``.
        iters_per_epoch: iterations of an epoch, as the training log shows.
        dataset_size: number of training samples, to compute the iterations of an epoch.
        every: a number N, to return the values of only every N-th iteration.
        cfg_options: overrides, as for :func:`audit`. The following arguments are also the same as for :func:`audit`.
        gpus: number of GPUs in the training; 1 if None.
        batch_size: samples in a batch of one GPU.
        auto_scale_lr: switch ``auto_scale_lr`` on.
        cache: use a cached group map.

    Raises:
        LrdecayError: the config does not build, or the length of its run is unknown.
    """
    from lrdecay_cli.api.tasks import Task, answer

    task = Task.of(
        kind="schedule",
        source=path_of(config, "config"),
        iters_per_epoch=iters_per_epoch,
        dataset_size=dataset_size,
        every=every,
        gpus=gpus,
        batch_size=batch_size,
        auto_scale_lr=auto_scale_lr,
        cache=cache,
    )
    reply = answer(task, overrides_of(cfg_options), Schedule)
    return with_report(_document(reply.document), reply.report)


@short_errors
def suggest(config: PathLike, *, cfg_options: CfgOptions | None = None, cache: bool = True) -> Suggestion:
    """Return a layer-wise lr decay that fits a config's model, tested with the real optimizer.

    >>> suggest("config.py")
    <Suggestion config.py: the decay fits>

    Args:
        config: path of a config, or ``mmdet::<path>``.
        cfg_options: overrides, as for :func:`audit`.
        cache: use a cached group map.

    Returns:
        The suggestion. Its ``snippet`` is Python code to paste into the config. If the config's own layer decay fits
        the model, ``snippet`` is empty.

    Raises:
        LrdecayError: the config does not build, or lrdecay has no layer decay for the model.
    """
    from lrdecay_cli.api.tasks import Task, answer

    task = Task.of(kind="suggest", source=path_of(config, "config"), cache=cache)
    reply = answer(task, overrides_of(cfg_options), Suggestion)
    return with_report(_document(reply.document), reply.report)


class CheckedDryRun(Displayed, frozen=True):
    """The result of a dry run, and the findings of the rules about this dry run."""

    run: DryRun
    """The record of the run: the lr of each group, the scheduler or hook that set it, and errors that stop training."""
    result: CheckResult

    def headline(self) -> str:
        """Return the headline of the run and the headline of the findings, in one line."""
        return f"{self.run.headline()}; {self.result.headline()}"

    def raise_on_failure(self) -> CheckedDryRun:
        """Return the dry run itself; raise CheckFailed if a finding has the severity ``fail_on`` or a higher one."""
        __tracebackhide__ = True
        self.result.raise_on_failure()
        return self


@short_errors
def dry_run(
    config: PathLike,
    *,
    iters_per_epoch: int | None = None,
    dataset_size: int | None = None,
    resume: PathLike | None = None,
    steps: int = 3,
    fail_on: Severity = "error",
    cfg_options: CfgOptions | None = None,
    gpus: int | None = None,
    batch_size: int | None = None,
    auto_scale_lr: bool = False,
) -> CheckedDryRun:
    """Run mmengine's training loop without data. Return the lr of every group, and the findings of the rules.

    >>> done = dry_run("config.py", iters_per_epoch=100, batch_size=8)
    >>> done.run.groups[-1].first.lr
    0.0001
    >>> done.raise_on_failure()
    <CheckedDryRun config.py: 1,200 iterations, 16 groups; passes: no findings in 1 config>

    Args:
        config: path of a config, or ``mmdet::<path>``.
        iters_per_epoch: iterations of an epoch, as the training log shows.
        dataset_size: number of training samples, to compute the iterations of an epoch.
        resume: the checkpoint to resume from; no code in it is run.
        steps: number of iterations in which the optimizer takes a real step.
        fail_on: the lowest severity for which :meth:`CheckedDryRun.raise_on_failure` raises.
        cfg_options: overrides, as for :func:`audit`. The following arguments are also the same as for :func:`audit`.
        gpus: number of GPUs in the training; 1 if None.
        batch_size: samples in a batch of one GPU.
        auto_scale_lr: switch ``auto_scale_lr`` on.

    Raises:
        LrdecayError: the config does not build, or the length of its run is unknown.
    """
    from lrdecay_cli.api.tasks import Task, answer
    from lrdecay_cli.checking.reporting import check_severity

    task = Task.of(
        kind="dry-run",
        source=path_of(config, "config"),
        iters_per_epoch=iters_per_epoch,
        dataset_size=dataset_size,
        resume=None if resume is None else str(Path(path_of(resume, "resume"))),
        steps=steps,
        fail_on=check_severity(text_of(fail_on, "fail_on"), "fail_on"),
        gpus=gpus,
        batch_size=batch_size,
        auto_scale_lr=auto_scale_lr,
    )
    reply = answer(task, overrides_of(cfg_options), DryRun)
    run = with_report(_document(reply.document), reply.report)
    return with_report(CheckedDryRun(run, _document(reply.result)), reply.report)


def _document(document: _Document | None) -> _Document:
    # A reply has a failure or this.
    assert document is not None
    return document
