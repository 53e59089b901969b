"""Which files belong to a project, so that a fix may change them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.origins import config_origins

_INSTALLED = ("site-packages", "dist-packages")
_MOST_FILES = 5000
_MOST_READ = 300


class Project:
    """The files below a folder, but for what is installed there.

    Args:
        root: the folder, by default that of the git repository of the working directory, else that directory.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(os.path.realpath(root or _root(Path.cwd())))
        self._heirs: dict[Path, frozenset[Path] | None] = {}

    def objection(self, path: Path) -> str:
        """Why a file is not to be changed; empty for one of the project. ``path`` is a real one."""
        if not path.is_relative_to(self.root):
            return f"{path} is outside of the project {self.root}"
        below = path.relative_to(self.root).parts
        if any(part in _INSTALLED or part == ".git" for part in below):
            return f"{path} is installed, not of the project {self.root}"
        return ""

    def heirs(self, base: Path) -> frozenset[Path] | None:
        """The configs of the project that inherit from a file, read from their text; None where they are too many."""
        if base not in self._heirs:
            self._heirs[base] = self._found(base)
        return self._heirs[base]

    def _found(self, base: Path) -> frozenset[Path] | None:
        named: list[Path] = []
        word = base.stem.encode()
        for count, path in enumerate(self._files()):
            if count >= _MOST_FILES:
                return None
            # Bases of bases do not name it.
            if word in _bytes(path):
                named.append(path)
        heirs: set[Path] = set()
        pending = [path for path in named if path != base]
        seen = {base, *pending}
        while pending:
            path = pending.pop()
            if len(seen) > _MOST_READ:
                return None
            if base not in _files_of(path):
                continue
            heirs.add(path)
            stem = path.stem.encode()
            further = [each for each in self._files() if each not in seen and stem in _bytes(each)]
            seen.update(further)
            pending += further
        return frozenset(heirs)

    def _files(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _INSTALLED)
            yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def _root(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.stat().st_size < 2**20 else b""
    except OSError:
        return b""


def _files_of(path: Path) -> Iterable[Path]:
    try:
        return {Path(os.path.realpath(file)) for file in config_origins(str(path)).files.values()}
    except LrdecayError:
        return ()
