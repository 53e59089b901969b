"""Build the report of ``scan``: a row for each config, and the reason for each config without a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from lrdecay_cli.constructors import short_name
from lrdecay_cli.domain.report import Column, Note, Report, Result, Table
from lrdecay_cli.domain.scan import OK, Scan, ScanRecord
from lrdecay_cli.scanning.outliers import outliers_of, shortened
from lrdecay_cli.scanning.scan import Timed
from lrdecay_cli.text.counting import count

COLUMNS = (
    Column("config", "config", "name", vital=True),
    Column("status", "status", vital=True),
    Column("constructor", "constructor"),
    Column("groups", "groups", "integer"),
    Column("tensors", "tensors", "integer"),
    Column("lr", "lr", vital=True),
    Column("lr_scale", "lr scale", vital=True),
    Column("frozen", "frozen", "integer"),
    Column("missing", "missing", "integer"),
    Column("seconds", "time"),
)
_FIELDS = ScanRecord.__struct_fields__


def report_of(
    timed: Sequence[Timed], document: Scan, *, verbose: bool = False, notes: Sequence[Note] = ()
) -> Result[Scan]:
    """Return the report of a scan.

    Args:
        timed: the records with their build times, in the order of ``document``.
        document: the JSON document with the same records.
        verbose: list every config without a map.
        notes: further notes to show in the report.
    """
    by_status = Counter(record.status for record in document.records)
    ranked = sorted(by_status.items(), key=lambda item: (item[0] != OK, item[0]))
    counts = ", ".join(f"{number} {status}" for status, number in ranked)
    outliers, outlier_notes = outliers_of(document.records, verbose=verbose)
    # Outliers first: they are what a scan of many configs looks for.
    first = sorted(timed, key=lambda each: each.record.config not in outliers)
    facts, table = _without_constant_columns(Table("", COLUMNS, tuple(map(_row, first))))
    report = Report(
        facts=facts,
        tables=(table,),
        notes=(*outlier_notes, *_reasons(document.records, verbose), *notes),
        summary=f"{count(len(timed), 'config')}: {counts}",
        rows=Table(
            "", tuple(Column(name, name) for name in _FIELDS), tuple(map(attrgetter(*_FIELDS), document.records))
        ),
    )
    return Result(document, report)


def _without_constant_columns(table: Table) -> tuple[tuple[tuple[str, str], ...], Table]:
    """Remove each column with only one value from a table.

    Returns:
        Two values: a fact for the report, which lists the removed columns with their values, and the smaller table.
    """
    if len(table.rows) < 2:
        return (), table
    values = [{*cells} for cells in zip(*table.rows, strict=True)]
    same = [len(each) == 1 for each in values]
    alike = [
        f"{column.title} {value}"
        for column, each, constant in zip(table.columns, values, same, strict=True)
        if constant and (value := next(iter(each))) is not None
    ]
    kept = [index for index, constant in enumerate(same) if not constant]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    facts = (("in all", ", ".join(alike)),) if alike else ()
    return facts, Table(table.title, tuple(table.columns[index] for index in kept), rows)


def _row(timed: Timed) -> tuple[Any, ...]:
    record = timed.record
    return (
        record.config,
        record.status,
        record.constructor and short_name(record.constructor, record.constructor_module),
        record.groups,
        record.tensors,
        _range(record.lr_min, record.lr_max),
        _range(record.lr_scale_min, record.lr_scale_max),
        record.frozen,
        record.missing,
        None if timed.seconds is None else f"{timed.seconds:.2f} s",
    )


def _range(low: float | None, high: float | None) -> str | None:
    if low is None or high is None:
        return None
    return f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}"


def _reasons(records: Iterable[ScanRecord], verbose: bool) -> Iterator[Note]:
    """Yield a note for each status other than ok, with the problems of the configs that have this status."""
    by_status: dict[str, list[ScanRecord]] = {}
    for record in records:
        if record.status != OK:
            by_status.setdefault(record.status, []).append(record)
    for status, having in sorted(by_status.items()):
        details = shortened([f"{record.config}: {record.problem}" for record in having], verbose)
        configs = count(len(having), "config")
        if having[0].failed:
            yield Note(f"{configs} without a map: {status}", "warning", details)
        else:
            yield Note(f"{configs} not for training: {status}", "info", details)
