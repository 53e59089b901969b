"""Convert the recorded inputs of a build to the evidence of a cache entry: all inputs with their state.

Modules that are imported after the conversion are inputs too: :func:`with_modules` adds their files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.util import cache_from_source, source_from_cache
from typing import TYPE_CHECKING, Any

from lrdecay_cli.cache.environment import EnvironmentReads
from lrdecay_cli.cache.evidence import (
    all_variables,
    content,
    distribution_files,
    empty_evidence,
    is_installed,
    names_among,
    names_in,
    stamp,
    variable,
)

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence

_COMPILED = os.path.basename(cache_from_source("x.py"))[1:]
_WHOLE_SECOND = 1_000_000_000
# Stamps of installed files, taken by this process after reading them: forked children reuse them.
_stamps: dict[str, list[int]] = {}


class Gathered:
    """The recorded inputs of a build, for example opened files and searched folders."""

    def __init__(self) -> None:
        self.stems: set[str] = set()
        """Names of top-level modules that were looked up."""
        self.search: set[str] = set()
        """Entries of ``sys.path`` that were searched."""
        self.packages: dict[str, set[str]] = {}
        """For each folder of a package: the names of the modules that were looked up in this folder."""
        self.listed: set[str] = set()
        self.opened: dict[str, list[int] | None] = {}
        """For each opened file: its stamp (times and size) before the file was first opened."""
        self.written: set[str] = set()
        self.temporary: list[str] = []
        """Temporary folders, each with a path separator at the end."""
        self.compiled: set[str] = set()
        """Compiled modules (``.pyc``) that were opened."""
        self.libraries: set[str] = set()

    def add(self, other: Gathered) -> None:
        """Add the inputs of an earlier recording. If both have a stamp of the same file, the earlier stamp is used."""
        for mine, others in (
            (self.stems, other.stems),
            (self.search, other.search),
            (self.listed, other.listed),
            (self.written, other.written),
            (self.compiled, other.compiled),
            (self.libraries, other.libraries),
        ):
            mine |= others
        for folder, names in other.packages.items():
            self.packages.setdefault(folder, set()).update(names)
        # The first stamp counts.
        self.opened.update(other.opened)
        self.temporary += other.temporary


class InputChangedError(Exception):
    """Raised if an input changed during the build."""


def gather(seen: Gathered, environment: EnvironmentReads, before: int) -> Evidence | str:
    """Return all recorded inputs with their states. If an input is not stable, return the reason as text.

    ``before`` is a time in nanoseconds since 1970. An input is not stable if it changed at this time or later.
    """
    first = environment.at_first
    evidence = empty_evidence()
    evidence["variables"] = {name: variable(first, name) for name in sorted(environment.names)}
    evidence["environment"] = all_variables(first) if environment.all else None
    seen.stems.update(name.partition(".")[0] for name in list(sys.modules))
    seen.search.update(sys.path)
    try:
        _add_files(evidence, module_files(list(sys.modules.values())), before)
        _add_files(evidence, map(source_of, seen.compiled), before)
        _add_files(evidence, seen.libraries | _mapped_libraries(), before, by_stamp=True)
        _add_opened(evidence, seen, before)
        _add_folders(evidence, seen, before)
    except InputChangedError as error:
        return f"{error} changed while it was read"
    return evidence


def with_modules(evidence: Evidence, before: int) -> Evidence | str:
    """Return a copy of ``evidence`` that also contains the files of all loaded modules.

    ``before`` is a time in nanoseconds since 1970. If a module changed at this time or later, the function returns the
    reason as text.
    """
    wider: Evidence = {
        **evidence,
        "own": dict(evidence["own"]),
        "installed": {folder: dict(files) for folder, files in evidence["installed"].items()},
    }
    stems = {*evidence["stems"], *(name.partition(".")[0] for name in list(sys.modules))}
    wider["stems"] = sorted(stems)
    try:
        wider["search"] = {folder: _stable_names(folder, frozenset(stems), before) for folder in evidence["search"]}
        _add_files(wider, module_files(list(sys.modules.values())), before)
    except InputChangedError as error:
        return f"{error} changed while it was read"
    return wider


def merged(parts: Sequence[Evidence], before: int) -> Evidence | str:
    """Return the combined evidence of several results: the inputs of all results.

    ``before`` is a time before the first result, in nanoseconds since 1970. If an input changed at this time or later,
    the function returns the reason as text.
    """
    every: Evidence = {
        "variables": {},
        "environment": None,
        "stems": sorted({stem for part in parts for stem in part["stems"]}),
        "search": {},
        "packages": {},
        "listed": {},
        "installed": {},
        "own": {},
    }
    # Most parts share this.
    installed = {id(part["installed"]): part["installed"] for part in parts}.values()
    try:
        for part in parts:
            _add(every["variables"], part["variables"])
            _add(every["listed"], part["listed"])
            _add(every["own"], part["own"])
            if part["environment"] is not None:
                every["environment"] = every["environment"] or part["environment"]
        for files in installed:
            for folder, stamps in files.items():
                _add(every["installed"].setdefault(folder, {}), stamps, f"{folder}{os.sep}")
        stems = frozenset(every["stems"])
        for folder in {folder: None for part in parts for folder in part["search"]}:
            every["search"][folder] = _stable_names(folder, stems, before)
        for part in parts:
            for folder, names in part["search"].items():
                if names_among(every["search"][folder], frozenset(part["stems"])) != names:
                    raise InputChangedError(folder)
        for folder in {folder: None for part in parts for folder in part["packages"]}:
            looked_for = {name for part in parts for name in part["packages"].get(folder, ((), None))[0]}
            every["packages"][folder] = (sorted(looked_for), _stable_names(folder, frozenset(looked_for), before))
    except InputChangedError as error:
        return f"{error} changed while it was read"
    return every


def _add(known: dict[str, Any], more: dict[str, Any], start: str = "") -> None:
    for name, value in more.items():
        if known.setdefault(name, value) != value:
            raise InputChangedError(f"{start}{name}")


def module_files(modules: Iterable[Any]) -> Iterator[str]:
    """Yield the absolute paths of the files from which the ``modules`` were loaded."""
    for module in modules:
        # getattr would load a lazy module.
        try:
            names = object.__getattribute__(module, "__dict__")
        except AttributeError:
            continue
        spec = names.get("__spec__")
        origin = spec.origin if getattr(spec, "has_location", False) else None
        for file in {names.get("__file__"), origin}:
            if isinstance(file, str) and os.path.isabs(file):
                yield file


def source_of(compiled: str) -> str:
    """Return the source file of a compiled module. If there is no source file, return the path ``compiled`` itself."""
    with suppress(ValueError, NotImplementedError):
        return source_from_cache(compiled)
    return compiled


def _doubtful_compiled(folder: str, name: str, changed: int) -> str | None:
    """Return the path of a module's compiled file if it is older than ``changed``; otherwise None.

    ``changed`` is the time at which the source file last changed. To decide whether a compiled file is up to date,
    Python compares only the mtime and the size of the source file. If the source file changes, but keeps its size and
    gets its old mtime back, Python runs the old compiled file. A compiled file that is newer than ``changed`` was made
    from the current source file.
    """
    try:
        # Built by hand, because 4,000 calls of cache_from_source take 30 ms.
        compiled = f"{folder}{os.sep}__pycache__{os.sep}{name[:-3]}{_COMPILED}"
        if sys.pycache_prefix is not None:
            compiled = cache_from_source(f"{folder}{os.sep}{name}")
        return compiled if os.stat(compiled).st_ctime_ns <= changed else None
    except (OSError, NotImplementedError):
        return None


def _mapped_libraries() -> set[str]:
    """Return the shared libraries that this process uses; empty if the system does not list them."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            fields = (line.rstrip("\n").split(None, 5) for line in maps)
            return {line[5] for line in fields if len(line) == 6 and line[5].startswith("/") and ".so" in line[5]}
    except OSError:
        return set()


def _add_files(evidence: Evidence, paths: Iterable[str], before: int, *, by_stamp: bool = False) -> None:
    for path in paths:
        folder, name = os.path.split(path)
        if name in evidence["installed"].get(folder, ()) or path in evidence["own"]:
            continue
        found = _stamps.get(path) or stamp(path)
        if found is not None and not _is_stable(found, before):
            raise InputChangedError(path)
        if by_stamp or is_installed(path):
            evidence["installed"].setdefault(folder, {})[name] = found
            if found is not None and not by_stamp:
                _stamps[path] = found
        else:
            evidence["own"][path] = content(path)
        if name.endswith(".py") and found and (compiled := _doubtful_compiled(folder, name, found[1])):
            _add_files(evidence, [compiled], before)


def _add_opened(evidence: Evidence, seen: Gathered, before: int) -> None:
    temporary = tuple(seen.temporary)
    for path, at_first in seen.opened.items():
        now = stamp(path)
        thrown_away = path in seen.written or path.startswith(temporary) or f"{path}{os.sep}" in temporary
        if thrown_away and now is None:
            continue
        if now != at_first and not os.path.isdir(path):
            raise InputChangedError(path)
        _add_files(evidence, [path], before)


def _add_folders(evidence: Evidence, seen: Gathered, before: int) -> None:
    temporary = tuple(seen.temporary)
    evidence["stems"] = sorted(seen.stems)
    for entry in seen.search:
        folder = os.path.join(os.getcwd(), entry)
        if os.path.isfile(folder):
            # A zip archive.
            _add_files(evidence, [folder], before)
        elif is_installed(folder) or not os.path.isdir(folder):
            _add_files(evidence, [os.path.join(folder, ".")], before, by_stamp=True)
        else:
            evidence["search"][folder] = _stable_names(folder, frozenset(seen.stems), before)
        _add_files(evidence, distribution_files(folder), before)
    for folder, names in seen.packages.items():
        itself = os.path.join(folder, ".")
        found = stamp(itself)
        # The first compilation of its modules, by any process, changes a package's folder: compare names then.
        if is_installed(folder) and (found is None or _is_stable(found, before)):
            _add_files(evidence, [itself], before, by_stamp=True)
        elif not f"{folder}{os.sep}".startswith(temporary):
            evidence["packages"][folder] = (sorted(names), _stable_names(folder, frozenset(names), before))
    for folder in seen.listed:
        if not f"{folder}{os.sep}".startswith(temporary):
            evidence["listed"][folder] = _stable_names(folder, None, before)


def _stable_names(folder: str, stems: frozenset[str] | None, before: int) -> list[str] | None:
    """Return the result of :func:`names_in` for ``folder``, and check that no file or folder in the result is new.

    Raises:
        InputChangedError: a file or folder was created at ``before`` (nanoseconds since 1970) or later.
    """
    names = names_in(folder, stems)
    for name in names or ():
        path = os.path.join(folder, name)
        found = stamp(path)
        if found is None or _is_stable(found, before):
            continue
        # The first compilation of a package's modules changes its folder, too, so its time alone is not enough.
        first = stamp(os.path.join(path, "__init__.py"))
        if not os.path.isdir(path) or found[0] != found[1] or (first is not None and not _is_stable(first, before)):
            raise InputChangedError(path)
    return names


def _is_stable(found: list[int], before: int) -> bool:
    """True if a path last changed before the time ``before``.

    ``found`` contains the modification time and the change time of the path. All times are in nanoseconds since 1970.
    Some file systems store whole seconds only. A time of whole seconds must therefore be at least two seconds before
    ``before``.
    """
    # Windows has no change time; its ctime is the creation time.
    changed = found[1] if os.name == "posix" else max(found[:2])
    return changed < before and (changed % _WHOLE_SECOND != 0 or changed + 2 * _WHOLE_SECOND < before)
