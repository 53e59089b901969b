"""Find a training config: by path, or by name in the zoo of an installed package. Does not need torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection
from pathlib import Path

from lrdecay_cli.cache import probed
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.packages import ZOOS, distribution_of
from lrdecay_cli.text.spelling import did_you_mean, similar_names

SUFFIXES = (".py", ".json", ".yaml", ".yml")
SEPARATOR = "::"
"""Separator between a package and a path in the zoo of the package, as in ``mmdet::yolox/yolox_s.py``."""
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt")


def is_checkpoint(source: str) -> bool:
    """True if ``source`` has the suffix of a checkpoint file."""
    return source.endswith(CHECKPOINT_SUFFIXES) and SEPARATOR not in source


def find_config(given: str) -> Path:
    """Return the file of a config. ``given`` is a path, or ``<package>::<path>`` for the zoo of an installed package.

    Raises:
        LrdecayError: there is no such file. The fix suggests similar names.
    """
    path = Path(given)
    if SEPARATOR in given:
        found = next(filter(Path.exists, config_places(given)), None)
        if found is None:
            problem = f"not in the config zoo of {given.partition(SEPARATOR)[0]}"
            raise LrdecayError(problem, where=given, fix=suggest_zoo_config(given))
        path = found
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=given) from error
    if path.is_dir():
        raise LrdecayError("the path is a directory, not a config", where=given, fix="give one config file")
    if not path.exists():
        package, colon, in_zoo = given.partition(":")
        if not colon:
            package, _, in_zoo = given.partition("/")
        fix = suggest_file(given, SUFFIXES) or "check the path"
        if package in ZOOS and in_zoo:
            fix = f"write {package}{SEPARATOR}{in_zoo.lstrip(':')} for a config of {package}'s zoo"
        raise LrdecayError("no such config", where=given, fix=fix)
    if not path.is_file():
        raise LrdecayError("the path is not a regular file", where=given)
    if path.suffix not in SUFFIXES:
        raise LrdecayError(f"the name of a config ends in {', '.join(SUFFIXES)}", where=given)
    return path


def config_path(given: str) -> Path | None:
    """Return the file of a config; None if it does not exist.

    Raises:
        LrdecayError: the config's package is not installed.
    """
    return next(filter(Path.is_file, config_places(given)), None)


def config_places(given: str) -> list[Path]:
    """Return the possible paths of a config. The first path that exists is the config.

    Raises:
        LrdecayError: the config's package is not installed.
    """
    package, separator, in_zoo = given.partition(SEPARATOR)
    return [folder / in_zoo for folder in zoo_folders(package, given=given)] if separator else [Path(given)]


def zoo_folders(package: str, *, given: str) -> list[Path]:
    """Return the folders that possibly contain the configs of a package.

    Raises:
        LrdecayError: the package is not installed. The error starts with ``given``.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        # Never suggest installing an arbitrary typed name.
        fix = f"pip install {distribution_of(package)}" if package in ZOOS else did_you_mean(package, ZOOS)
        raise LrdecayError(f"package {package!r} is not installed", where=given, fix=fix or "check the name")
    root = Path(spec.submodule_search_locations[0])
    # .mim/configs has the zoo of a wheel; configs has the new-style zoo, and that of an editable install.
    return [root / ".mim" / "configs", root / "configs", root.parent / "configs"]


def suggest_zoo_config(given: str) -> str:
    """Return a fix for a missing zoo config, such as ``did you mean mmdet::yolox/yolox_s_8xb8-300e_coco.py?``.

    Raises:
        LrdecayError: the package is not installed.
    """
    package, _, in_zoo = given.partition(SEPARATOR)
    places = [folder for folder in zoo_folders(package, given=given)[:2] if folder.is_dir()]
    files = {file.relative_to(folder) for folder in places for file in folder.rglob("*.py")}
    names = {path.as_posix().removesuffix(".py"): path for path in sorted({*files, *(file.parent for file in files)})}
    for name in similar_names(in_zoo.strip(":/").removesuffix(".py"), names)[:1]:
        return f"did you mean {package}{SEPARATOR}{names[name].as_posix()}?"
    all_of_zoo = f"lrdecay scan {package}{SEPARATOR} lists all configs of the zoo"
    return all_of_zoo if not in_zoo.strip(":/") else "check the path"


def suggest_file(given: str, suffixes: Collection[str], *, folders: bool = False) -> str:
    """Return a fix for a missing path, such as ``did you mean configs/a.py?``; empty if no path has a similar name.

    Args:
        given: the path. The name of its file or of one of its folders may be misspelt.
        suffixes: suffixes of files to suggest, such as ``.py``.
        folders: True if the fix may suggest a folder.
    """
    found = _closest_path(Path(given), suffixes, folders)
    return f"did you mean {found}?" if found else ""


def _closest_path(path: Path, suffixes: Collection[str], folders: bool) -> Path | None:
    try:
        wrong = next(place for place in (path, *path.parents) if place.parent.is_dir())
        entries = sorted(wrong.parent.iterdir())
    except (OSError, StopIteration):
        return None
    names: dict[str, Path] = {}
    for entry in entries:
        if wrong != path or entry.is_dir():
            if (wrong != path or folders) and entry.is_dir():
                names.setdefault(entry.name, entry)
        elif entry.suffix in suffixes:
            stem = entry.stem
            # If two differ only in suffix, prefer the typed suffix.
            if stem not in names or entry.suffix == path.suffix:
                names[stem] = entry
    typed = wrong.stem if wrong == path and wrong.suffix in suffixes else wrong.name
    for name in similar_names(typed, names)[:1]:
        corrected = names[name] / path.relative_to(wrong)
        return corrected if corrected.exists() else _closest_path(corrected, suffixes, folders)
    return None


ROOTS = (".git", ".hg", ".svn")
"""A folder that contains a file or folder with one of these names is the root of a repository."""
_OWN_SETTINGS = "lrdecay.toml"
_SHARED_SETTINGS = "pyproject.toml"
_TABLE = b"[tool.lrdecay"


def repository_root(folder: Path) -> Path | None:
    """Return the root of the repository that contains ``folder``; None if ``folder`` is in no repository."""
    return next((place for place in (folder, *folder.parents) if _contains_any(place, *ROOTS)), None)


def in_project(config: str) -> str | None:
    """Return a config's path relative to its project; None if the file does not exist or belongs to no project.

    The project is the nearest parent folder that has lrdecay settings or is the root of a repository.
    """
    file = Path(os.path.abspath(config))  # noqa: PTH100 (a link counts where it lies)
    if SEPARATOR in config or not file.is_file():
        return None
    folder = next(filter(_is_project, file.parents), None)
    return None if folder is None else file.relative_to(folder).as_posix()


def _contains_any(folder: Path, *names: str) -> bool:
    places = [folder / name for name in names]
    probed(*map(str, places))
    return any(place.exists() for place in places)


def _is_project(folder: Path) -> bool:
    try:
        # A pyproject.toml without lrdecay settings may belong to a package inside the project.
        return _contains_any(folder, *ROOTS, _OWN_SETTINGS) or _TABLE in (folder / _SHARED_SETTINGS).read_bytes()
    except OSError:
        return False
