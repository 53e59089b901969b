"""Show changes as tables.

In the table for people, parameters with the same changes share a row. In the table for data frames, each changed aspect
has a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import UnsetType

from lrdecay_cli.analysis.lr_factors import factor_of
from lrdecay_cli.domain.change import ASPECTS, Change, FoldedChange, SettingChange, Unset
from lrdecay_cli.domain.report import Column, Table
from lrdecay_cli.text.name_patterns import Universe
from lrdecay_cli.text.printing import natural

# Before and after by aspect: all changes of a parameter.
_Profile = dict[str, tuple[Any, Any]]

_PARAMETERS = Column("parameters", "parameters", "name", vital=True)
_TENSORS = Column("tensors", "tensors", "integer")
_STATE = Column("state", "state", vital=True)
_FACTOR = Column("factor", "factor", "factor", vital=True)
LONG_COLUMNS = (
    _PARAMETERS,
    Column("aspect", "what"),
    Column("before", "before"),
    Column("after", "after"),
    _TENSORS,
    _FACTOR,
)
_NOT_RECORDED = ("lr_scale",)
"""Aspects that every group has. A missing value means that the map lacks the numbers to compute the value."""

# The most important columns first.
_VITAL = ("lr_scale", "lr", "weight_decay")
# Aspects about the presence of a parameter share one column.
_PRESENCE = {
    "added": "added, {after}",
    "removed": "removed, was {before}",
    "renamed": "renamed to {after}",
    "state": "{before} → {after}",
}
_DECAY_GROUP = re.compile(r"layer_-?\d+_(decay|no_decay)$")


def wide_table(changes: Iterable[Change], folded: Iterable[FoldedChange], names: Iterable[str]) -> Table:
    """Return a table with one row for parameters with the same changes, and one column for each aspect that changes.

    Args:
        changes: every change.
        folded: the same changes, combined into name patterns. The rows of renamed parameters are made from these.
        names: every parameter of both maps.
    """
    profiles: dict[str, _Profile] = {}
    for change in changes:
        profiles.setdefault(change.parameter, {})[change.aspect] = (change.before, change.after)
    alike: dict[str, list[str]] = {}
    for name, profile in profiles.items():
        drop_implied(profile)
        if set(profile) - {"renamed"}:
            alike.setdefault(repr({**profile, "renamed": None}), []).append(name)
    universe = Universe(names)
    rows = [
        (profiles[members[0]], pattern, members)
        for together in alike.values()
        for pattern, members in universe.fold(together)
    ]
    rows += [
        ({"renamed": (change.before, change.after)}, change.pattern, list(change.parameters))
        for change in folded
        if change.aspect == "renamed"
    ]
    order = {name: position for position, name in enumerate(profiles)}
    rows.sort(key=lambda row: (natural(row[2][0]), order[row[2][0]], len(row[2])))
    aspects = [aspect for aspect in ASPECTS if aspect not in _PRESENCE and any(aspect in row[0] for row in rows)]
    presence = [_STATE] if any(row[0].keys() & _PRESENCE.keys() for row in rows) else []
    columns = [_PARAMETERS, *presence]
    for aspect in aspects:
        columns.append(Column(aspect, aspect.replace("_", " "), vital=aspect in _VITAL))
        columns += [_FACTOR] if aspect == "lr" else []
    return Table(
        "",
        (*columns, _TENSORS),
        tuple(
            (pattern, *([_became(profile)] if presence else []), *_values(profile, aspects), len(members))
            for profile, pattern, members in rows
        ),
    )


def _values(profile: _Profile, aspects: Iterable[str]) -> Iterator[Any]:
    for aspect in aspects:
        yield _pair(profile, aspect)
        if aspect == "lr":
            factor = factor_of(*profile["lr"]) if "lr" in profile else None
            yield "" if factor is None else factor


def long_table(folded: Iterable[FoldedChange], further: Iterable[tuple[Any, ...]] = ()) -> Table:
    """Return a table with one row for each aspect of each pattern, with all digits, and then the rows ``further``."""
    return Table(
        "",
        LONG_COLUMNS,
        (
            *(
                (
                    *(change.pattern, change.aspect, _raw(change.before), _raw(change.after)),
                    *(change.tensors, change.factor),
                )
                for change in folded
            ),
            *((*row, None) for row in further),
        ),
    )


def shown_setting(setting: SettingChange) -> str:
    """Return the change of a setting: ``0.95 → 0.9``.

    If a map does not contain the setting, its value is shown as ``–`` or ``not recorded``.
    """
    sides = ((setting.before, setting.before_unset), (setting.after, setting.after_unset))
    if setting.before_unset or setting.after_unset or None in (setting.before, setting.after):
        return " → ".join(_setting_side(value, unset) for value, unset in sides)
    return shown_change(setting.before, setting.after)


def _setting_side(value: Any, unset: Unset | UnsetType) -> str:
    if unset:
        return "–" if unset == "absent" else unset
    return "None" if value is None else shown(value)


def shown_change(before: Any, after: Any) -> str:
    """Return ``before → after`` as readable text. If both values have the same first four digits, show all digits."""
    texts = (shown(before), shown(after))
    if texts[0] == texts[1]:
        texts = (str(before), str(after))
    return " → ".join(texts)


def shown(value: Any) -> str:
    """Return a value as readable text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "–"
    if isinstance(value, tuple):
        return "×".join(map(str, value)) or "scalar"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def drop_implied(profile: _Profile) -> None:
    """Remove changes that follow from the change in another column.

    For example, remove the change from group ``layer_1_decay`` to ``layer_2_decay``, because the column with the layer
    id shows this change.
    """
    if "frozen" in profile.get("state", ()):
        profile.pop("frozen", None)
    kinds = [_DECAY_GROUP.match(str(name)) for name in profile.get("group", ())]
    if len(kinds) == 2 and all(kinds) and "layer_id" in profile:
        same_kind = len({kind[1] for kind in kinds if kind}) == 1
        if same_kind or "weight_decay" in profile:
            del profile["group"]


def _became(profile: _Profile) -> str:
    for aspect, (before, after) in profile.items():
        if aspect in _PRESENCE:
            return _PRESENCE[aspect].format(before=before, after=after)
    return ""


def _pair(profile: _Profile, aspect: str) -> str:
    if aspect not in profile:
        return ""
    if aspect in _NOT_RECORDED and None in profile[aspect]:
        return " → ".join("not recorded" if value is None else shown(value) for value in profile[aspect])
    return shown_change(*profile[aspect])


def _raw(value: Any) -> Any:
    return "×".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
