"""Collect the inputs of a result that a user may change. ``--watch`` waits for changes of these inputs.

:mod:`lrdecay_cli.cache.recording` records what a process reads, both for the cache and for this module. Therefore the
inputs have the format of the cache's :class:`Evidence`. The inputs are collected even if the command fails.

A process that computes only one result, such as the child process of ``--watch``, calls :func:`begin`. After this call,
the process also records paths that are only tested with ``os.stat``, such as a missing base config. Files that only
installers change are left out.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import all_suffixes
from typing import TYPE_CHECKING, Any

from lrdecay_cli.cache.evidence import (
    DISTRIBUTIONS,
    UNREADABLE,
    content,
    empty_evidence,
    is_installed,
    is_virtual,
    names_in,
    stamp,
)
from lrdecay_cli.cache.folder import cache_folder
from lrdecay_cli.cache.gathering import module_files, source_of
from lrdecay_cli.cache.recording import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrdecay_cli.cache.evidence import Evidence

_IMPORTED = (*all_suffixes(), *DISTRIBUTIONS)
MEANWHILE = ["changed while it was read", ""]
"""Placeholder for the digest of a file that changed after it was read. It differs from the digest of any file."""
_NOT_PROJECTS = tuple(
    os.path.join(folder, "")
    for folder in (sys.prefix, sys.base_prefix, os.path.expanduser(os.path.join("~", ".cache")))
)
"""Folders of libraries. A path in these folders is no input if it was only tested with ``os.stat``."""

_lookups: PathLookups | None = None


class PathLookups:
    """Records the paths of all later calls to ``os.stat`` and ``os.lstat`` from Python code, until the process ends."""

    def __init__(self, inherited: Iterable[str]) -> None:
        self.paths: set[str] = set()
        self.missing: set[str] = set()
        """Recorded paths that did not exist."""
        self.inherited = frozenset(inherited)
        """Files of modules that were loaded before the recording."""
        self.known: list[Evidence] = []
        """Inputs of the same result that other processes or the cache reported."""
        for name in ("stat", "lstat"):
            real = getattr(os, name)
            recording = self._recording(real)
            setattr(os, name, recording)
            # os.supports_fd and similar sets contain the function by identity.
            for able in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
                if real in able:
                    able.add(recording)

    def _recording(self, real: Any) -> Any:
        def recording(path: Any, *arguments: Any, **options: Any) -> Any:
            place = "" if isinstance(path, int) or options.get("dir_fd") is not None else self._noted(path)
            try:
                return real(path, *arguments, **options)
            except FileNotFoundError:
                self.missing.add(place)
                raise

        return recording

    def _noted(self, given: Any) -> str:
        try:
            path = os.fsdecode(given)
            path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
        # The real function reports invalid arguments.
        except (TypeError, ValueError, OSError):
            return ""
        self.paths.add(path)
        return path


def begin(inherited: Iterable[str] = ()) -> None:
    """Start to record the inputs of this process's result.

    ``inherited`` contains the files of modules that the process has already loaded. They count as inputs only if the
    process reads or tests them after this call.
    """
    global _lookups
    record().listings = {}
    _lookups = PathLookups(inherited)


def wanted() -> bool:
    """True if :func:`begin` was called, so that this process records the inputs of its result."""
    return _lookups is not None


def note(evidence: Evidence) -> None:
    """Add the inputs in ``evidence``, which comes from a cache entry or from a child process."""
    if _lookups is not None:
        _lookups.known.append(evidence)


def dependencies() -> Evidence:
    """Return the inputs of this process's result, with their current state.

    If a file changed after it was read, its content is replaced by :data:`MEANWHILE`.
    """
    recording = record()
    assert _lookups is not None
    with recording.paused():
        seen = recording.all_seen()
        temporary = tuple(seen.temporary)
        modules = {path for path in module_files(list(sys.modules.values())) if not is_installed(path)}
        modules |= {source_of(path) for path in seen.compiled if not is_installed(path)}
        paths = {*seen.opened, *(modules - _lookups.inherited), *filter(_is_input, tuple(_lookups.paths))}
        missing = _lookups.missing - set(seen.opened)
        found = empty_evidence()
        for path in sorted(paths):
            own_output = path in seen.written and path not in seen.opened
            if not _counts(path) or own_output or f"{path}{os.sep}".startswith(temporary):
                continue
            now = stamp(path)
            # Only changes by other processes count: a config's changes to its own files do not trigger a new run.
            changed = path in seen.opened and now != seen.opened[path]
            changed = changed or (path in missing and now is not None)
            changed = changed and path not in recording.changed and not os.path.isdir(path)
            found["own"][path] = MEANWHILE if changed else content(path)
        found["stems"] = sorted(seen.stems)
        for folder in {os.path.join(os.getcwd(), entry) for entry in seen.search}:
            if os.path.isdir(folder) and not is_installed(folder):
                found["search"][folder] = []
        for folder, names in seen.packages.items():
            if not is_installed(folder):
                found["packages"][folder] = (sorted(names), None)
        for folder in seen.listed:
            found["listed"][folder] = None
        return _merged(found, _lookups.known, temporary)


def _merged(found: Evidence, others: Iterable[Evidence], temporary: tuple[str, ...]) -> Evidence:
    """Return the inputs of this process (``found``), together with those of other processes (``others``).

    The content of each recorded folder is listed again. Paths in the folders ``temporary`` are omitted.
    """
    stems = {*found["stems"]}
    for other in others:
        for path, known in other["own"].items():
            if f"{path}{os.sep}".startswith(temporary):
                continue
            mine = found["own"][path] if path in found["own"] else content(path)
            # A confined process may not read what this one may.
            same = known == mine or (known is not None and known[0].startswith(UNREADABLE))
            found["own"][path] = mine if same else MEANWHILE
        for folder, (names, _) in other["packages"].items():
            found["packages"][folder] = (sorted({*names, *found["packages"].get(folder, ([], None))[0]}), None)
        found["search"].update(other["search"])
        found["listed"].update(other["listed"])
        stems.update(other["stems"])
    found["stems"] = sorted(stems)
    for kind in ("search", "packages", "listed"):
        folders: dict[str, Any] = found[kind]
        for folder in [each for each in folders if f"{each}{os.sep}".startswith(temporary)]:
            del folders[folder]
    for folder in found["search"]:
        found["search"][folder] = importable_names(folder, frozenset(stems))
    for folder, (names, _) in found["packages"].items():
        found["packages"][folder] = (names, importable_names(folder, frozenset(names)))
    recording = record()
    for folder in found["listed"]:
        now = shown_names(folder)
        if recording.listings is not None and (then := recording.listings.get(folder)) is not None:
            ours = [name for name in now or () if os.path.join(folder, name) in recording.changed]
            now = sorted({*filter(is_shown, then), *ours})
        found["listed"][folder] = now
    return found


def importable_names(folder: str, stems: frozenset[str]) -> list[str] | None:
    """Return the names in a folder that may affect an import of the modules ``stems``; None if it is not a folder.

    These are the files and folders of the modules, and metadata of distributions. Temporary files of editors, such as
    ``config.py.tmp``, are left out, because they must not cause a new run of ``--watch``.
    """
    names = names_in(folder, stems)
    return None if names is None else [name for name in names if "." not in name or name.endswith(_IMPORTED)]


def shown_names(folder: str) -> list[str] | None:
    """Return the entries of a folder, without temporary files of editors and Python. None if it is not a folder."""
    names = names_in(folder)
    return None if names is None else [*filter(is_shown, names)]


def is_shown(name: str) -> bool:
    """False for hidden files and for temporary files of editors, Python and lrdecay; True for all other names."""
    beside = name.startswith(".") or name.endswith(("~", ".swp", ".part", ".tmp")) or name in ("__pycache__", "4913")
    return not beside


def _counts(path: str) -> bool:
    """True if a user may change the file. This includes installed configs, but not installed code."""
    if is_virtual(path) or path.startswith(os.path.join(cache_folder(), "")) or path.endswith(".pyc"):
        return False
    # Not a path: code compiled from a string. Names that are not UTF-8 cannot be sent to other processes.
    if os.path.basename(path).startswith("<"):
        return False
    if not path.isascii() and path != path.encode(errors="replace").decode():
        return False
    return not is_installed(path) or "configs" in path.split(os.sep)


def _is_input(path: str) -> bool:
    """True if a path that was only tested with ``os.stat`` is an input of the result.

    True for project files and missing paths; False for folders and for paths in libraries.
    """
    return _counts(path) and not path.startswith(_NOT_PROJECTS) and not os.path.isdir(path)
