"""Build the report of the command ``schedule``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.analysis.scheduling.notes import fastest, name_of, notes
from lrdecay_cli.decay.batch_scaling import batch_facts
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.report import Chart, Column, Line, Report, Result, Table
from lrdecay_cli.domain.schedule import Moments, RunScheduler, Schedule, TrainingPlan
from lrdecay_cli.text.counting import count, listed, options_text

# Learning rates with a larger ratio than this are drawn on a logarithmic scale.
_FAR_APART = 30


def schedule_report(
    schedule: Schedule,
    plan: TrainingPlan,
    *,
    verbose: bool = False,
    findings: Sequence[Finding] = (),
) -> Result[Schedule]:
    """Return the report on a schedule.

    Args:
        schedule: the schedule to report.
        plan: the settings of the run in the config.
        verbose: also show the versions of packages, and which groups have the same values over the whole run.
        findings: findings of the rules about schedulers.
    """
    report = Report(
        facts=tuple(_facts(schedule, verbose)),
        tables=tuple(_tables(schedule, plan, verbose)),
        notes=tuple(notes(schedule, plan, findings)),
        summary=_summary(schedule),
        rows=_rows(schedule),
        chart=_chart(schedule),
    )
    return Result(schedule, report)


def _facts(schedule: Schedule, verbose: bool) -> Iterator[tuple[str, str]]:
    length = schedule.length
    yield "config", schedule.config.path
    if schedule.config.overrides:
        yield "overrides", options_text(schedule.config.overrides)
    yield "optimizer", schedule.optimizer
    yield from batch_facts(schedule.batch)
    yield "run", f"{_run(schedule)} ({schedule.loop})"
    if length.iterations_per_epoch is not None or length.unit == "epoch":
        known = f"{length.iterations_per_epoch:,}: " if length.iterations_per_epoch is not None else ""
        yield "iterations per epoch", f"{known}{length.source}"
    for scheduler in schedule.schedulers:
        yield "scheduler", _scheduler(scheduler)
    if schedule.rehearsal:
        yield "made by", f"a dry run of the training with {listed(schedule.rehearsal.hooks) or 'no hooks'}"
    if verbose:
        yield "made with", ", ".join(f"{name} {version}" for name, version in schedule.stack.items())


def _run(schedule: Schedule) -> str:
    length = schedule.length
    if length.unit == "iteration" and length.epochs is not None:
        return f"{length.epochs:,} epochs, {length.steps:,} iterations"
    return f"{length.steps:,} {length.unit}s"


def _scheduler(scheduler: RunScheduler) -> str:
    unit = "epoch" if scheduler.by_epoch else "iteration"
    span = (
        f"{unit}s {scheduler.begin:,} to {scheduler.end:,}"
        if scheduler.end is not None
        else f"from {unit} {scheduler.begin:,}"
    )
    of = f" of {scheduler.optimizer}" if scheduler.optimizer else ""
    words = [f"{scheduler.type}{of}", scheduler.parameter, span]
    if scheduler.warm_up:
        words.append("warm-up")
    if scheduler.converted:
        words.append("converted from epochs")
    # The settings are shown as in the config: in epochs, even if converted.
    return ", ".join(words) + (f": {options_text(scheduler.options)}" if scheduler.options else "")


def _tables(schedule: Schedule, plan: TrainingPlan, verbose: bool) -> Iterator[Table]:
    parameters = list(dict.fromkeys(name for curve in schedule.curves for name in curve.moments))
    for name in parameters:
        yield _by_curve(schedule, name, titled=len(parameters) > 1)
    yield _log(schedule, plan.digits)
    if verbose:
        columns = (
            Column("curve", "groups", "name", vital=True),
            Column("group", "group", "name"),
            Column("where", "where", "name"),
        )
        rows = (
            (curve.label if not index else "", group, ", ".join(curve.where) if not index else "")
            for curve in schedule.curves
            for index, group in enumerate(curve.groups)
        )
        yield Table("the groups", columns, tuple(rows))


def _by_curve(schedule: Schedule, name: str, *, titled: bool) -> Table:
    warm = schedule.warm_up_end is not None
    lr = name == "lr"
    columns = [
        Column("curve", "groups", "name", vital=True),
        Column("group_count", "count", "integer"),
        Column("start", "start", "rate", vital=True),
        *([Column("after_warm_up", "after warm-up", "rate", vital=True)] if warm else []),
        *([] if lr else [Column("lowest", "lowest", "rate", vital=True)]),
        Column("peak", "peak" if lr else "highest", "rate", vital=True),
        *([Column("peak_step", f"peak at {schedule.length.unit}", "integer")] if lr else []),
        Column("end", "end", "rate", vital=True),
    ]
    rows = []
    for curve in schedule.curves:
        if (moments := curve.moments.get(name)) is None:
            continue
        rows.append(
            (
                curve.label,
                len(curve.groups),
                moments.start,
                *([moments.after_warm_up] if warm else []),
                *([] if lr else [moments.lowest]),
                moments.peak,
                *([moments.peak_step] if lr else []),
                moments.end,
            )
        )
    return Table(name if titled else "", tuple(columns), tuple(rows))


def _log(schedule: Schedule, digits: int) -> Table:
    """Return a table of the lrs that mmengine's log prints.

    If the log omits the group with the highest lr, the table has an additional row for this group.
    """
    warm = schedule.warm_up_end is not None
    columns = (
        Column("key", "in the log", "text", vital=True),
        Column("of", "shows the lr of", "name", vital=True),
        # The first value of a warm-up is never printed: the first line comes some iterations later.
        Column("after_warm_up", "after warm-up", "text", vital=True)
        if warm
        else Column("start", "start", "text", vital=True),
        Column("peak", "peak", "text", vital=True),
        Column("end", "end", "text", vital=True),
    )

    def row(key: str, of: str, moments: Moments) -> tuple[str, ...]:
        shown = [moments.after_warm_up if warm else moments.start, moments.peak, moments.end]
        return (key, of, *("" if value is None else f"{value:.{digits}e}" for value in shown))

    own = "the optimizer's own lr"
    if schedule.batch and schedule.batch.lr_factor is not None:
        own += ", which auto_scale_lr does not scale"
    rows = []
    for entry in schedule.log:
        of = own if entry.group is None else f"{entry.group} (first group)"
        rows.append(row(entry.key, of, entry.moments))
    curves = schedule.curves
    logged = [curves[entry.curve] for entry in schedule.log if entry.curve is not None]
    heads = dict.fromkeys(fastest(schedule, curve.optimizer) for curve in logged)
    rows += [
        row("–", name_of(curves[head]), curves[head].moments["lr"]) for head in heads if curves[head] not in logged
    ]
    return Table("mmengine's log line", columns, tuple(rows))


def _rows(schedule: Schedule) -> Table:
    """Return a table for data frames. Each set of groups with the same values has one row for each sampled step."""
    parameters = list(dict.fromkeys(name for curve in schedule.curves for name in curve.values))
    per_epoch = schedule.length.iterations_per_epoch if schedule.length.epochs else None
    columns = (
        Column(schedule.length.unit, schedule.length.unit, "integer"),
        *([Column("epoch", "epoch", "integer")] if per_epoch else []),
        Column("groups", "groups", "name"),
        *(Column(name, name, "rate") for name in parameters),
    )
    rows = tuple(
        (
            step,
            *([step // per_epoch] if per_epoch else []),
            curve.label,
            *(curve.values[name][index] if name in curve.values else None for name in parameters),
        )
        for index, step in enumerate(schedule.samples)
        for curve in schedule.curves
    )
    return Table("", columns, rows)


def _chart(schedule: Schedule) -> Chart:
    peaks = [curve.moments["lr"].peak for curve in schedule.curves]
    least = min((peak for peak in peaks if peak > 0), default=0.0)
    return Chart(
        title="lr",
        unit=schedule.length.unit,
        length=schedule.length.steps,
        part=schedule.length.iterations_per_epoch if schedule.length.epochs else None,
        steps=schedule.samples,
        lines=tuple(Line(curve.label, curve.values["lr"]) for curve in schedule.curves),
        logarithmic=least > 0 and max(peaks) > _FAR_APART * least,
    )


def _summary(schedule: Schedule) -> str:
    groups = sum(len(curve.groups) for curve in schedule.curves)
    peaks = [curve.moments["lr"].peak for curve in schedule.curves]
    ends = [curve.moments["lr"].end for curve in schedule.curves]
    alike = f"{count(groups, 'group')} in {count(len(schedule.curves), 'curve')}"
    return f"{_run(schedule)}; {alike}; peak {_span(peaks)}, end {_span(ends)}"


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"
