"""Dry-run the training of a config, and return the result."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import msgspec
import torch.distributed as dist
from mmengine.hooks import ParamSchedulerHook

from lrdecay_cli import __version__
from lrdecay_cli.analysis.verification import missing_lr
from lrdecay_cli.domain.dry_run import DRY_RUN_SCHEMA_VERSION, DryRun, GroupRun, LeftOut
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap, Stub, Tool
from lrdecay_cli.domain.schedule import RunLength
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Launch, Wrapping
from lrdecay_cli.files.temporary import temporary_folder
from lrdecay_cli.openmmlab.audit import group_map_of
from lrdecay_cli.openmmlab.batch import BuiltGroups, batch_of, formulas_with_gpus
from lrdecay_cli.openmmlab.build_context import fresh_managers, no_network, quiet_stack
from lrdecay_cli.openmmlab.building import BuiltOptimizer, build_model, check_shapes, optimizers_of, training_scope
from lrdecay_cli.openmmlab.config_file import resolved_sha256
from lrdecay_cli.openmmlab.dry_run.driving import acting_in_validation
from lrdecay_cli.openmmlab.dry_run.moments import Trace
from lrdecay_cli.openmmlab.dry_run.recording import Recorder
from lrdecay_cli.openmmlab.dry_run.runner import DryRunner
from lrdecay_cli.openmmlab.dry_run.watching import Watch
from lrdecay_cli.openmmlab.failures.constructor_failures import clearer_failure
from lrdecay_cli.openmmlab.failures.translate import translate_errors
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import defers_imports
from lrdecay_cli.openmmlab.schedulers.building import check_lrs
from lrdecay_cli.openmmlab.schedulers.training_plan import PlannedConfig, scheduler_configs
from lrdecay_cli.openmmlab.stubs.import_needs import import_needs
from lrdecay_cli.openmmlab.world import process_group, world_of
from lrdecay_cli.openmmlab.wrapping import wrap, wrapper_of
from lrdecay_cli.text.counting import count

_RUNNING = "the training does not start"


class DryTraining(NamedTuple):
    """The result of a dry run."""

    runner: DryRunner
    record: DryRun
    group_map: GroupMap
    """The groups that the constructor built."""


def dry_run(
    planned: PlannedConfig,
    length: RunLength,
    *,
    batch_size: int,
    launch: Launch = PLAIN_LAUNCH,
    steps: int = 3,
    resume: str | None = None,
    trace: Trace | None = None,
    logged: Trace | None = None,
    recorder: Recorder | None = None,
    verbose: bool = False,
) -> DryTraining:
    """Run the training of a config with mmengine's own Runner, without weights and data.

    Args:
        planned: the config.
        length: length of the training in iterations.
        batch_size: samples per GPU.
        launch: number of GPUs, and whether ``auto_scale_lr`` is switched on.
        steps: number of iterations with real optimizer steps.
        resume: the checkpoint to resume from; None to start from iteration 0.
        trace: list that gets the lr of every group in every visited iteration.
        logged: list that gets the lrs that mmengine's RuntimeInfoHook logs, before most other hooks run.
        recorder: records every scheduled value.
        verbose: show warnings and log lines of torch and OpenMMLab on stderr.

    Raises:
        LrdecayError: the model, the optimizer or a scheduler does not build, or the training does not start.
    """
    config, where = planned.config, planned.plan.where
    with (
        quiet_stack(verbose),
        import_needs(),
        fresh_managers(),
        training_scope(config),
        no_network(),
        temporary_folder() as scratch,
        ExitStack() as stack,
    ):
        built_model = build_model(config, where, "cpu")
        model = built_model.model
        check_shapes(model, where)
        launch = msgspec.structs.replace(launch, batch_size=batch_size)
        batch = batch_of(config, launch, where)
        try:
            groups = BuiltGroups(config, model, where, batch, launch, planned.reload)
        except LrdecayError as error:
            raise clearer_failure(error, config, model, where) from error
        built = groups.built
        if _keeps_process_group(built):
            # One process: with several, a ZeroRedundancyOptimizer steps only its share of the parameters.
            stack.enter_context(process_group(1))
            groups = BuiltGroups(config, model, where, batch, launch, planned.reload)
            built = replace(groups.built, stubs=built.stubs)
        source = ConfigSource(where, resolved_sha256(config), planned.overrides)
        stubs = (*built_model.stubs, *built.stubs)
        # The Runner scales the lrs.
        group_map = groups.finished(group_map_of(config, source, model, built, "cpu", stubs), scale=False)
        parameters = dict(model.named_parameters())
        named = wrapper_of(config, batch.gpus)
        wrapped = wrap(config, model, where, named, batch.gpus) if named else None
        if isinstance(wrapped, Stub):
            group_map = msgspec.structs.replace(group_map, stubs=(*group_map.stubs, wrapped))
        elif wrapped:
            group_map = msgspec.structs.replace(group_map, wrapping=wrapped.facts)
            if wrapped.built is None:
                raise _not_begun(wrapped.facts, where)
            model, built, parameters = wrapped.model, wrapped.built, wrapped.parameters()
        _check_lrs(planned, group_map)
        watch = Watch(parameters)
        with translate_errors(_RUNNING, where, config), world_of(batch.gpus, given=batch.gpus_given):
            runner = DryRunner(
                config,
                model,
                built.wrapper,
                watch,
                scratch,
                batch_size=batch_size,
                iterations_per_epoch=length.iterations_per_epoch or length.steps,
                gpus=batch.gpus,
                steps=steps,
                resume=resume,
                trace=trace,
                logged=logged,
                recorder=recorder,
            )
            runner.train()
    if defers_imports() and any(each.failed for each in runner.left_out):
        # The module that registers what the hook builds may be deferred. The command is retried without shortcuts.
        raise LrdecayError("a hook fails while imports are deferred", where=where)
    return DryTraining(runner, _record(runner, watch, group_map, length, batch_size), group_map)


def _keeps_process_group(built: BuiltOptimizer) -> bool:
    """True if an optimizer stores a process group of PyTorch. Its steps then need this process group."""
    values = (value for optimizer in built.optimizers.values() for value in vars(optimizer).values())
    return any(isinstance(value, dist.ProcessGroup) for value in values)


def _check_lrs(planned: PlannedConfig, group_map: GroupMap) -> None:
    where = planned.plan.where
    listed = scheduler_configs(planned.config, where)
    check_lrs(listed, group_map, where)
    if not listed and (found := missing_lr(group_map.groups[:1], "mmengine's RuntimeInfoHook")):
        problem, fix = found
        raise LrdecayError(problem, where=where, fix=fix, final=True)


def _not_begun(wrapping: Wrapping, where: str) -> LrdecayError:
    if wrapping.refused == "constructor":
        problem = f"{_RUNNING}: the constructor raises on the model wrapped in {wrapping.type}: {wrapping.failure}"
        return LrdecayError(
            problem, where=where, fix="change the constructor so that it reads model.module of a wrapped model"
        )
    problem = f"{_RUNNING}: {wrapping.type} refuses the model: {wrapping.failure}"
    return LrdecayError(problem, where=where, fix=f"change {wrapping.option}")


def _record(runner: DryRunner, watch: Watch, group_map: GroupMap, length: RunLength, batch_size: int) -> DryRun:
    names: dict[int, list[str]] = {}
    for name, parameter in watch.parameters.items():
        names.setdefault(id(parameter), []).append(name)
    steps = runner.optimizer_steps
    optimizers = optimizers_of(runner.optim_wrapper)
    groups = []
    last_decays = [decay for _, decay in watch.values()]
    wrapped = bool(group_map.wrapping)
    formulas = {parameter.name: formulas_with_gpus(in_map) for in_map, parameter in group_map.grouped()}
    if (more := len(watch.groups) - runner.moments.followed) > 0:
        problem = f"a hook adds {count(more, 'parameter group')} during the training, which a dry run does not support"
        raise LrdecayError(problem, where=group_map.config.path, fix="add the groups before the training")
    counted: Counter[str] = Counter()
    for index, (optimizer, group) in enumerate(watch.groups):
        own = str(group.get("group_name") or f"group_{counted[optimizer]}")
        counted[optimizer] += 1
        first, after_warm_up, peak, last = runner.moments.of_group(index)
        held = tuple(name for tensor in group["params"] for name in names.get(id(tensor), ["?"]))
        groups.append(
            GroupRun(
                # A wrapped model may have different groups from the map.
                name=f"{optimizer}.{own}".removeprefix(".") if wrapped else group_map.groups[index].name,
                named=bool(group.get("group_name")),
                parameters=held,
                built_lr=watch.built[index][0],
                weight_decay=watch.built[index][1],
                last_weight_decay=last_decays[index],
                first=first,
                after_warm_up=after_warm_up,
                peak=peak,
                last=last,
                causes=tuple(watch.causes[index].values()),
                effect=steps.effects[index] if steps.effects else None,
                from_gpus=formulas.get(held[0], ()) if held else (),
            )
        )
    return DryRun(
        schema_version=DRY_RUN_SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        config=group_map.config,
        gpus=runner.world_size,
        batch_size=batch_size,
        iterations=length.steps,
        iterations_per_epoch=length.iterations_per_epoch or length.steps,
        epochs=length.epochs,
        lr_factor=runner.lr_factor,
        optimizers={name: type(optimizer).__name__ for name, optimizer in optimizers.items()},
        effects=group_map.optimizer.effects,
        groups=tuple(groups),
        first_log=runner.first_log.line,
        states=tuple(watch.states),
        frozen=watch.frozen(),
        hooks=tuple(type(hook).__name__ for hook in runner.hooks),
        steps_schedulers=any(isinstance(hook, ParamSchedulerHook) for hook in runner.hooks),
        step_error=steps.error,
        unmoved=steps.unmoved(watch),
        moved_at_zero=steps.moved_at_zero(watch),
        left_out=tuple(runner.left_out),
        in_validation=tuple(LeftOut(name, reason) for name, reason in acting_in_validation(runner)),
        resumed_from=runner.resumed_from,
    )
