"""Build the report of ``inspect`` on a group map."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lrdecay_cli.analysis.checkpoints import checkpoint_facts, checkpoint_notes
from lrdecay_cli.analysis.findings import notes_among
from lrdecay_cli.analysis.inspecting import views
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.analysis.stacks import made_with
from lrdecay_cli.analysis.unrun import unrun_notes
from lrdecay_cli.decay.batch_scaling import batch_facts
from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.domain.report import Column, Note, Report, Result, Table
from lrdecay_cli.files.config_path import SEPARATOR
from lrdecay_cli.text.counting import count, options_text
from lrdecay_cli.text.name_patterns import fold_names
from lrdecay_cli.text.printing import natural
from lrdecay_cli.text.spelling import as_key

VIEWS: dict[str, tuple[tuple[Column, ...], Callable[[GroupMap, Sequence[Tensor]], Table]]] = {
    "group": (views.GROUP_COLUMNS, views.by_group),
    "layer": (views.LAYER_COLUMNS, views.by_layer),
    "parameter": (views.PARAMETER_COLUMNS, views.by_parameter),
    "module": (views.MODULE_COLUMNS, views.by_module),
}
"""For each view of ``--by``, its columns and the function that returns its table."""


def check_view(by: str, sort: str | None) -> None:
    """Raise LrdecayError if there is no view ``by``, or if this view has no column ``sort``.

    Commands call this before they build a model, which is slow.
    """
    if by not in VIEWS:
        raise not_one_of(f"unknown view {by!r}", by, VIEWS, where="--by")
    if sort is None:
        return
    if by == "module":
        raise LrdecayError("a module tree cannot be sorted", where="--sort", fix="use --by parameter to sort")
    _column(VIEWS[by][0], sort)


def _column(columns: Sequence[Column], sort: str) -> int:
    """Return the index of the column that ``sort`` names, by its key or its heading."""
    named = as_key(sort.removeprefix("-"))
    # Keys first: the heading of the key "name" is "parameter", and "parameters" is another column's key.
    spelled = {
        **{as_key(column.title): place for place, column in enumerate(columns)},
        **{as_key(column.key): place for place, column in enumerate(columns)},
    }
    if named not in spelled:
        raise not_one_of(f"no column {sort!r} in this view", named, [column.key for column in columns], where="--sort")
    return spelled[named]


def inspection(
    group_map: GroupMap,
    *,
    by: str = "group",
    pattern: str | None = None,
    sort: str | None = None,
    verbose: bool = False,
    findings: Sequence[Finding] = (),
) -> Result[GroupMap]:
    """Return the report on a group map.

    Args:
        group_map: the map.
        by: one of ``VIEWS``.
        pattern: only parameters with a matching name, module or group, see :func:`selection.select`.
        sort: key or heading of a column, with ``-`` in front for descending order. None sorts by layer id, and keeps a
            tree in the model's order.
        findings: findings of the rules in the map.
        verbose: show versions and stubs too.

    Raises:
        LrdecayError: the view or the column is unknown, or nothing matches ``pattern``.
    """
    check_view(by, sort)
    chosen = select(group_map, pattern)
    table = VIEWS[by][1](group_map, chosen)
    report = Report(
        facts=tuple(_facts(group_map, verbose)),
        tables=(table if by == "module" else _sorted(table, sort or "layer_id"),),
        notes=tuple(_notes(group_map, views.each_once(chosen), verbose, findings)),
        summary=_summary(group_map, views.each_once(chosen) if pattern is not None else None),
        next_step=_next_step(group_map, findings),
    )
    return Result(group_map, report)


def _next_step(group_map: GroupMap, findings: Sequence[Finding]) -> str:
    """Return the ``lrdecay check`` command that the user should run next; empty without findings.

    If ``check --fix`` can apply a fix, the command shows the fixes (``--diff``). Otherwise it shows the findings.
    """
    config = group_map.config.path
    if not findings or group_map.live:
        return ""
    command = f"lrdecay check {shlex.quote(config)}"
    editable = SEPARATOR not in config and not group_map.checkpoint
    # check --fix leaves infos unchanged.
    mistakes = (finding for finding in findings if finding.severity != "info")
    if editable and any(fix.automatic for finding in mistakes for fix in finding.fixes):
        return f"{command} --diff  # shows the fixes; --fix applies them"
    return command


def _facts(group_map: GroupMap, verbose: bool) -> Iterator[tuple[str, str]]:
    optimizer = group_map.optimizer
    live = group_map.live
    yield "checkpoint" if group_map.checkpoint else "program" if live else "config", group_map.config.path
    if group_map.checkpoint:
        yield from checkpoint_facts(group_map.checkpoint)
    if group_map.config.overrides:
        yield "overrides", options_text(group_map.config.overrides)
    yield "model", f"{group_map.model.type}, {group_map.model.totals.parameters:,} parameters"
    options = optimizer.options
    if live:
        # Every option of the class is there. Options that are off are not informative.
        options = {key: value for key, value in options.items() if value is not None and value is not False}
    else:
        yield "backbone", group_map.model.backbone or "none"
        yield "constructor", group_map.constructor.type
        yield "paramwise_cfg", options_text(group_map.constructor.options) or "none"
    yield "optimizer", f"{optimizer.type} ({options_text(options)})" if options else optimizer.type
    if live and live.schedulers:
        yield "schedulers", ", ".join(each.name for each in live.schedulers)
    if optimizer.turns:
        yield "take turns", "; ".join(f"{turn[0]} … {turn[-1]} ({len(turn)})" for turn in optimizer.turns)
    yield "base lr", "none" if group_map.base_lr is None else f"{group_map.base_lr:g}"
    yield "base weight decay", "none" if group_map.base_weight_decay is None else f"{group_map.base_weight_decay:g}"
    kept: dict[str, list[str]] = {}
    for key, precision in {pair for group in group_map.groups for pair in (group.precisions or {}).items()}:
        kept.setdefault(precision, []).append(key)
    if kept:
        yield "precision", "; ".join(f"{', '.join(sorted(kept[name]))} in {name}" for name in sorted(kept))
    yield from batch_facts(group_map.batch)
    if verbose:
        yield "wrapper", optimizer.wrapper
        yield "device", group_map.device
        tool = f"{group_map.tool.name} {group_map.tool.version}"
        yield "made with", ", ".join([tool, *map(str, made_with(group_map).values())])
        yield "sha256", group_map.config.sha256


def _sorted(table: Table, sort: str) -> Table:
    """Return the table sorted by one column: numbers before texts, missing values last.

    A leading ``-`` means descending.
    """
    index = _column(table.columns, sort)
    present = [row for row in table.rows if row[index] is not None]
    absent = [row for row in table.rows if row[index] is None]
    present.sort(key=lambda row: _sort_key(row[index]), reverse=sort.startswith("-"))
    return Table(table.title, table.columns, (*present, *absent))


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (True, natural(value)) if isinstance(value, str) else (False, value)


def _notes(group_map: GroupMap, chosen: Sequence[Tensor], verbose: bool, findings: Sequence[Finding]) -> Iterator[Note]:
    universe = group_map.names()

    def note(text: str, members: Sequence[Tensor]) -> Note:
        names = [tensor.name for tensor in members]
        folded = (f"{pattern}  ({count(len(matched), 'tensor')})" for pattern, matched in fold_names(names, universe))
        numel = sum(tensor.numel for tensor in members)
        return Note(f"{text}: {count(len(members), 'tensor')}, {numel:,} parameters", "info", tuple(folded))

    frozen = [tensor for tensor in chosen if tensor.state == "frozen"]
    held = [tensor for tensor in chosen if tensor.state == "frozen_in_group"]
    for text, members in (
        ("frozen, in no group", frozen),
        ("frozen, but in a group", [tensor for tensor in held if not tensor.by_train]),
        ("frozen by train() after the optimizer is built, still in groups", [t for t in held if t.by_train]),
        ("unfrozen by train() after the optimizer is built", [t for t in chosen if t.by_train and t.trainable]),
        (
            "moving averages of other modules, which need no optimizer",
            [t for t in chosen if t.averaged and t.state == "missing"],
        ),
    ):
        if members:
            yield note(text, members)
    yield from notes_among(findings, [tensor.name for tensor in chosen], universe)
    if group_map.duplicates:
        shared = tuple(f"{duplicate.name} is {duplicate.of}" for duplicate in group_map.duplicates)
        details = shared if verbose or len(shared) <= 8 else (*shared[:8], f"… {len(shared) - 8} more with -v")
        text = f"duplicates: {count(len(shared), 'further name')} of shared tensors; each shared tensor is counted once"
        yield Note(text, "info", details)
    yield from checkpoint_notes(group_map)
    yield from unrun_notes((group_map,))
    if verbose and group_map.stubs:
        details_text = tuple(f"{stub.name}: {stub.reason}" for stub in group_map.stubs)
        yield Note("stubs", "info", details_text)


def _summary(group_map: GroupMap, chosen: Sequence[Tensor] | None) -> str:
    totals = group_map.model.totals
    held = sum(tensor.state == "frozen_in_group" for tensor in group_map.tensors())
    by_train = sum(tensor.frozen_by_train for tensor in group_map.tensors())
    details_text = ", ".join([f"{held} in groups"] * bool(held) + [f"{by_train} by train()"] * bool(by_train))
    parts = [
        f"{count(len(group_map.groups), 'group')} with {totals.grouped_tensors} of {count(totals.tensors, 'tensor')}",
        f"{totals.grouped_parameters:,} of {totals.parameters:,} parameters",
        f"{totals.frozen_tensors + held} frozen{f' ({details_text})' if details_text else ''}",
        f"{totals.missing_tensors} missing",
        f"{count(totals.duplicate_names, 'duplicate')}",
    ]
    shown = f" (shown: {count(len(chosen), 'tensor')})" if chosen is not None else ""
    return "; ".join(parts) + shown
