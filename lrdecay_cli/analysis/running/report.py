"""Build the report of ``run`` on one work directory."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.analysis.logged_curves import PREFIX
from lrdecay_cli.decay.batch_scaling import OPTION, describe_factor
from lrdecay_cli.domain.report import Chart, Column, Level, Line, Note, Report, Result, Table
from lrdecay_cli.domain.training_run import LoggedCurve, PartingCause, Segment, TrainingRun
from lrdecay_cli.text.counting import count, listed, rate

_SETTINGS = 12
_FAR_APART = 30
_COLUMNS = (
    Column("start", "start", "name"),
    Column("key", "in the log", "name", vital=True),
    Column("of", "shows the lr of", "name"),
    Column("entries", "values", "integer"),
    Column("parts_at", "differs from iteration", "integer", vital=True),
    Column("logged", "logged", "rate", vital=True),
    Column("planned", "planned", "rate", vital=True),
    Column("ratio", "ratio", "rate"),
)
_ROWS = (
    Column("start", "start"),
    Column("iteration", "iteration", "integer"),
    Column("key", "key", "name"),
    Column("logged", "logged", "rate"),
    Column("planned", "planned", "rate"),
)


def training_run_report(run: TrainingRun, *, verbose: bool = False) -> Result[TrainingRun]:
    """Return the report on a training. With ``verbose``, the report lists every setting that differs."""
    several = len(run.segments) > 1
    rows = [(segment.name, *_row(curve)) for segment in run.segments for curve in segment.curves]
    first = 0 if several else 1
    values = tuple(
        (segment.name, iteration, curve.key, logged, planned)
        for segment in run.segments
        for curve in segment.curves
        for iteration, logged, planned in zip(curve.iterations, curve.logged, curve.planned, strict=True)
    )
    report = Report(
        facts=tuple(_facts(run)),
        tables=(Table("", _COLUMNS[first:], tuple(row[first:] for row in rows)),),
        notes=tuple(note for segment in run.segments for note in _notes(segment, several, verbose)),
        summary=_summary(run),
        rows=Table("", _ROWS, values),
        chart=_chart(run),
    )
    return Result(run, report)


def _row(curve: LoggedCurve) -> tuple[object, ...]:
    of = "the optimizer's own lr" if curve.group is None else curve.group
    parting = (curve.parts_at, curve.logged_there, curve.planned_there, curve.ratio)
    return (curve.key, of, curve.entries, *parting)


def _facts(run: TrainingRun) -> Iterator[tuple[str, str]]:
    yield "work dir", run.work_dir
    for segment in run.segments:
        yield "config", segment.config.path
        per_epoch, planned = segment.iterations_per_epoch, f"{segment.planned_iterations:,}"
        words = [
            f"{segment.name}: logged iterations {segment.first:,} to {segment.last:,} of {planned}",
            *([f"{per_epoch:,} per epoch ({segment.iterations_per_epoch_from})"] if per_epoch else []),
            *([count(segment.gpus, "GPU")] if segment.gpus else []),
            *(["resumed"] if segment.resumed else []),
        ]
        yield "start", ", ".join(words)
        if segment.batch and segment.batch.lr_factor is not None:
            yield OPTION, describe_factor(segment.batch)


def _notes(segment: Segment, several: bool, verbose: bool) -> Iterator[Note]:
    where = f"{segment.name}: " if several else ""
    for cause in segment.causes:
        shown = cause.settings if verbose else cause.settings[:_SETTINGS]
        more = len(cause.settings) - len(shown)
        details = (*shown, *([f"{more:,} more; -v shows them"] if more else []))
        level: Level = "warning" if cause.kind != "unknown" else "error"
        maybe = "" if cause.proven or cause.kind == "unknown" else " (this cause alone does not explain the logged lrs)"
        yield Note(f"{where}{_cause(cause, segment)}{maybe}", level, details)


def _cause(cause: PartingCause, segment: Segment) -> str:
    """Return a sentence with the cause of a difference, and with a fix if there is one."""
    gpus = f", because the training used {count(cause.gpus, 'GPU')}" if cause.gpus else ""
    if cause.kind == "config":
        settings = count(len(cause.settings), "setting")
        differ = "differs" if len(cause.settings) == 1 else "differ"
        return f"the training used another config, {cause.name}: {settings} {differ} from {segment.config.path}"
    if cause.kind == "iterations per epoch":
        planned = f"{segment.iterations_per_epoch:,}" if segment.iterations_per_epoch else "unknown"
        return f"an epoch of the training had {cause.iterations_per_epoch:,} iterations instead of {planned}{gpus}"
    if cause.kind == "auto_scale_lr":
        fix = "to train with the config's lrs, set auto_scale_lr.enable=False and leave out --auto-scale-lr"
        if segment.batch and segment.batch.lr_factor is not None:
            gpus += f", not {segment.batch.gpus}"
            fix = f"to plan for {count(cause.gpus or 1, 'GPU')}, give --gpus {cause.gpus}"
        return f"auto_scale_lr multiplied every lr by {rate(cause.factor or 0)}{gpus}; {fix}"
    if cause.kind == "hook":
        return f"the lr comes from the hook {cause.name}, not from the schedulers"
    if cause.kind == "schedulers not stepped":
        return (
            "no hook calls step() of the schedulers; set default_hooks.param_scheduler=dict(type='ParamSchedulerHook')"
        )
    if cause.kind == "resume":
        return (
            f"mmengine restored the schedulers of {cause.name}, not those of the config; to use the config's"
            " schedulers, set load_from and resume=False"
        )
    if cause.kind == "factor":
        return (
            f"every logged lr is {rate(cause.factor or 0)} × the planned lr; nothing in the config explains this factor"
        )
    return "no cause found: lrdecay tested the config, its hooks, auto_scale_lr and a resumed run"


def _summary(run: TrainingRun) -> str:
    values = sum(curve.entries for segment in run.segments for curve in segment.curves)
    parted = [segment for segment in run.segments if segment.parts_at is not None]
    if not parted:
        return f"as planned: {count(values, 'logged lr')} in {count(len(run.segments), 'start')}"
    first = parted[0]
    # Prefer a group over base_lr, which no group uses.
    parting = [curve for curve in first.curves if curve.parts_at == first.parts_at]
    curve = next((curve for curve in parting if curve.group is not None), parting[0])
    causes = listed(dict.fromkeys(cause.kind for cause in first.causes))
    ratio = f"{rate(curve.ratio)} × the planned lr" if curve.ratio is not None else "not the planned lr"
    return f"not as planned from iteration {first.parts_at:,} on: {curve.key} is {ratio} ({causes})"


def _chart(run: TrainingRun) -> Chart | None:
    """Return a chart with the logged and the planned lr for each of mmengine's log keys; None without values.

    If two starts of the training logged the same iteration, the later start counts.
    """
    keys = dict.fromkeys(
        curve.key for segment in run.segments for curve in segment.curves if not curve.key.startswith(PREFIX)
    )
    points: dict[int, dict[str, tuple[float, float]]] = {}
    for segment in run.segments:
        points = {iteration: values for iteration, values in points.items() if iteration < segment.first}
        for curve in segment.curves:
            for iteration, logged, planned in zip(curve.iterations, curve.logged, curve.planned, strict=True):
                if curve.key in keys and logged is not None and planned is not None:
                    points.setdefault(iteration, {})[curve.key] = (planned, logged)
    steps = sorted(iteration for iteration, values in points.items() if {*values} == {*keys})
    if not steps:
        return None
    lines = tuple(
        Line(f"{key} {name}", tuple(points[step][key][index] for step in steps))
        for key in keys
        for index, name in enumerate(("planned", "logged"))
    )
    highest = [max(line.values) for line in lines]
    least = min((value for value in highest if value > 0), default=0.0)
    last = run.segments[-1]
    return Chart(
        title="lr",
        unit="iteration",
        length=steps[-1] + 1,
        part=last.iterations_per_epoch,
        steps=tuple(steps),
        lines=lines,
        logarithmic=least > 0 and max(highest) > _FAR_APART * least,
    )
