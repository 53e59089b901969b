"""Changes as tables: for people a row for all that changed alike, for machines a row per aspect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lrdecay_cli.domain.change import ASPECTS, Change, FoldedChange
from lrdecay_cli.domain.report import Column, Table
from lrdecay_cli.text.name_patterns import Universe
from lrdecay_cli.text.printing import natural

# Before and after by aspect: all that changed about a parameter.
_Profile = dict[str, tuple[Any, Any]]

_PARAMETERS = Column("parameters", "parameters", "name", vital=True)
_TENSORS = Column("tensors", "tensors", "integer")
_WHAT_BECAME = Column("state", "what became of it", vital=True)
LONG_COLUMNS = (_PARAMETERS, Column("aspect", "what"), Column("before", "before"), Column("after", "after"), _TENSORS)

# What an engineer looks for first.
_VITAL = ("lr_scale", "lr", "weight_decay")
# Whether a parameter is there at all: told in one column.
_PRESENCE = {
    "added": "added, {after}",
    "removed": "removed, was {before}",
    "renamed": "renamed to {after}",
    "state": "{before} → {after}",
}
_DECAY_GROUP = re.compile(r"layer_-?\d+_(decay|no_decay)$")


def wide_table(changes: Iterable[Change], folded: Iterable[FoldedChange], names: Iterable[str]) -> Table:
    """A row for the parameters that changed alike in everything, a column for each aspect that changed at all.

    Args:
        changes: every change.
        folded: the same, folded: renames are taken from here.
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
    presence = [_WHAT_BECAME] if any(row[0].keys() & _PRESENCE.keys() for row in rows) else []
    columns = (
        _PARAMETERS,
        *presence,
        *(Column(aspect, aspect.replace("_", " "), vital=aspect in _VITAL) for aspect in aspects),
        _TENSORS,
    )
    return Table(
        "",
        columns,
        tuple(
            (pattern, *([_became(profile)] if presence else []), *(_pair(profile, a) for a in aspects), len(members))
            for profile, pattern, members in rows
        ),
    )


def long_table(folded: Iterable[FoldedChange], further: Iterable[tuple[Any, ...]] = ()) -> Table:
    """A row for each aspect of each pattern, numbers in full; behind them ``further`` rows of the same columns."""
    return Table(
        "",
        LONG_COLUMNS,
        (
            *(
                (change.pattern, change.aspect, _raw(change.before), _raw(change.after), change.tensors)
                for change in folded
            ),
            *further,
        ),
    )


def shown_change(before: Any, after: Any) -> str:
    """``before → after`` for people; numbers in full where they look the same in four digits."""
    texts = (shown(before), shown(after))
    if texts[0] == texts[1]:
        texts = (str(before), str(after))
    return " → ".join(texts)


def shown(value: Any) -> str:
    """A value of either side for people."""
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
    """Forget what says no more than the column beside it: a group named for its layer id, frozen and in no group."""
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
    return shown_change(*profile[aspect]) if aspect in profile else ""


def _raw(value: Any) -> Any:
    return "×".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
