"""The folder of the project that a file belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from lrdecay_cli.files.config_path import SEPARATOR

ROOTS = (".git", ".hg", ".svn")
"""What the root of a repository holds."""
_OWN_SETTINGS = "lrdecay.toml"
_SHARED_SETTINGS = "pyproject.toml"
_TABLE = b"[tool.lrdecay"


def repository_root(folder: Path) -> Path | None:
    """The nearest of ``folder`` and the folders above it that is the root of a repository; None if none is."""
    return next((place for place in (folder, *folder.parents) if _holds_any(place, ROOTS)), None)


def project_folder(file: Path) -> Path | None:
    """The nearest folder above ``file`` with settings of lrdecay, or that is the root of a repository; None if none is.

    Args:
        file: an absolute path.
    """
    return next((folder for folder in file.parents if _is_project(folder)), None)


def in_project(config: str) -> str | None:
    """The path of a config from the folder of its project; None if it is no file here, or belongs to no project."""
    file = Path(os.path.abspath(config))  # noqa: PTH100 (a link counts where it lies)
    if SEPARATOR in config or not file.is_file():
        return None
    folder = project_folder(file)
    return None if folder is None else file.relative_to(folder).as_posix()


def _holds_any(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).exists() for name in names)


def _is_project(folder: Path) -> bool:
    try:
        if _holds_any(folder, (*ROOTS, _OWN_SETTINGS)):
            return True
        # That of a package below says nothing about the project.
        return _TABLE in (folder / _SHARED_SETTINGS).read_bytes()
    except OSError:
        return False
