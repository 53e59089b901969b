"""Compare the future lrs of two trainings for ``diff``, if at least one of them resumes from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.app.requests.sources import Request, group_maps_of, is_map
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.resuming import Coming
from lrdecay_cli.files.config_path import is_checkpoint
from lrdecay_cli.files.work_dir import is_work_dir, last_checkpoint
from lrdecay_cli.processes.streams import stdout_to_stderr


def coming_of(
    sources: Sequence[str],
    maps: Sequence[GroupMap],
    request: Request,
    *,
    iterations_per_epoch: int | None,
    rtol: float,
) -> Coming | None:
    """Return a comparison of the future lrs of two sources; None if there is no checkpoint or no config.

    If the lrs cannot be compared, the returned record contains the reason. No error is raised, because ``diff`` also
    compares the groups.

    Raises:
        LrdecayError: ``--iters-per-epoch`` is given, but there is no checkpoint or no config.
    """
    sources = [last_checkpoint(source) if is_work_dir(source) else source for source in sources]
    config = next((source for source in sources if not is_checkpoint(source)), request.named_by)
    if not any(map(is_checkpoint, sources)) or config is None or is_map(config):
        if iterations_per_epoch is not None:
            problem = "the option needs a config and a checkpoint, to compare future lrs"
            raise LrdecayError(problem, where="--iters-per-epoch", fix="remove --iters-per-epoch")
        return None
    if request.isolated:
        return _unjudged("a dry run does not support --isolate", "leave out --isolate if you trust the config")
    try:
        return _compared(sources, maps, config, request, iterations_per_epoch, rtol)
    except LrdecayError as error:
        where = f"{error.where}: " if error.where and error.where != config else ""
        return _unjudged(f"{where}{error.problem}", error.fix)


def _compared(
    sources: Sequence[str], maps: Sequence[GroupMap], config: str, request: Request, given: int | None, rtol: float
) -> Coming:
    with fast_start.shortcuts(verbose=request.verbose), stdout_to_stderr():
        from lrdecay_cli.openmmlab.dry_run.resuming import coming_values, read_saved
        from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan

        planned = load_plan(config, cfg_options=request.cfg_options, verbose=request.verbose, launch=request.launch)
        sides = [read_saved(source) if is_checkpoint(source) else None for source in sources]
        plan = planned.plan
        if given is None and plan.by_epoch and not plan.batches_per_epoch:
            given = next((saved.iterations_per_epoch for saved in sides if saved), None)
            if given is None:
                raise LrdecayError("the number of iterations per epoch is unknown", fix="give --iters-per-epoch N")
        length = run_length(plan, iterations_per_epoch=given)
        named = dict(zip(sources, maps, strict=True)).get(config) or _map_of(config, request)
        return coming_values(
            planned,
            length,
            sides,
            named,
            batch_size=plan.batch_size or 1,
            launch=request.launch,
            rtol=rtol,
            verbose=request.verbose,
        )


def _map_of(config: str, request: Request) -> GroupMap:
    (found,) = group_maps_of((config,), msgspec.structs.replace(request, named_by=None))
    return found


def _unjudged(reason: str, fix: str | None) -> Coming:
    return Coming(0, 0, None, 0, 0, (None, None), (), (), unjudged=reason, fix=fix or None)
