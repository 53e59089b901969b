"""Detect which dependencies of a watched command changed since its last run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from lrdecay_cli.cache.dependencies import MEANWHILE, importable_names, is_shown, shown_names
from lrdecay_cli.cache.evidence import content, stamp
from lrdecay_cli.processes.outcomes import Dependencies

# Two changes within this time (ns) may get the same timestamp from the file system.
_TICK = 50_000_000


class Known:
    """The files and folders on which the last report depends, with their state at the last check."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._known = dependencies
        self._stamps: dict[str, list[int] | None] = {}
        self._places: set[str] = set()
        """All paths whose file-system events may change the report: files, targets of links, and missing folders."""
        self.folders = frozenset(self._folders())
        """The folders to watch."""

    def __len__(self) -> int:
        return sum(found is not None for found in self._known.own.values())

    def uncertain(self) -> set[str]:
        """Return the files that changed after the command read them. The config itself may have written these files."""
        return {path for path, found in self._known.own.items() if found == MEANWHILE}

    def concerns(self, path: str) -> bool:
        """True if a file-system event for ``path`` may mean that a dependency changed."""
        if path in self._places:
            return True
        folder, name = os.path.split(path)
        stem = name.partition(".")[0]
        if folder in self._known.listed and is_shown(name):
            return True
        if folder in self._known.search and stem in self._stems:
            return True
        return folder in self._known.packages and stem in self._known.packages[folder][0]

    def changes(self) -> list[str]:
        """Return the changed dependencies, and record their new state."""
        known = self._known
        changed = [path for path in known.own if self._file_changed(path)]
        stems = frozenset(known.stems)
        for folder, before in known.search.items():
            known.search[folder] = importable_names(folder, stems)
            if known.search[folder] != before:
                changed.append(folder)
        for folder, (names, there) in known.packages.items():
            now = importable_names(folder, frozenset(names))
            known.packages[folder] = (names, now)
            if now != there:
                changed.append(folder)
        for folder, before in known.listed.items():
            known.listed[folder] = shown_names(folder)
            if known.listed[folder] != before:
                changed.append(folder)
        return changed

    def _file_changed(self, path: str) -> bool:
        now = stamp(path)
        if path in self._stamps and self._stamps[path] == now:
            return False
        found, known = content(path), self._known.own[path]
        if now is None or max(now[:2]) < time.time_ns() - _TICK:
            self._stamps[path] = now
        self._known.own[path] = found
        return found != known

    def _folders(self) -> Iterator[str]:
        self._stems = frozenset(self._known.stems)
        for path, found in self._known.own.items():
            for place in {os.path.abspath(path), *(found[1:] if found else ())} - {""}:
                yield self._place(place)
        for folder in (*self._known.search, *self._known.packages, *self._known.listed):
            yield folder if os.path.isdir(folder) else self._place(os.path.abspath(folder))

    def _place(self, path: str) -> str:
        """Return the nearest existing folder above ``path``. Add ``path`` and the missing folders to ``_places``."""
        self._places.add(path)
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            self._places.add(folder)
            folder = os.path.dirname(folder)
        return folder
