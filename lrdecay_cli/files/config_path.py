"""Finding a training config: by its path, or in the zoo of an installed package. Neither needs torch."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError

SUFFIXES = (".py", ".json", ".yaml", ".yml")
ZOOS = ("mmdet", "mmpretrain", "mmseg", "mmpose", "mmyolo", "mmrotate", "mmdet3d", "mmocr", "mmaction")
"""Packages that bring configs."""
SEPARATOR = "::"
"""Between a package and a path in its zoo."""
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt")


def is_checkpoint(source: str) -> bool:
    """Whether ``source`` is to be read as a checkpoint, by its suffix."""
    return source.endswith(CHECKPOINT_SUFFIXES) and SEPARATOR not in source


def find_config(given: str) -> Path:
    """The file behind ``given``: a path, or ``<package>::<path>`` in the config zoo of an installed package.

    Raises LrdecayError, with the nearest names, if there is no such file.
    """
    package, separator, in_zoo = given.partition(SEPARATOR)
    path = _find_in_zoo(given, package, in_zoo) if separator else Path(given)
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=given) from error
    if path.is_dir():
        raise LrdecayError("is a directory, not a config", where=given, remedy="give one config file")
    if not path.exists():
        raise LrdecayError("no such config", where=given, remedy=_nearest(path.name, _siblings(path.parent)))
    if not path.is_file():
        raise LrdecayError("is no regular file", where=given)
    if path.suffix not in SUFFIXES:
        raise LrdecayError(f"a config ends in {', '.join(SUFFIXES)}", where=given)
    return path


def config_path(given: str) -> Path | None:
    """The file behind a config's name, None if there is none. LrdecayError if its package is not installed."""
    return next(filter(Path.is_file, config_places(given)), None)


def config_places(given: str) -> list[Path]:
    """Where a config of this name could be; the first that is there counts. LrdecayError as :func:`config_path`."""
    package, separator, in_zoo = given.partition(SEPARATOR)
    return [folder / in_zoo for folder in zoo_folders(package, given=given)] if separator else [Path(given)]


def zoo_folders(package: str, *, given: str) -> list[Path]:
    """The folders in which a package's configs may be. Raises LrdecayError, about ``given``, if it is not installed."""
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        # Never advise to install whatever was typed.
        nearest = difflib.get_close_matches(package, ZOOS, n=1)
        remedy = f"pip install {package}" if package in ZOOS else f"did you mean {nearest[0]}?" if nearest else ""
        raise LrdecayError(f"package {package!r} is not installed", where=given, remedy=remedy or "check the name")
    root = Path(spec.submodule_search_locations[0])
    # .mim/configs holds the zoo of a wheel; configs the new-style one, and that of an editable install.
    return [root / ".mim" / "configs", root / "configs", root.parent / "configs"]


def _find_in_zoo(given: str, package: str, in_zoo: str) -> Path:
    folders = zoo_folders(package, given=given)
    for folder in folders:
        if (folder / in_zoo).exists():
            return folder / in_zoo
    names = [file.relative_to(folder).as_posix() for folder in folders[:2] for file in folder.rglob("*.py")]
    raise LrdecayError(
        f"not in the config zoo of {package}", where=given, remedy=_nearest(in_zoo, names, f"{package}::")
    )


def _siblings(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.suffix in SUFFIXES] if folder.is_dir() else []


def _nearest(name: str, names: Sequence[str], prefix: str = "") -> str:
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {prefix}{nearest[0]}?" if nearest else "check the path"
