"""Build the report of ``dry-run``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli.analysis.explaining.tables import step_text
from lrdecay_cli.analysis.scheduling.curves import in_head
from lrdecay_cli.domain.dry_run import DryRun, GroupRun
from lrdecay_cli.domain.report import Column, Note, Report, Result, Section, Table
from lrdecay_cli.text.counting import count, listed, rate
from lrdecay_cli.text.name_patterns import Universe
from lrdecay_cli.text.printing import natural

_COLUMNS = (
    Column("groups", "groups", "name", vital=True),
    Column("tensors", "tensors", "integer"),
    Column("frozen", "frozen", "integer"),
    Column("built_lr", "lr as built", "rate"),
    Column("first_lr", "first", "rate", vital=True),
    Column("lr_after_warm_up", "after warm-up", "rate"),
    Column("peak_lr", "peak", "rate"),
    Column("peak_iteration", "at", "integer"),
    Column("last_lr", "end", "rate", vital=True),
    Column("set_by", "lr set by"),
    Column("weight_decay", "weight decay", "rate"),
    Column("step", "step", "scale"),
    Column("expected_step", "expected", "scale"),
    Column("decay_use", "use of weight decay"),
)
_STATES = (
    Column("iteration", "iteration", "integer"),
    Column("cause", "who", vital=True),
    Column("change", "what"),
    Column("tensors", "tensors", "integer"),
    Column("parameters", "parameters", "name", vital=True),
)


def dry_run_report(run: DryRun, findings: Iterable[Section], verdict: str) -> Result[DryRun]:
    """Return the report of a dry run.

    Args:
        run: the record of the dry run.
        findings: sections with the findings of the rules.
        verdict: the number of findings, in words.
    """
    groups = list(_groups(run))
    head = f"{count(run.iterations, 'iteration')}, {count(len(run.groups), 'group')}"
    states = f"{count(len(run.frozen), 'tensor')} frozen at the end"
    return Result(
        run,
        Report(
            facts=tuple(_facts(run)),
            tables=(
                Table("learning rates in the training (iterations count from 0)", _COLUMNS, tuple(groups)),
                *_states(run),
            ),
            notes=tuple(_notes(run)),
            summary=f"{head}; {states}; {verdict}",
            sections=tuple(findings),
        ),
    )


def _facts(run: DryRun) -> Iterator[tuple[str, str]]:
    yield "config", run.config.path
    yield "optimizer", ", ".join(run.optimizer_labels)
    epochs = f"{count(run.epochs, 'epoch')} of {run.iterations_per_epoch:,}: " if run.epochs else ""
    yield "run", f"{epochs}{count(run.iterations, 'iteration')}"
    if run.resumed_from:
        yield "resumed from", f"{run.resumed_from}, at iteration {_first_iteration(run):,}"
    yield "batch", f"{run.batch_size} on {count(run.gpus, 'GPU')}"
    yield "auto_scale_lr", "off: no lr is scaled" if run.lr_factor is None else f"every lr × {rate(run.lr_factor)}"
    head = [group.name for group in run.groups if group.named and any(map(in_head, group.parameters))]
    head.sort(key=natural)
    if head and len(head) < len(run.groups):
        yield "head", f"in {listed(head)}"
    yield "hooks", ", ".join(run.hooks)
    if run.first_log:
        yield "first log line", f"{run.first_log.text} (at iteration {run.first_log.iteration:,})"


def _groups(run: DryRun) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table of groups. Groups with equal values in all columns share a row.

    A group without a name is shown as patterns of its parameter names.
    """
    universe = Universe(name for group in run.groups for name in group.parameters)
    frozen = {*run.frozen}
    alike: dict[tuple[object, ...], list[GroupRun]] = {}
    for group in run.groups:
        alike.setdefault(_values(group), []).append(group)
    for values, groups in sorted(alike.items(), key=lambda row: _place(row[1])):
        held = [name for group in groups for name in group.parameters]
        names = [group.name for group in groups if group.named]
        label = names if len(names) == len(groups) else [pattern for pattern, _ in universe.fold(held)]
        yield " ".join(label), len(held), len(frozen.intersection(held)), *values


_LAYER = re.compile(r"layer_\d+_", re.ASCII)


def _place(groups: Sequence[GroupRun]) -> tuple[object, ...]:
    """Return the sort key of a row: the layer id in the groups' names. Rows without a layer id keep their order."""
    name = min((group.name for group in groups if group.named and _LAYER.match(group.name)), key=natural, default=None)
    return () if name is None else (natural(name),)


def _values(group: GroupRun) -> tuple[object, ...]:
    effect = group.effect
    return (
        group.built_lr,
        group.first.lr,
        group.after_warm_up.lr if group.after_warm_up else None,
        group.peak.lr,
        group.peak.iteration,
        group.last.lr,
        ", ".join(cause.name for cause in group.causes),
        group.weight_decay,
        None if effect is None or effect.step is None else float(f"{effect.step:.3g}"),
        None if effect is None or effect.expected is None else float(f"{effect.expected:.3g}"),
        None if effect is None else effect.decay,
    )


def _states(run: DryRun) -> Iterator[Table]:
    if run.states:
        held = [name for group in run.groups for name in group.parameters]
        universe = Universe([*held, *(name for change in run.states for name in change.parameters)])
        rows = tuple(
            (
                change.cause.iteration,
                change.cause.name,
                "unfreezes" if change.trainable else "freezes",
                len(change.parameters),
                " ".join(pattern for pattern, _ in universe.fold(change.parameters)),
            )
            for change in run.states
        )
        yield Table("tensors that are frozen or unfrozen during the run", _STATES, rows)


def _first_iteration(run: DryRun) -> int:
    return min((group.first.iteration for group in run.groups), default=0)


def _notes(run: DryRun) -> Iterator[Note]:
    if run.resumed_from:
        yield Note(
            "mmengine restores the groups and schedulers that the checkpoint contains, and ignores those of the config",
            "warning",
            (f"to compare them: lrdecay diff {shlex.quote(run.config.path)} {shlex.quote(run.resumed_from)}",),
        )
    by_formula: dict[tuple[str, str], int] = {}
    for group in run.groups:
        for step in group.from_gpus:
            key = (step.rule, step_text(step))
            by_formula[key] = by_formula.get(key, 0) + len(group.parameters)
    for (rule, numbers), tensors in by_formula.items():
        yield Note(f"the number of GPUs affects {count(tensors, 'tensor')}: {rule} = {numbers}")
    if run.unmoved:
        yield Note(
            f"{count(len(run.unmoved), 'tensor')} with a gradient did not change in the first steps",
            "warning",
            run.unmoved[:10],
        )
    if run.in_validation:
        acting = tuple(f"{each.name}: {each.reason}" for each in run.in_validation)
        yield Note("validation is not run, so changes that hooks make in validation are not shown", "warning", acting)
    for failed in (True, False):
        by_reason: dict[str, list[str]] = {}
        for left in run.left_out:
            if left.failed is failed:
                by_reason.setdefault(left.reason, []).append(left.name)
        reasons = tuple(f"{listed(names)}: {reason}" for reason, names in by_reason.items())
        number = sum(map(len, by_reason.values()))
        if failed and reasons:
            yield Note("some parts of the config could not run here, so their changes are unknown", "warning", reasons)
        elif reasons:
            yield Note(f"{count(number, 'hook')} left out", "info", reasons)
    yield Note("forward, loss and backward are not run, so changes that they make are not detected")
