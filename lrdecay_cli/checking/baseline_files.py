"""The files of baselines: their names, folders and forms, and the configs that they name."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

import msgspec

from lrdecay_cli.cache import probed
from lrdecay_cli.checking.baseline_text import HEAD, PROGRAM
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files import looks_like_map, read_bytes, read_map
from lrdecay_cli.files.config_path import SEPARATOR, in_project
from lrdecay_cli.files.writing import map_path

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
"""Forms of a baseline: ``text`` for review, ``json`` for the whole group map."""
SUFFIXES: Mapping[Form, str] = {"text": ".txt", "json": ".json"}
ALL_SUFFIXES = tuple(SUFFIXES.values())


class BaselineFile(msgspec.Struct, frozen=True):
    """A baseline file and the config that it names."""

    path: str
    config: str
    of_program: bool = False
    """True if a Python program recorded the groups with ``audit_optimizer``. ``config`` is then a name that the
    program gave, not a path.
    """


def baseline_path(given: str, config: str, form: Form | None = None) -> Path:
    """Return the baseline file of a config: ``given`` itself if it is a file, else a file below the folder ``given``.

    Without ``form``, return the existing file, or the path of the text form if there is none.

    A file below a folder is named after the config. The name is the first of these that applies:

    - the path within the project, if the config is in a project
    - the path relative to the parent of the folder ``given``, if the config is below this parent
    - the path relative to the working directory, if the config is below the working directory
    - the name ``config`` itself, for example the name of a config in the zoo of a package

    Raises:
        LrdecayError: both forms exist.
    """
    if given.endswith(ALL_SUFFIXES) and not Path(given).is_dir():
        return Path(given)
    whole = whole_path(given, config)
    paths = {each: whole.with_suffix(suffix) for each, suffix in SUFFIXES.items()}
    if form is not None:
        return paths[form]
    probed(*map(str, paths.values()))
    there = [path for path in paths.values() if path.is_file()]
    if len(there) > 1:
        fix = "remove one of the two files"
        raise LrdecayError(f"the config has two baselines, {there[0]} and {there[1].name}", where=config, fix=fix)
    return there[0] if there else paths["text"]


def whole_path(given: str, config: str) -> Path:
    """Return the path of a config's JSON baseline below the folder ``given``."""
    if (own := in_project(config)) is not None:
        return map_path(Path(given), own)
    file = Path(os.path.abspath(config))  # noqa: PTH100 (a link counts where it lies)
    if SEPARATOR not in config and file.is_file():
        beside = Path(os.path.abspath(given)).parent  # noqa: PTH100
        root = beside if file.is_relative_to(beside) else Path.cwd()
        if file.is_relative_to(root):
            return map_path(Path(given), file.relative_to(root).as_posix())
    here = f"{Path.cwd()}{os.sep}"
    return map_path(Path(given), config.removeprefix(here) if config.startswith(here) else config)


def check_folder(given: str | None, configs: Iterable[str], *, maps: int = 0) -> str:
    """Check that the baselines can be written to ``given``, and return ``given``.

    ``given`` is a folder. For a single baseline, it can also be a text file. Call this function before configs are
    built, so that a wrong ``--output`` is reported early.

    Args:
        given: value of ``--output``.
        configs: configs that get a baseline.
        maps: number of exported maps that get a baseline too. The configs of these maps are not known yet.

    Raises:
        LrdecayError: ``--output`` is missing, ``given`` is a file but not the text file of a single baseline, or two
            configs would have the same baseline file.
    """
    if not given:
        raise LrdecayError(
            "the directory for the baselines is not given", where="--output", fix="give a directory: -o baselines/"
        )
    configs = list(configs)
    if given.endswith(SUFFIXES["text"]) and len(configs) + maps == 1 and not Path(given).is_dir():
        return given
    if Path(given).is_file() or given.endswith(ALL_SUFFIXES):
        raise LrdecayError(f"{given} is not a directory", where="--output", fix="give a directory: -o baselines/")
    taken: dict[Path, str] = {}
    for config in configs:
        other = taken.setdefault(whole_path(given, config), config)
        if other != config:
            raise LrdecayError(f"the baselines of {other} and {config} would be the same file", where="--output")
    return given


def baselines_in(folder: str) -> Iterator[BaselineFile]:
    """Yield every baseline file below ``folder``, sorted by path.

    In the result, the path of each config is relative to the working directory.

    Raises:
        LrdecayError: the folder does not exist, or a file in it is not a baseline.
    """
    if not Path(folder).is_dir():
        raise LrdecayError(
            f"no directory {folder}",
            where="--output",
            fix=f"make baselines: lrdecay baseline CONFIGS -o {shlex.quote(folder)}",
        )
    for path in _files_of(folder):
        if (found := _read(path, folder)) is not None:
            yield found if found.of_program else msgspec.structs.replace(found, config=_from_here(found.config, folder))


def lost_configs(folder: str, targets: Iterable[str], checked: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every baseline file below ``folder`` whose config no longer exists, with the path of the config.

    Args:
        folder: value of ``--baseline``.
        targets: configs and folders on the command line. Only configs in one of these folders are considered.
        checked: configs that exist. Their baselines are skipped without being read.
    """
    inside = [os.path.abspath(target) for target in targets if Path(target).is_dir()]  # noqa: PTH100
    if not inside or not Path(folder).is_dir():
        return
    known = {whole_path(folder, config).with_suffix("") for config in checked}
    for path in _files_of(folder):
        if path.with_suffix("") in known:
            continue
        try:
            found = _read(path, folder)
        except LrdecayError:
            continue
        if found is None or found.of_program:
            continue
        config = found.config
        # A name from another working directory says nothing about a file here.
        if SEPARATOR in config or whole_path(folder, config).with_suffix("") != path.with_suffix(""):
            continue
        places = [Path(os.path.abspath(place)) for place in (config, Path(folder).parent / config)]  # noqa: PTH100
        if not any(place.exists() for place in places) and any(
            place.is_relative_to(each) for place in places for each in inside
        ):
            probed(str(path), *map(str, places))
            yield str(path), config


def _files_of(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if path.suffix in ALL_SUFFIXES and path.is_file())


def _read(path: Path, folder: str) -> BaselineFile | None:
    """Return a baseline file with the config that it names; None if the file is not a baseline."""
    raw = read_bytes(str(path))
    if path.suffix == SUFFIXES["json"]:
        if not looks_like_map(raw):
            return None
        group_map = read_map(str(path))
        return BaselineFile(str(path), group_map.config.path, bool(group_map.live))
    if HEAD.encode() not in raw:
        return None
    named = re.search(rb'^config = (".*")\s*$', raw, re.MULTILINE)
    try:
        config = json.loads(named[1]) if named else None
    except ValueError:
        config = None
    if not isinstance(config, str):
        fix = f"write it again: lrdecay baseline CONFIG -o {shlex.quote(folder)}"
        raise LrdecayError('has no line config = "PATH"', where=str(path), fix=fix)
    return BaselineFile(str(path), config, f"\n{PROGRAM}".encode() in raw)


def _from_here(config: str, folder: str) -> str:
    """Return the path of a baseline's config.

    The path in a baseline is relative to an earlier working directory. If no such file exists in the present working
    directory, the path is taken as relative to the parent of ``folder``.
    """
    beside = Path(folder).parent / config
    return str(beside) if SEPARATOR not in config and not Path(config).is_file() and beside.is_file() else config
