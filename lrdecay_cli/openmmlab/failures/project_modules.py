"""Find the module of a project that registers a class. The files are read as text and not executed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from lrdecay_cli.files.config_path import SEPARATOR, config_path

_ROOT_HAS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_LEFT_OUT = {"node_modules", "site-packages", "work_dirs", "data", "datasets", "venv", "env", "build", "dist"}
_FILES, _BYTES, _DEPTH = 2000, 400_000, 8
"""Limits on number of files, file size and folder depth, so that the search stays fast."""


def import_that_registers(name: str, config: str, *, beside: bool = False) -> str:
    """Find the module that registers the class ``name``. Return a fix that imports this module.

    The fix is empty if no module in the project registers the class.

    Args:
        name: name of a class, without its scope.
        config: path of the config, as the user gave it.
        beside: True if the config already imports other modules.
    """
    root = _root(config)
    if root is None or not name.isidentifier():
        return ""
    wanted = re.compile(
        rf"^class {name}\b|register_module\([^)]*name\s*=\s*(?:\[[^\]]*)?['\"]{name}['\"]".encode(), re.MULTILINE
    )
    for file in _sources(root):
        try:
            if file.stat().st_size > _BYTES:
                continue
            text = file.read_bytes()
        except OSError:
            continue
        if b"register_module" in text and wanted.search(text):
            start = _start(file, root)
            module = ".".join(file.relative_to(start).with_suffix("").parts).removesuffix(".__init__")
            shown = os.path.relpath(file)
            reachable = str(start.resolve()) in {str(Path(place or ".").resolve()) for place in sys.path}
            python_path = "" if reachable else f", with {os.path.relpath(start)} on PYTHONPATH"
            instruction = (
                f"add {module!r} to custom_imports.imports"
                if beside
                else f"set custom_imports=dict(imports=[{module!r}])"
            )
            return f"{shown} registers {name}: {instruction}{python_path}"
    return ""


def _root(config: str) -> Path | None:
    """Return the root folder of the config's project; None for a config of an installed package."""
    file = config_path(config)
    if file is None or SEPARATOR in config or "site-packages" in file.absolute().parts:
        return None
    folder, here = file.absolute().parent, Path.cwd()
    above = [each for each in (folder, *folder.parents)[:_DEPTH] if each not in (Path(each.anchor), Path.home())]
    marked = next((each for each in above if any((each / mark).exists() for mark in _ROOT_HAS)), None)
    return marked or (here if here in above else folder)


def _sources(root: Path) -> Iterator[Path]:
    left = _FILES
    for folder, folders, files in os.walk(root):
        place = Path(folder)
        deep = len(place.relative_to(root).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(each for each in folders if each[0] != "." and each not in _LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".py"):
                yield place / name
                left -= 1
                if not left:
                    return


def _start(file: Path, root: Path) -> Path:
    """Return the folder from which the import path of ``file`` starts.

    This is the nearest parent folder on ``sys.path``. If there is none, it is the folder ``src`` of the project, or the
    project's root.
    """
    searched = {str(Path(place or ".").resolve()) for place in sys.path}
    above = [each for each in file.parents if each.is_relative_to(root)]
    source = root / "src"
    otherwise = source if file.is_relative_to(source) else root
    return next((each for each in above if str(each.resolve()) in searched), otherwise)
