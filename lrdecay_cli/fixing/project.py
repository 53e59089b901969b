"""Decide which files belong to the project, because a fix may change only these files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.origins import config_origins

_INSTALLED = ("site-packages", "dist-packages")
_MOST_FILES = 5000
_MOST_READ = 300


class Project:
    """The files below a folder, except installed packages.

    Args:
        root: the folder; by default the git repository of the working directory, else the working directory.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(os.path.realpath(root or _root(Path.cwd())))
        self._contents: dict[Path, bytes] = {}
        self._listed: list[Path] | None = None

    def objection(self, path: Path) -> str:
        """Return the reason why a fix must not change the file ``path``; empty if it may change the file.

        ``path`` is absolute, and its symbolic links are resolved.
        """
        if not path.is_relative_to(self.root):
            return f"{path} is outside the project {self.root}"
        below = path.relative_to(self.root).parts
        if any(part in _INSTALLED or part == ".git" for part in below):
            return f"{path} is installed and not part of the project {self.root}"
        return ""

    def is_shared(self, base: Path, among: Collection[Path]) -> bool:
        """Return True if a config of the project inherits from the file ``base`` and is not in ``among``.

        Return True also if the project has too many files to check.
        """
        pending, seen, read = [base], {base}, 0
        while pending:
            word = pending.pop().stem.encode()
            for count, path in enumerate(self._files()):
                # A config does not name the bases of its base.
                if path in seen or word not in self._content(path):
                    continue
                seen.add(path)
                read += 1
                if read > _MOST_READ or count > _MOST_FILES:
                    return True
                if base in _files_of(path):
                    if path not in among:
                        return True
                    pending.append(path)
        return False

    def _files(self) -> list[Path]:
        if self._listed is None:
            self._listed = []
            for folder, folders, files in os.walk(self.root):
                folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _INSTALLED)
                self._listed += (Path(folder, name) for name in sorted(files) if name.endswith(".py"))
        return self._listed

    def _content(self, path: Path) -> bytes:
        if path not in self._contents:
            self._contents[path] = _bytes(path)
        return self._contents[path]


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
