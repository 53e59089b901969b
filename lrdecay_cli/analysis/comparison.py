"""What ``diff`` says about two group maps."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lrdecay_cli.analysis.diff import diff
from lrdecay_cli.analysis.folding import fold
from lrdecay_cli.analysis.settings import setting_changes
from lrdecay_cli.domain.change import ASPECTS, Change, FoldedChange, SettingChange
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap, Tool
from lrdecay_cli.domain.report import Column, Note, Report, Table

DIFF_SCHEMA_VERSION = 1
COLUMNS = (
    Column("parameters", "parameters", "name"),
    Column("aspect", "what"),
    Column("before", "before", "rate"),
    Column("after", "after", "rate"),
    Column("tensors", "tensors", "integer"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The JSON document of ``diff``."""

    schema_version: int
    tool: Tool
    before: ConfigSource
    after: ConfigSource
    identical: bool
    settings: tuple[SettingChange, ...]
    """Why parameters differ. A setting that changes no parameter does not count as a difference."""
    changes: tuple[FoldedChange, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The report, and whether there is a difference to report."""

    report: Report
    differs: bool


def check_aspects(only: str | None, rtol: float) -> frozenset[str] | None:
    """The aspects of ``--only`` (comma-separated), None for all. Raises LrdecayError for what cannot be compared by."""
    if not (math.isfinite(rtol) and rtol >= 0):
        raise LrdecayError(f"{rtol!r} is not a tolerance", where="--rtol", remedy="give a number from 0 up, such as 1e-6")
    if only is None:
        return None
    aspects = frozenset(name.strip().replace("-", "_") for name in only.split(","))
    for name in sorted(aspects.difference(ASPECTS)):
        nearest = difflib.get_close_matches(name, ASPECTS, n=1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise LrdecayError(f"unknown aspect {name!r}", where="--only", remedy=f"{hint}one of {', '.join(ASPECTS)}")
    return aspects


def comparison(
    before: GroupMap, after: GroupMap, *, rtol: float = 0.0, only: frozenset[str] | None = None, verbose: bool = False
) -> Comparison:
    """Compare two maps.

    Args:
        before: the first map.
        after: the second map.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: aspects to compare, see :func:`check_aspects`; None for all.
        verbose: name every parameter behind a pattern.
    """
    changes = tuple(diff(before, after, rtol=rtol, only=only))
    folded = tuple(fold(changes, before, after))
    settings = tuple(setting_changes(before, after))
    report = Report(
        facts=(("before", before.config.path), ("after", after.config.path), *_setting_facts(settings)),
        tables=(Table("", COLUMNS, tuple(_row(change) for change in folded)),),
        notes=tuple(_members(folded)) if verbose else (),
        summary=_summary(changes, before, after, only),
        document=Difference(DIFF_SCHEMA_VERSION, after.tool, before.config, after.config, not changes, settings, folded),
    )
    return Comparison(report, differs=bool(changes))


def _setting_facts(settings: tuple[SettingChange, ...]) -> Iterator[tuple[str, str]]:
    for setting in settings:
        yield setting.name, f"{_shown(setting.before)} → {_shown(setting.after)}"


def _row(change: FoldedChange) -> tuple[Any, ...]:
    return (
        change.pattern,
        change.aspect.replace("_", " "),
        _cell(change.before),
        _cell(change.after),
        change.tensors,
    )


def _cell(value: Any) -> Any:
    """A number as it is, so that the format decides how it is written; the rest as text."""
    return value if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) else _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return "×".join(map(str, value)) or "scalar"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _members(folded: tuple[FoldedChange, ...]) -> Iterator[Note]:
    for change in folded:
        if change.tensors > 1:
            yield Note(f"{change.pattern}: {change.aspect.replace('_', ' ')}", "info", change.parameters)


def _summary(changes: tuple[Change, ...], before: GroupMap, after: GroupMap, only: frozenset[str] | None) -> str:
    compared = f" in {', '.join(sorted(only)).replace('_', ' ')}" if only else ""
    total = max(before.model.totals.tensors, after.model.totals.tensors)
    if not changes:
        return f"same{compared}: {total} tensors"
    differing = len({change.parameter for change in changes})
    counts = Counter(change.aspect for change in changes)
    told = ", ".join(f"{aspect.replace('_', ' ')} {counts[aspect]}" for aspect in ASPECTS if aspect in counts)
    return f"different{compared}: {differing} of {total} tensors ({told})"
