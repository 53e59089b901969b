"""Find the configs that the targets on the command line name, for example all configs in a directory."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import SEPARATOR, SUFFIXES, suggest_file, suggest_zoo_config, zoo_folders
from lrdecay_cli.files.config_text import OPTIONS, may_be_config
from lrdecay_cli.text.counting import either

# In a directory, only Python files count as configs: zoos store .yml metadata and .json data beside them.
_SUFFIX = ".py"
_BASES = "_base_"
_ENVIRONMENT = frozenset(("pyvenv.cfg", "conda-meta"))
"""A folder that contains a file or folder with one of these names is a Python environment."""


def configs_of(targets: Iterable[str], skipped: list[str] | None = None) -> list[str]:
    """Return all configs that ``targets`` name, sorted by name, without repeats.

    A target is one of:

    - a config file;
    - a directory: all ``.py`` files below it for which :func:`may_be_config` is True. Files in ``_base_`` folders,
      hidden folders and Python environments are skipped;
    - ``mmdet::DIR``: a directory in the zoo of an installed package; ``mmdet::`` is the whole zoo;
    - a glob such as ``configs/**/*_coco.py``: the matching files.

    Args:
        targets: names on the command line.
        skipped: a list. The function appends the ``.py`` files for which :func:`may_be_config` is False.

    Raises:
        LrdecayError: a target does not exist or contains no config.
    """
    found: dict[str, str] = {}
    for target in targets:
        others: list[str] = []
        configs = sorted(_in_zoo(target) if SEPARATOR in target else _on_disk(target, others))
        if skipped is not None:
            skipped += sorted(others)
        if not configs:
            suggestion = ""
            if others:
                suggestion = f"no .py file in this directory is a training config, which sets {either(OPTIONS)}"
            elif SEPARATOR in target:
                suggestion = suggest_zoo_config(target)
            elif not os.path.exists(target):  # noqa: PTH110
                suggestion = suggest_file(target, SUFFIXES, folders=True)
            fix = suggestion or "give a config, a directory, a glob or mmdet::DIR"
            raise LrdecayError("no config found", where=target, fix=fix)
        for config in configs:
            if not config.isprintable():
                # JSON, or one line of a table, cannot contain it.
                raise LrdecayError(
                    f"the name of the config contains unprintable characters: {config!r}",
                    where=ascii(target),
                    fix="rename the file",
                )
            # By file: configs/a.py and ./configs/a.py are one config. A link is another one, possibly with other bases.
            found.setdefault(config if SEPARATOR in config else os.path.abspath(config), config)  # noqa: PTH100
    return sorted(found.values())


def shard_of(configs: Sequence[str], shard: str | None) -> list[str]:
    """Return the configs of a shard ``i/n``: every n-th config, starting with the i-th. Return all configs for None.

    Raises LrdecayError unless 1 <= i <= n.
    """
    if shard is None:
        return list(configs)
    index, slash, count = shard.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise LrdecayError(
            f"{shard!r} is not a shard", where="--shard", fix="give I/N, for example 1/4 to 4/4 for four machines"
        )
    return list(configs)[int(index) - 1 :: int(count)]


def _in_zoo(target: str) -> Iterator[str]:
    package, _, inside = target.partition(SEPARATOR)
    for folder in zoo_folders(package, given=target):
        place = folder / inside
        if place.is_file():
            yield target
            return
        for file in _below(place) if place.is_dir() else (Path(name) for name in _matching(str(place))):
            yield f"{package}{SEPARATOR}{file.relative_to(folder).as_posix()}"


def _on_disk(target: str, others: list[str]) -> Iterator[str]:
    path = Path(target)
    if path.is_dir():
        for file in map(str, _below(path)):
            if may_be_config(file):
                yield file
            else:
                others.append(file)
    elif path.exists():
        yield target
    else:
        yield from _matching(target)


def _matching(pattern: str) -> Iterator[str]:
    # Path.glob does not accept absolute patterns.
    names = glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else ()  # noqa: PTH207
    # It skips hidden files and folders by itself.
    for path in map(Path, names):
        if _is_config(path, path.parts):
            yield str(path)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        inside = Path(place).relative_to(folder).parts
        if inside and not _ENVIRONMENT.isdisjoint((*folders, *names)):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if _is_config(file, (*inside, file.name)):
                yield file


def _is_config(file: Path, parts: Sequence[str]) -> bool:
    return file.is_file() and file.suffix == _SUFFIX and file.name != "__init__.py" and _BASES not in parts
