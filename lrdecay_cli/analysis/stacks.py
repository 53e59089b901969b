"""Compare the package versions with which two group maps were made, to find why their groups differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.stack import Cause, Distribution, PackageChange
from lrdecay_cli.files.config_path import SEPARATOR
from lrdecay_cli.text.counting import listed


def made_with(group_map: GroupMap) -> Mapping[str, Distribution]:
    """Return, by import name, the PyPI name and the version of each package that a map records.

    If the map does not record the PyPI name of a package, the import name is used instead.
    """
    known = group_map.distributions or {}
    return {name: known.get(name) or Distribution(name, version) for name, version in group_map.stack.items()}


def package_changes(before: GroupMap, after: GroupMap) -> tuple[PackageChange, ...]:
    """Return every package whose version or PyPI name differs between the two maps.

    Only packages that both maps record are compared. PyPI names are compared only if both maps record PyPI names. The
    result is empty if a map is from a checkpoint.
    """
    if before.checkpoint or after.checkpoint:
        return ()
    olds, news = made_with(before), made_with(after)
    named = bool(before.distributions) and bool(after.distributions)
    return tuple(
        PackageChange(name, olds[name], news[name])
        for name in sorted(olds.keys() & news.keys())
        if (olds[name] != news[name] if named else before.stack[name] != after.stack[name])
    )


def cause_of(before: GroupMap, after: GroupMap, packages: Sequence[PackageChange]) -> Cause | None:
    """Return why the groups of two maps differ: because of the config, the installed packages, or possibly both.

    Returns None if the config and the packages are the same in both maps, or if a map is from a checkpoint.
    """
    if before.checkpoint or after.checkpoint:
        return None
    same_text = before.config.sha256 == after.config.sha256
    if not packages:
        return None if same_text else "config"
    if same_text:
        return "stack"
    shared = before.config.path == after.config.path and before.config.overrides == after.config.overrides
    return "zoo" if shared and SEPARATOR in before.config.path else "config or stack"


def stack_notes(cause: Cause | None, path: str) -> Iterator[Note]:
    """Yield a note if packages may be the cause of a difference.

    Args:
        cause: see :func:`cause_of`; None if the maps are equal.
        path: the config of the second map.
    """
    texts = {
        "stack": "the installed packages are the cause: the resolved configs are the same",
        "zoo": f"the installed packages are the cause: they contain different versions of {path}",
        "config or stack": "the cause may be the installed packages or the config (with its base configs): both differ",
    }
    if cause in texts:
        yield Note(texts[cause])


def stack_fact(packages: Sequence[PackageChange]) -> Iterator[tuple[str, str]]:
    """Yield a line for the header of a report: the changed packages. Yield nothing if ``packages`` is empty."""
    if packages:
        yield "stack", listed(f"{change.before} → {change.after}" for change in packages)
