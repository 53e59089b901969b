"""Find, read and write the baseline of each config, as text or as a whole group map in JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal, get_args

import msgspec

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.settings import settings
from lrdecay_cli.cache import probed
from lrdecay_cli.checking.baseline_reading import apply_baseline
from lrdecay_cli.checking.baseline_text import HEAD, parse_text, to_text
from lrdecay_cli.domain.change import BaselineRecord, State
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import NO_BASELINE, Skipped
from lrdecay_cli.domain.group_map import GroupMap, Parameter
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.files import looks_like_map, read_bytes, read_map, to_json, top_level_keys, write_text
from lrdecay_cli.files.config_path import SEPARATOR, in_project, suggest_file
from lrdecay_cli.files.writing import map_path
from lrdecay_cli.rules.context.policy import Baseline

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
"""Forms of a baseline: ``text`` for review, ``json`` for the whole group map."""
SUFFIXES: Mapping[Form, str] = {"text": ".txt", "json": ".json"}
_SUFFIXES = tuple(SUFFIXES.values())


def baseline_path(given: str, config: str, form: Form | None = None) -> Path:
    """Return the baseline file of a config: ``given`` itself if it is a file, else a file below the folder ``given``.

    Without ``form``, return the existing file, or the path of the text form if there is none.

    A file below a folder is named after the config's path within its project, independent of the working directory.
    Outside a project, it is named after the path relative to the parent of the folder. For configs elsewhere, and
    configs of a package's zoo, it is named after the config's name.

    Raises:
        LrdecayError: both forms exist.
    """
    if given.endswith(_SUFFIXES) and not Path(given).is_dir():
        return Path(given)
    whole = _whole_path(given, config)
    paths = {each: whole.with_suffix(suffix) for each, suffix in SUFFIXES.items()}
    if form is not None:
        return paths[form]
    probed(*map(str, paths.values()))
    there = [path for path in paths.values() if path.is_file()]
    if len(there) > 1:
        fix = "remove one of them"
        raise LrdecayError(f"has two baselines, {there[0]} and {there[1].name}", where=config, fix=fix)
    return there[0] if there else paths["text"]


def _whole_path(given: str, config: str) -> Path:
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


def missing_baselines(
    given: str, configs: Mapping[str, str], *, targets: Sequence[str] = (), options: Sequence[str] = ()
) -> tuple[Skipped, ...]:
    """Return the configs without a baseline, each with the command that writes it.

    Args:
        given: value of ``--baseline``.
        configs: names of configs, and the file or config that each is read or built from.
        targets: names on the command line, if different.
        options: command-line options for building the configs.

    Raises:
        LrdecayError: the only config has no baseline, or several configs share one map.
    """
    if not configs:
        return ()
    first, *others = configs
    named = targets or [*configs.values()]
    path, make = baseline_path(given, first), f"make it with: {_command(given, named, options)}"
    if not given.endswith(_SUFFIXES) and not Path(given).is_dir():
        fix = suggest_file(given, _SUFFIXES, folders=True) or make
        raise LrdecayError(f"no directory {given}", where="--baseline", fix=fix)
    if others and path == baseline_path(given, others[0]) == Path(given):
        raise LrdecayError(
            f"one baseline for {len(configs)} configs",
            where="--baseline",
            fix=f"give a directory: {_command('baselines/', named, options)}",
        )
    if not others and not path.is_file():
        raise LrdecayError(f"no baseline {path}", where=first, fix=make)
    return tuple(
        Skipped(config, NO_BASELINE, f"there is no {path}; make it with: {_command(given, [source], options)}")
        for config, source in configs.items()
        if not (path := baseline_path(given, config)).is_file()
    )


def read_baselines(
    given: str, maps: Mapping[str, GroupMap], *, targets: Sequence[str] = (), options: Sequence[str] = ()
) -> dict[str, Baseline]:
    """Return the baseline of each config that has one.

    Args:
        given: value of ``--baseline``.
        maps: the maps to compare, by the file or config that they come from.
        targets: names on the command line, if different.
        options: command-line options for building the configs.

    Raises:
        LrdecayError: a baseline cannot be read; with its file and line.
    """
    found = {}
    # A cause may concern many configs: the command renews all of them in their forms.
    update = " ".join(("lrdecay baseline --update -o", shlex.quote(given), *options))
    for source, group_map in maps.items():
        config = group_map.config.path
        path = baseline_path(given, config)
        if path.is_file():
            # Configs of maps may be missing here, or may not build here.
            command = update if source == config and not group_map.live else _command(given, targets or [*maps])
            if path == Path(given) or (group_map.live and source == config):
                command = ""
            found[config] = read_baseline(str(path), group_map, command=command, source=source, options=options)
    return found


def read_baseline(
    path: str, now: GroupMap, *, command: str = "", source: str = "", options: Sequence[str] = ()
) -> Baseline:
    """Return the baseline in the file ``path``, as a map to compare with ``now``.

    Args:
        path: the baseline file.
        now: the map of the config today.
        command: the command that writes the baseline again; by default a command for this file alone.
        source: the file or config that ``now`` was read or built from; by default its config.
        options: command-line options with which ``now`` was built.

    Raises:
        LrdecayError: the file cannot be read.
    """
    target = source or now.config.path
    options = options if target == now.config.path else ()
    if now.live and target == now.config.path:
        alone = _command_of_program(path, target)
        shows = f"lrdecay_cli.diff({json.dumps(path)}, group_map)"
    else:
        alone = _command(path, [target], options)
        shows = " ".join(("lrdecay diff", shlex.quote(path), shlex.quote(target), *options))
    if not path.endswith(SUFFIXES["text"]):
        try:
            return Baseline(path, read_map(path), command=command or alone, shows=shows)
        except LrdecayError as error:
            raise error.replaced(fix=error.fix or f"renew it: {alone}") from error
    applied = apply_baseline(parse_text(read_bytes(path), path, renew=alone), now)
    return Baseline(path, applied.group_map, True, applied.others, command or alone, shows)


def compared_baseline(path: str, other: GroupMap) -> GroupMap:
    """Return a text baseline as a map that ``diff`` can compare with ``other``.

    A line whose tensors differ becomes a parameter of the map, named after the line, that ``other`` lacks.
    """
    baseline = read_baseline(path, other)
    lines = tuple(Parameter(f"line {other.line}: other tensors", (), 0) for other in baseline.others)
    group_map = baseline.group_map
    config = msgspec.structs.replace(group_map.config, path=path)
    return msgspec.structs.replace(group_map, config=config, frozen=(*group_map.frozen, *lines))


def check_folder(given: str | None, configs: Iterable[str], *, maps: int = 0) -> str:
    """Return the folder for baselines, or the text file for a single baseline.

    Call it before building configs, so that a wrong ``--output`` is reported early.

    Args:
        given: value of ``--output``.
        configs: configs that get a baseline.
        maps: number of further maps, whose configs are not known yet.

    Raises:
        LrdecayError: no folder is given, it is a file, or two configs would share a baseline.
    """
    if not given:
        raise LrdecayError("no directory for baselines", where="--output", fix="give a directory: -o baselines/")
    configs = list(configs)
    if given.endswith(SUFFIXES["text"]) and len(configs) + maps == 1 and not Path(given).is_dir():
        return given
    if Path(given).is_file() or given.endswith(_SUFFIXES):
        raise LrdecayError(f"{given} is not a directory", where="--output", fix="give a directory: -o baselines/")
    taken: dict[Path, str] = {}
    for config in configs:
        other = taken.setdefault(_whole_path(given, config), config)
        if other != config:
            raise LrdecayError(f"the baselines of {other} and {config} would be the same file", where="--output")
    return given


def write_baselines(
    folder: str, maps: Iterable[GroupMap], *, form: Form | None = None, write: bool = True
) -> Iterator[BaselineRecord]:
    """Write the baseline of each config below ``folder``. Unchanged baselines are not written.

    Args:
        folder: target folder; created if missing.
        maps: the new baselines.
        form: form of all baselines; None keeps the form of an existing baseline, and uses text for a new one.
        write: False only reports what would be written.

    Raises:
        LrdecayError: a file cannot be written, or exists and is not a baseline.
    """
    for group_map in maps:
        path = baseline_path(folder, group_map.config.path, form)
        state, changes = _compare_file(path, group_map)
        if write and state != "unchanged":
            text = to_text(group_map) if path.suffix == SUFFIXES["text"] else to_json(group_map)
            write_text(path, text, make_folders=True)
            state = "written" if state == "missing" else "updated"
        if write and form is not None:
            # A config has one baseline: remove the other form.
            for other in FORMS:
                if other != form:
                    baseline_path(folder, group_map.config.path, other).unlink(missing_ok=True)
        yield BaselineRecord(group_map.config.path, path.as_posix(), state, changes)


def _compare_file(path: Path, group_map: GroupMap) -> tuple[State, int | None]:
    """Return whether a baseline file is up to date with a map, and how many parameters differ."""
    if not path.exists():
        return "missing", None
    if path.suffix == SUFFIXES["text"]:
        return _compare_text(path, group_map)
    keys = top_level_keys(read_bytes(str(path))) or frozenset()
    if not {"schema_version", "groups"} <= keys:
        raise LrdecayError(
            "not a group map, so it is not overwritten", where=str(path), fix="move it away, or use another -o"
        )
    try:
        old = read_map(str(path))
    except LrdecayError:
        # Written by another version, or damaged.
        return "outdated", None
    changes = len({change.parameter for change in diff(old, group_map, rtol=CLOSE)})
    same = not changes and not settings(old, group_map) and _content(old) == _content(group_map)
    return ("unchanged" if same else "outdated"), changes


def _compare_text(path: Path, group_map: GroupMap) -> tuple[State, int | None]:
    raw = read_bytes(str(path))
    if raw == to_text(group_map).encode():
        return "unchanged", 0
    try:
        old = read_baseline(str(path), group_map)
    except LrdecayError as error:
        if HEAD.encode() not in raw:
            fix = "move it away, or use another -o"
            raise LrdecayError("not a baseline, so it is not overwritten", where=str(path), fix=fix) from error
        # Written by another version, or damaged.
        return "outdated", None
    changed = {change.parameter for change in diff(old.group_map, group_map, rtol=CLOSE)}
    return "outdated", len(changed.union(*(other.parameters for other in old.others)))


def kept_configs(folder: str) -> Iterator[tuple[str, str]]:
    """Yield every baseline file below ``folder`` and the path of its config, sorted by file.

    The path of a config is relative to the working directory.

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
        if (config := _config_of(path, folder)) is not None:
            yield str(path), _from_here(config, folder)


def lost_configs(folder: str, targets: Iterable[str], checked: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every baseline file below ``folder`` whose config no longer exists, with the path of the config.

    Args:
        folder: value of ``--baseline``.
        targets: names on the command line. Only configs in a folder among them are considered.
        checked: configs that exist, so that their baselines need not be read.
    """
    inside = [os.path.abspath(target) for target in targets if Path(target).is_dir()]  # noqa: PTH100
    if not inside or not Path(folder).is_dir():
        return
    known = {_whole_path(folder, config).with_suffix("") for config in checked}
    for path in _files_of(folder):
        if path.with_suffix("") in known:
            continue
        try:
            config = _config_of(path, folder)
        except LrdecayError:
            continue
        # A name from another working directory says nothing about a file here.
        if config is None or SEPARATOR in config or _whole_path(folder, config).with_suffix("") != path.with_suffix(""):
            continue
        places = [Path(os.path.abspath(place)) for place in (config, Path(folder).parent / config)]  # noqa: PTH100
        if not any(place.exists() for place in places) and any(
            place.is_relative_to(each) for place in places for each in inside
        ):
            probed(str(path), *map(str, places))
            yield str(path), config


def _files_of(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if path.suffix in _SUFFIXES and path.is_file())


def _config_of(path: Path, folder: str) -> str | None:
    """Return the config that a baseline file names; None if the file is not a baseline."""
    raw = read_bytes(str(path))
    if path.suffix == SUFFIXES["json"]:
        return read_map(str(path)).config.path if looks_like_map(raw) else None
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
    return config


def _from_here(config: str, folder: str) -> str:
    """Return the path of a baseline's config.

    The path in a baseline is relative to an earlier working directory. If it does not exist here, it is taken as
    relative to the parent of ``folder``.
    """
    beside = Path(folder).parent / config
    return str(beside) if SEPARATOR not in config and not Path(config).is_file() and beside.is_file() else config


def _content(group_map: GroupMap) -> bytes:
    """Return the encoded map without the fields that describe the environment in which it was made."""
    tool = msgspec.structs.replace(group_map.tool, version="")
    made = {"stack": {}, "distributions": msgspec.UNSET, "device": "", "stubs": ()}
    return msgspec.json.encode(msgspec.structs.replace(group_map, tool=tool, **made))


def find_baseline(given: str, now: GroupMap, source: str = "") -> Baseline:
    """Return the baseline of one map.

    Args:
        given: the baseline file, or the folder of baselines.
        now: the map to compare.
        source: the file or config that ``now`` was read or built from; by default its config.

    Raises:
        LrdecayError: the baseline cannot be read, or does not exist; with the command that writes it.
    """
    config = now.config.path
    if Path(given).is_file():
        return read_baseline(given, now, source=source)
    if now.live and not source:
        path = baseline_path(given, config)
        if not path.is_file():
            make = _command_of_program(given, config)
            raise LrdecayError(f"no baseline {path}", where=config, fix=f"make it with: {make}")
    else:
        missing_baselines(given, {config: source or config})
    return read_baseline(str(baseline_path(given, config)), now, source=source)


def _command_of_program(given: str, name: str) -> str:
    """Return the code and the command that write a baseline for a map made by a Python program.

    Args:
        given: the baseline file, or the folder of baselines.
        name: the program's name for the map.
    """
    if given.endswith(SUFFIXES["json"]) and not Path(given).is_dir():
        return f"group_map.save({json.dumps(given)})"
    file = f"{PurePath(name).name}.json"
    return f"group_map.save({json.dumps(file)}), then {_command(given, [file])}"


def _command(given: str, targets: Sequence[str], options: Sequence[str] = ()) -> str:
    named = " ".join(map(shlex.quote, targets))
    if given.endswith(SUFFIXES["json"]) and len(targets) == 1 and not Path(given).is_dir():
        return " ".join(("lrdecay inspect", named, "--output", shlex.quote(f"json={given}"), *options))
    return " ".join(("lrdecay baseline", named, "-o", shlex.quote(given), *options))
