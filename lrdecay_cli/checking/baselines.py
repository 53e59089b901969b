"""Find and read the baseline of each config, to compare it with the current groups."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import msgspec

from lrdecay_cli.checking.baseline_files import ALL_SUFFIXES, SUFFIXES, baseline_path
from lrdecay_cli.checking.baseline_reading import apply_baseline
from lrdecay_cli.checking.baseline_text import parse_text
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import NO_BASELINE, Skipped
from lrdecay_cli.domain.group_map import GroupMap, Parameter
from lrdecay_cli.files import read_bytes, read_map
from lrdecay_cli.files.config_path import suggest_file
from lrdecay_cli.files.map_file import EXPORT_AGAIN
from lrdecay_cli.rules.context.policy import Baseline


def missing_baselines(
    given: str, configs: Mapping[str, str], *, targets: Sequence[str] = (), options: Sequence[str] = ()
) -> tuple[Skipped, ...]:
    """Return the configs without a baseline, each with the command that writes it.

    Args:
        given: value of ``--baseline``.
        configs: for each config name, the file or config from which the group map is made.
        targets: names on the command line, if they differ from the names in ``configs``.
        options: command-line options for building the configs.

    Raises:
        LrdecayError: the only config has no baseline, or ``given`` is one file for several configs.
    """
    if not configs:
        return ()
    first, *others = configs
    named = targets or [*configs.values()]
    path, make = baseline_path(given, first), f"make it with: {_command(given, named, options)}"
    if not given.endswith(ALL_SUFFIXES) and not Path(given).is_dir():
        fix = suggest_file(given, ALL_SUFFIXES, folders=True) or make
        raise LrdecayError(f"no directory {given}", where="--baseline", fix=fix)
    if others and path == baseline_path(given, others[0]) == Path(given):
        raise LrdecayError(
            f"{given} is a single file, but {len(configs)} configs need a baseline each",
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
        targets: names on the command line, if they differ from the keys of ``maps``.
        options: command-line options for building the configs.

    Raises:
        LrdecayError: a baseline cannot be read. The error contains the file and the line.
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
        source: the file or config that ``now`` was read or built from; by default the config of ``now``.
        options: command-line options with which ``now`` was built.

    Raises:
        LrdecayError: the file cannot be read.
    """
    target = source or now.config.path
    options = options if target == now.config.path else ()
    if now.live and target == now.config.path:
        alone = command_of_program(path, target)
        shows = f"lrdecay_cli.diff({json.dumps(path)}, group_map)"
    else:
        alone = _command(path, [target], options)
        shows = " ".join(("lrdecay diff", shlex.quote(path), shlex.quote(target), *options))
    if not path.endswith(SUFFIXES["text"]):
        try:
            return Baseline(path, read_map(path), command=command or alone, shows=shows)
        except LrdecayError as error:
            fix = error.fix if error.fix not in ("", EXPORT_AGAIN) else f"write the baseline again: {alone}"
            raise error.replaced(fix=fix) from error
    applied = apply_baseline(parse_text(read_bytes(path), path, renew=alone), now)
    return Baseline(path, applied.group_map, True, applied.others, command or alone, shows)


def find_baseline(given: str, now: GroupMap, source: str = "") -> Baseline:
    """Return the baseline of one map.

    Args:
        given: the baseline file, or the folder of baselines.
        now: the map to compare.
        source: the file or config that ``now`` was read or built from; by default the config of ``now``.

    Raises:
        LrdecayError: the baseline cannot be read or does not exist. The error contains the command that writes it.
    """
    config = now.config.path
    if Path(given).is_file():
        return read_baseline(given, now, source=source)
    if now.live and not source:
        path = baseline_path(given, config)
        if not path.is_file():
            make = command_of_program(given, config)
            raise LrdecayError(f"no baseline {path}", where=config, fix=f"make it with: {make}")
    else:
        missing_baselines(given, {config: source or config})
    return read_baseline(str(baseline_path(given, config)), now, source=source)


def compared_baseline(path: str, other: GroupMap) -> GroupMap:
    """Return a text baseline as a map that ``diff`` can compare with ``other``.

    A line of the baseline stands for the tensors that match its name pattern. If these tensors have changed, the
    returned map gets an extra parameter with the line number as its name. ``diff`` reports this parameter, because
    ``other`` does not have it.
    """
    baseline = read_baseline(path, other)
    lines = tuple(Parameter(f"line {other.line}: other tensors", (), 0) for other in baseline.others)
    group_map = baseline.group_map
    config = msgspec.structs.replace(group_map.config, path=path)
    return msgspec.structs.replace(group_map, config=config, frozen=(*group_map.frozen, *lines))


def command_of_program(given: str, name: str) -> str:
    """Return the instruction to write the baseline of a Python program.

    The instruction is a Python call, such as ``group_map.save("maps/toy.json")``. If the baseline is not a single JSON
    file, the instruction also contains a command, which turns the saved map into the baseline.

    Args:
        given: the baseline file, or the folder of baselines.
        name: the name that the program gives the map.
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
