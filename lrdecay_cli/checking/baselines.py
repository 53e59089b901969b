"""Golden maps: finding the one of each config, and writing them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from lrdecay_cli.analysis.comparing.changes import diff, settings
from lrdecay_cli.domain.change import BaselineRecord, State
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Skipped
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.files import read_bytes, read_map, to_json, top_level_keys, write_text
from lrdecay_cli.files.config_path import SEPARATOR, file_meant, in_project
from lrdecay_cli.files.writing import map_path
from lrdecay_cli.rules.context.policy import Baseline

_SUFFIX = ".json"


def baseline_path(given: str, config: str) -> Path:
    """The baseline of a config: ``given`` itself if that is a map, else below it, as ``lrdecay baseline`` lays it.

    It is named by the config's path from the folder of its project, wherever the command is run. What belongs to no
    project goes by its path from the folder that the baselines are in; what is not below that, is no file here, or is
    of a package's zoo, by what the config is called.
    """
    if given.endswith(_SUFFIX) and not Path(given).is_dir():
        return Path(given)
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


def missing_baselines(given: str, configs: Sequence[str]) -> tuple[Skipped, ...]:
    """Those of ``configs`` that have no baseline, each with the command that makes it.

    Raises:
        LrdecayError: it is the only config, or several are to be held against one map.
    """
    configs = list(dict.fromkeys(configs))
    if not configs:
        return ()
    path, make = baseline_path(given, configs[0]), f"make it with: {_command(given, configs[0])}"
    if not given.endswith(_SUFFIX) and not Path(given).is_dir():
        remedy = file_meant(given, (_SUFFIX,), folders=True) or make
        raise LrdecayError(f"no directory {given}", where="--baseline", remedy=remedy)
    if len(configs) > 1 and path == baseline_path(given, configs[1]) == Path(given):
        raise LrdecayError(
            f"one map for {len(configs)} configs", where="--baseline", remedy="give a directory, see lrdecay baseline"
        )
    if len(configs) == 1 and not path.is_file():
        raise LrdecayError(f"no baseline {path}", where=configs[0], remedy=make)
    return tuple(
        Skipped(config, "no baseline", f"there is no {path}; make it with: {_command(given, config)}")
        for config in configs
        if not (path := baseline_path(given, config)).is_file()
    )


def read_baselines(given: str, configs: Iterable[str]) -> dict[str, Baseline]:
    """The baseline of each config that has one. Raises LrdecayError, with its place, for one that is no map."""
    paths = {config: baseline_path(given, config) for config in configs}
    return {config: Baseline(str(path), read_map(str(path))) for config, path in paths.items() if path.is_file()}


def check_folder(given: str | None, configs: Iterable[str]) -> str:
    """The directory that baselines go to. Before anything is built.

    Raises:
        LrdecayError: none is given, it is a file, or two configs would have one and the same baseline.
    """
    if not given:
        raise LrdecayError("no directory for baselines", where="--output", remedy="give one: -o baselines/")
    if Path(given).is_file() or given.endswith(_SUFFIX):
        raise LrdecayError(f"{given} is no directory", where="--output", remedy="give one: -o baselines/")
    taken: dict[Path, str] = {}
    for config in configs:
        other = taken.setdefault(baseline_path(given, config), config)
        if other != config:
            raise LrdecayError(f"the baselines of {other} and {config} would be one file", where="--output")
    return given


def write_baselines(folder: str, maps: Iterable[GroupMap], *, write: bool = True) -> Iterator[BaselineRecord]:
    """Write the map of each config below ``folder``; one that says the same already is left as it is.

    Args:
        folder: where they go; it is made if need be.
        maps: what is to be the baseline.
        write: whether to; without, what would be done is told.

    Raises:
        LrdecayError: a file cannot be written, or is there and is no map.
    """
    for group_map in maps:
        path = baseline_path(folder, group_map.config.path)
        state, changes = _standing(path, group_map)
        if write and state != "unchanged":
            write_text(path, to_json(group_map), make_folders=True)
            state = "written" if state == "missing" else "updated"
        yield BaselineRecord(group_map.config.path, path.as_posix(), state, changes)


def _standing(path: Path, group_map: GroupMap) -> tuple[State, int | None]:
    """How the file stands to the map, and how many parameters differ."""
    if not path.exists():
        return "missing", None
    keys = top_level_keys(read_bytes(str(path))) or frozenset()
    if not {"schema_version", "groups"} <= keys:
        raise LrdecayError(
            "is no group map, and is not written over", where=str(path), remedy="move it away, or use another -o"
        )
    try:
        old = read_map(str(path))
    except LrdecayError:
        # Of another version, or damaged.
        return "outdated", None
    changes = len({change.parameter for change in diff(old, group_map, rtol=CLOSE)})
    same = not changes and not settings(old, group_map) and _lasting(old) == _lasting(group_map)
    return ("unchanged" if same else "outdated"), changes


def _lasting(group_map: GroupMap) -> bytes:
    """All of a map but what says where and with what it was made, as the file has it."""
    tool = msgspec.structs.replace(group_map.tool, version="")
    made = {"stack": {}, "distributions": msgspec.UNSET, "device": "", "stand_ins": ()}
    return msgspec.json.encode(msgspec.structs.replace(group_map, tool=tool, **made))


def _command(given: str, config: str) -> str:
    if baseline_path(given, config) == Path(given):
        return f"lrdecay inspect {shlex.quote(config)} --output {shlex.quote(f'json={given}')}"
    return f"lrdecay baseline {shlex.quote(config)} -o {shlex.quote(given)}"
