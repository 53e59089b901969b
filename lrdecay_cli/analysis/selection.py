"""Every parameter of a map as one flat entry, and choosing among them by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from lrdecay_cli.analysis.patterns import matches
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import Duplicate, GroupedParameter, GroupMap, Parameter, ParameterGroup

State = Literal["grouped", "frozen", "missing", "duplicate"]


class Entry(msgspec.Struct, frozen=True):
    """A parameter with what became of it; ``group`` is None unless it is grouped."""

    parameter: Parameter | GroupedParameter | Duplicate
    state: State
    group: ParameterGroup | None


def entries(group_map: GroupMap) -> Iterator[Entry]:
    """Every parameter once: grouped ones in the optimizer's order, then frozen, then missing."""
    for group, parameter in group_map.grouped():
        yield Entry(parameter, "grouped", group)
    for frozen in group_map.frozen:
        yield Entry(frozen, "frozen", None)
    for missing in group_map.missing:
        yield Entry(missing, "missing", None)


def select(
    group_map: GroupMap, pattern: str | None, *, where: str = "--filter", duplicates: bool = False
) -> list[Entry]:
    """The entries whose name, module or group matches ``pattern``; all of them for None.

    Args:
        group_map: where to look.
        pattern: a parameter, a module (``backbone.stages.2``) or a group, or a glob for any of these.
        where: the option or argument that the pattern came from, for the error.
        duplicates: match further names of shared tensors too.

    Raises:
        LrdecayError: nothing matches.
    """
    everything = list(entries(group_map))
    if duplicates:
        known = {entry.parameter.name for entry in everything}
        everything += [Entry(other, "duplicate", None) for other in group_map.duplicates if other.name not in known]
    if pattern is None:
        return everything
    chosen = [entry for entry in everything if _matches(entry, pattern)]
    if not chosen:
        modules = {
            name.rsplit(".", n)[0]
            for name in (e.parameter.name for e in everything)
            for n in range(name.count(".") + 1)
        }
        nearest = difflib.get_close_matches(pattern.rstrip(".*"), sorted(modules), n=1)
        remedy = (
            f"did you mean {nearest[0]!r}?" if nearest else "a glob such as 'backbone.*' or a module such as 'backbone'"
        )
        raise LrdecayError(f"no parameter or group matches {pattern!r}", where=where, remedy=remedy)
    return chosen


def name_matches(name: str, pattern: str) -> bool:
    """Whether a parameter is meant by ``pattern``: a glob, a module that it is in, or a pattern as reports print it."""
    globs = fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
    return globs or name.startswith(f"{pattern}.") or matches(pattern, name)


def _matches(entry: Entry, pattern: str) -> bool:
    if name_matches(entry.parameter.name, pattern):
        return True
    return entry.group is not None and fnmatchcase(entry.group.name, pattern)
