"""Where installed packages keep their configs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError

SEPARATOR = "::"
"""Between a package and a path in its zoo."""


def zoo_folders(package: str, *, given: str) -> list[Path]:
    """The folders in which a package's configs may be. Raises LrdecayError, about ``given``, if it is not installed."""
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise LrdecayError(f"package {package!r} is not installed", where=given, remedy=f"pip install {package}")
    root = Path(spec.submodule_search_locations[0])
    # .mim/configs holds the zoo of a wheel; configs the new-style one, and that of an editable install.
    return [root / ".mim" / "configs", root / "configs", root.parent / "configs"]


def config_path(given: str) -> Path | None:
    """The file behind a config's name, a path or ``<package>::<path>``; None if there is none.

    Raises LrdecayError if the package is not installed.
    """
    package, separator, inside = given.partition(SEPARATOR)
    paths = [folder / inside for folder in zoo_folders(package, given=given)] if separator else [Path(given)]
    return next(filter(Path.is_file, paths), None)
