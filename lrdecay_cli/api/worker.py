"""Execute one task of the Python API in a separate process. :mod:`lrdecay_cli.api.tasks` starts this process."""

from __future__ import annotations

import sys

import msgspec

from lrdecay_cli.api.tasks import Reply, Task
from lrdecay_cli.domain.report import AnyResult
from lrdecay_cli.processes.outcomes import Failure


def main() -> None:
    """Execute the task in ``sys.argv[1]``, and write the encoded result to stdout."""
    from lrdecay_cli.app.speed import fast_start

    # As the command does it, with its shortcuts and its retry without them.
    fast_start.begin()
    task = msgspec.json.decode(sys.argv[1], type=Task)
    sys.stdout.buffer.write(perform(task, task.overrides()))
    sys.stdout.flush()
    fast_start.leave(0)


def perform(task: Task, overrides: tuple[str, ...]) -> bytes:
    """Execute a task and return the encoded result. If the task fails, the result contains the failure."""
    try:
        reply = _reply(task, overrides)
    except Exception as error:
        reply = Reply(failure=Failure.of(task.source, error))
    try:
        return msgspec.msgpack.encode(reply)
    except OverflowError:
        # An integer of more than 64 bits.
        return msgspec.json.encode(reply)


def _reply(task: Task, overrides: tuple[str, ...]) -> Reply[msgspec.Struct]:
    request = task.request(overrides)
    if task.kind == "map":
        from lrdecay_cli.app.requests.sources import group_maps_of

        return Reply(group_maps_of((task.source,), request)[0])
    result: AnyResult
    if task.kind == "schedule":
        from lrdecay_cli.analysis.scheduling.report import schedule_report
        from lrdecay_cli.app.requests.scheduling import scheduled

        found, plan, findings = scheduled(
            task.source,
            request,
            iterations_per_epoch=task.iters_per_epoch,
            dataset_size=task.dataset_size,
            every=task.every,
        )
        result = schedule_report(found, plan, findings=findings)
    elif task.kind == "suggest":
        from lrdecay_cli.app.requests.suggesting import suggestion_for

        result, _ = suggestion_for(task.source, request)
    else:
        from lrdecay_cli.analysis.dry_runs import dry_run_report
        from lrdecay_cli.app.requests.dry_runs import RunOptions, dry_run_of
        from lrdecay_cli.checking.reporting import check_severity, sections_of, summary_of

        options = RunOptions(task.iters_per_epoch, task.dataset_size, task.resume, task.steps)
        run, checked = dry_run_of(task.source, request, options, check_severity(task.fail_on))
        result = dry_run_report(run, sections_of(checked, False), summary_of(checked))
        return Reply(result.document, result.report, checked)
    return Reply(result.document, result.report)
