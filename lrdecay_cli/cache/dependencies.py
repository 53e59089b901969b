"""What an answer depends on that its user may change, for whoever waits until that changes (``--watch``).

It is taken from the same recording as the evidence of an entry, also where the answer is a failure, and in its form.
It is wider in one thing: a process that does nothing but find one answer also sees which files were only looked for
(``os.stat``), so that a base that is missing counts. It leaves out what installers change.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from lrdecay_cli.cache.evidence import content, is_installed, names_in, stamp
from lrdecay_cli.cache.folder import cache_folder
from lrdecay_cli.cache.gathering import module_files, source_of
from lrdecay_cli.cache.recording import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrdecay_cli.cache.evidence import Evidence

MEANWHILE = ["changed while it was read", ""]
"""In place of the content of a file that was: it differs from any other."""
_NO_FILES = ("/proc/", "/dev/", "/sys/")
_NOT_PROJECTS = tuple(
    os.path.join(folder, "")
    for folder in (sys.prefix, sys.base_prefix, os.path.expanduser(os.path.join("~", ".cache")))
)
"""What libraries look for there is their own business."""

_questions: Questions | None = None


class Questions:
    """The paths that Python code asks ``os.stat`` and ``os.lstat`` about, from now on; for the rest of the process."""

    def __init__(self, inherited: Iterable[str]) -> None:
        self.paths: set[str] = set()
        self.inherited = frozenset(inherited)
        """Files of modules that were loaded before."""
        self.known: list[Evidence] = []
        """What other processes and the cache tell of the same answer."""
        for name in ("stat", "lstat"):
            real = getattr(os, name)
            noting = self._noting(real)
            setattr(os, name, noting)
            # What the function can do is asked for by its identity.
            for able in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
                if real in able:
                    able.add(noting)

    def _noting(self, real: Any) -> Any:
        def noting(path: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(path, int) and options.get("dir_fd") is None:
                self._note(path)
            return real(path, *arguments, **options)

        return noting

    def _note(self, given: Any) -> None:
        try:
            path = os.fsdecode(given)
            self.paths.add(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))
        # What is wrong with it, the real function says.
        except (TypeError, ValueError, OSError):
            return


def begin(inherited: Iterable[str] = ()) -> None:
    """Record from here on what the answer of this process depends on; ``inherited`` are the files of its modules."""
    global _questions
    record()
    _questions = Questions(inherited)


def wanted() -> bool:
    """Whether somebody waits for what this process's answer depends on."""
    return _questions is not None


def note(evidence: Evidence) -> None:
    """Note what else the answer depends on: what the cache, or a child process, had to look at."""
    if _questions is not None:
        _questions.known.append(evidence)


def dependencies() -> Evidence:
    """What the answer of this process depends on, as it is now; ``MEANWHILE`` for a file that changed since."""
    recording = record()
    assert _questions is not None
    with recording.paused():
        seen = recording.all_seen()
        temporary = tuple(seen.temporary)
        modules = {path for path in module_files(list(sys.modules.values())) if not is_installed(path)}
        modules |= {source_of(path) for path in seen.compiled if not is_installed(path)}
        paths = {*seen.opened, *(modules - _questions.inherited), *filter(_is_asked_for, tuple(_questions.paths))}
        found = nothing()
        for path in sorted(paths):
            if not _counts(path) or path in seen.written or path.startswith(temporary):
                continue
            now = stamp(path)
            changed = path in seen.opened and now != seen.opened[path] and not os.path.isdir(path)
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
        return _as_it_is(found, _questions.known, temporary)


def nothing() -> Evidence:
    """No evidence of anything."""
    return {
        "variables": {},
        "environment": None,
        "stems": [],
        "search": {},
        "packages": {},
        "listed": {},
        "installed": {},
        "own": {},
    }


def _as_it_is(found: Evidence, others: Iterable[Evidence], temporary: tuple[str, ...]) -> Evidence:
    """All of it together, and what is in the folders now."""
    stems = {*found["stems"]}
    for other in others:
        for path, known in other["own"].items():
            found["own"][path] = known if found["own"].get(path, known) == known else MEANWHILE
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
        found["search"][folder] = names_in(folder, frozenset(stems))
    for folder, (names, _) in found["packages"].items():
        found["packages"][folder] = (names, names_in(folder, frozenset(names)))
    for folder in found["listed"]:
        found["listed"][folder] = shown_names(folder)
    return found


def shown_names(folder: str) -> list[str] | None:
    """What a folder lists, without what editors and Python keep beside a file while they work on it."""
    names = names_in(folder)
    return None if names is None else [name for name in names if not is_beside(name)]


def is_beside(name: str) -> bool:
    """Whether a name is one that editors, Python or we ourselves give to what stands beside a file for a while."""
    return name.startswith(".") or name.endswith(("~", ".swp", ".part", ".tmp")) or name in ("__pycache__", "4913")


def _counts(path: str) -> bool:
    """Whether a user may change a file: installed configs count, installed code does not."""
    if path.startswith((*_NO_FILES, os.path.join(cache_folder(), ""))) or path.endswith(".pyc"):
        return False
    # A place that is none: code that was compiled from a text. A name that is no UTF-8 does not travel.
    if os.path.basename(path).startswith("<"):
        return False
    if not path.isascii() and path != path.encode(errors="replace").decode():
        return False
    return not is_installed(path) or "configs" in path.split(os.sep)


def _is_asked_for(path: str) -> bool:
    """Whether it matters that somebody looked for a path: a file of a project, or nothing. Folders are always there."""
    return _counts(path) and not path.startswith(_NOT_PROJECTS) and not os.path.isdir(path)
