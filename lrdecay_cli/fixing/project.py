"""Which files belong to a project, so that a fix may change them."""

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
    """The files below a folder, but for what is installed there.

    Args:
        root: the folder, by default that of the git repository of the working directory, else that directory.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(os.path.realpath(root or _root(Path.cwd())))
        self._contents: dict[Path, bytes] = {}
        self._listed: list[Path] | None = None

    def objection(self, path: Path) -> str:
        """Why a file is not to be changed; empty for one of the project. ``path`` is a real one."""
        if not path.is_relative_to(self.root):
            return f"{path} is outside of the project {self.root}"
        below = path.relative_to(self.root).parts
        if any(part in _INSTALLED or part == ".git" for part in below):
            return f"{path} is installed, not of the project {self.root}"
        return ""

    def is_shared(self, base: Path, among: Collection[Path]) -> bool:
        """Whether a config of the project beside ``among`` inherits from a file, or too many may to find out."""
        pending, seen, read = [base], {base}, 0
        while pending:
            word = pending.pop().stem.encode()
            for count, path in enumerate(self._files()):
                # A base of a base is not named by its heirs.
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
