"""Read group maps strictly. An error contains the JSON path of the problem."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import READABLE, SCHEMA_VERSION, GroupMap
from lrdecay_cli.domain.training import takes_turn
from lrdecay_cli.files.writing import not_finite
from lrdecay_cli.text.spelling import did_you_mean

_MAP_KEYS = frozenset(GroupMap.__struct_encode_fields__)
_FIRST_KEYS = GroupMap.__struct_encode_fields__[:6]
TEXT_BASELINE = b"# lrdecay baseline"
"""First bytes of a baseline in text form."""
LARGEST = 1 << 28
"""Maximum size of a file in bytes. This is ten times the size of a map with 50,000 groups of one tensor each."""


def read_map(path: str) -> GroupMap:
    """Return the group map in a file, or from stdin if ``path`` is ``-``.

    Raises:
        LrdecayError: the map is invalid. The error contains the JSON path of the problem.
    """
    raw = read_bytes(path)
    try:
        group_map = msgspec.json.decode(raw, type=GroupMap)
        keys = _keys(raw)
        # Writing the map again gives fewer keys if an object repeats a key. A map of schema 1 lacks keys with a
        # default; only then the text is read again as plain values.
        sound = group_map.schema_version in READABLE and (
            keys == _keys(msgspec.json.encode(group_map))
            or keys == _keys(msgspec.json.encode(msgspec.json.decode(raw)))
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        sound = False
    if not sound:
        raise refusal(raw, path)
    if group_map.schema_version < SCHEMA_VERSION:
        from lrdecay_cli.files.schema_1 import from_schema_1

        group_map = from_schema_1(group_map)
    for where, problem in (*_repeated_names(group_map), *_wrong_changes(group_map)):
        raise LrdecayError(problem, where=f"{path}: {where}", fix=EXPORT_AGAIN)
    return group_map


def read_bytes(path: str) -> bytes:
    """Return the content of a file, or of stdin if ``path`` is ``-``, without byte order mark.

    Raises:
        LrdecayError: the file cannot be read, or it is larger than ``LARGEST``.
    """
    try:
        if path == "-" and sys.stdin is None:
            raise LrdecayError("stdin is closed", where=path)
        if path == "-":
            raw = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        from lrdecay_cli.files.config_path import suggest_file

        fix = suggest_file(path, (Path(path).suffix,)) or "check the path"
        raise LrdecayError("no such file", where=path, fix=fix) from error
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=path) from error
    if len(raw) > LARGEST:
        raise LrdecayError(f"the file is larger than {LARGEST >> 20} MiB", where=path)
    return raw.removeprefix(b"\xef\xbb\xbf")


def top_level_keys(raw: bytes) -> frozenset[str] | None:
    """Return the top-level keys of a JSON object. None if ``raw`` is not a JSON object."""
    try:
        return frozenset(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def looks_like_map(raw: bytes) -> bool:
    """True if the content of a JSON file looks like a group map, even if a merge, truncation or edit damaged it."""
    keys = top_level_keys(raw)
    if keys is None:
        return all(f'"{key}"'.encode() in raw for key in _FIRST_KEYS)
    return {"schema_version", "groups"} <= keys or 2 * len(keys & _MAP_KEYS) > len(_MAP_KEYS)


def _keys(raw: bytes) -> int:
    """Return the number of keys in a JSON text. Each ``":`` inside a string also counts as a key."""
    return msgspec.json.format(raw, indent=-1).count(b'":')


def _repeated_names(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """Yield the JSON path and the problem of each name that two groups, or two parameters, share."""
    yield from _repeats((f"$.groups[{i}].name", group.name) for i, group in enumerate(group_map.groups))
    held = sum(len(group.parameters) for group in group_map.groups)
    again = sum(len(tensor.later) for tensor in group_map.tensors())
    if len(group_map.names()) < held - again + len(group_map.frozen) + len(group_map.missing):
        yield from _repeats(_located(group_map))


def _wrong_changes(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """Yield the JSON path and the problem of each invalid name in ``training.train_mode``.

    This record lists the parameters that ``model.train()`` freezes or unfreezes. The map must contain each of them.
    Those in ``freezes`` must be frozen in the map, and those in ``thaws`` must be trainable.
    """
    if not (train_mode := group_map.training.train_mode):
        return
    trainable = {tensor.name: tensor.trainable for tensor in group_map.tensors()}
    for key, names, after in (("freezes", train_mode.freezes, False), ("thaws", train_mode.thaws, True)):
        for i, name in enumerate(names):
            if trainable.get(name) is not after:
                state = "takes a gradient" if name in trainable and not after else "takes no gradient"
                problem = f"{name!r} {state if name in trainable else 'is not a parameter of this map'}"
                yield f"$.training.train_mode.{key}[{i}]", problem


def _located(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    holders: dict[str, list[str]] = {}
    for i, group in enumerate(group_map.groups):
        for j, parameter in enumerate(group.parameters):
            of = holders.setdefault(parameter.name, [])
            again = bool(of) and takes_turn(group_map.optimizer.turns or (), of, group.optimizer)
            of.append(group.optimizer)
            if again:
                continue
            yield f"$.groups[{i}].parameters[{j}].name", parameter.name
    yield from ((f"$.frozen[{i}].name", frozen.name) for i, frozen in enumerate(group_map.frozen))
    yield from ((f"$.missing[{i}].name", missing.name) for i, missing in enumerate(group_map.missing))


def _repeats(named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for path, name in named:
        if name in first:
            yield path, f"name {name!r} is already used by {first[name]}"
        first[name] = path


_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_LIMIT = re.compile(r"Expected `int` ([<>]=) (-?\d+)")
EXPORT_AGAIN = "export the map again: lrdecay inspect CONFIG -o map.json"
"""The fix in an error about a damaged map."""


def refusal(raw: bytes, path: str) -> LrdecayError:
    """Return the error for the content ``raw`` of a file that is not a valid group map."""
    import json

    if raw.startswith(TEXT_BASELINE):
        fix = "give the config, or make a group map: lrdecay baseline CONFIG --form json"
        return LrdecayError("the file is a text baseline, not a group map", where=path, fix=fix)
    if not raw.strip():
        if path == "-":
            return LrdecayError(
                "stdin is empty", fix="pipe a map into lrdecay: lrdecay inspect CONFIG --format json | ..."
            )
        return LrdecayError("the file is empty", where=path, fix="make a map: lrdecay inspect CONFIG --format json")
    try:
        # Python's parser reports repeated keys and accepts NaN, which is then reported with its path.
        data = json.loads(raw.decode(), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        return LrdecayError("the file is not UTF-8 text", where=path, fix="give a map written by lrdecay")
    except json.JSONDecodeError as error:
        if _is_log(raw):
            problem = "the file is a log of JSON lines, not a group map"
            return LrdecayError(problem, where=path, fix="to read the logs of a training: lrdecay run WORK_DIR")
        return LrdecayError(
            f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}", fix=EXPORT_AGAIN
        )
    except (ValueError, RecursionError) as error:
        return LrdecayError(f"not valid JSON: {error}", where=path, fix=EXPORT_AGAIN)
    if wrong := _wrong_version(data, path):
        return wrong
    for where, value in not_finite(data):
        return LrdecayError(f"is {value}, not a finite number", where=f"{path}: {where}", fix=EXPORT_AGAIN)
    return _wrong_form(raw, path)


def _is_log(raw: bytes) -> bool:
    """True if the first lines are JSON objects, as in logs of mmengine's LoggerHook and LocalVisBackend."""
    import json

    try:
        return all(isinstance(json.loads(line), dict) for line in raw.splitlines()[:2])
    except ValueError:
        return False


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key!r} is repeated in one object")
        result[key] = value
    return result


def _wrong_version(data: Any, path: str) -> LrdecayError | None:
    if not isinstance(data, dict) or "schema_version" not in data:
        fix = "make a map: lrdecay inspect CONFIG --format json"
        return LrdecayError("the file is not a group map: it has no schema_version", where=path, fix=fix)
    version = data["schema_version"]
    if version in READABLE and not isinstance(version, bool):
        return None
    return LrdecayError(
        f"schema_version is {version!r}, but this version of lrdecay reads {' and '.join(map(str, READABLE))}",
        where=f"{path}: $.schema_version",
        fix="export the map again with this version of lrdecay, or use the version that wrote the map",
    )


def _wrong_form(raw: bytes, path: str) -> LrdecayError:
    try:
        msgspec.json.decode(raw, type=GroupMap)
    except msgspec.DecodeError as error:
        problem, _, where = str(error).partition(" - at ")
        where = where.strip("`") or "$"
        if unknown := _UNKNOWN_KEY.fullmatch(problem):
            definitions = msgspec.json.schema(GroupMap)["$defs"].values()
            known = sorted({name for definition in definitions for name in definition["properties"]})
            fix = did_you_mean(unknown[1], known) or EXPORT_AGAIN
            return LrdecayError("unknown key", where=f"{path}: {where}.{unknown[1]}", fix=fix)
        if limit := _LIMIT.fullmatch(problem):
            problem = f"the number is out of range, it must be {limit[1]} {int(limit[2]):,}"
        return LrdecayError(problem[:1].lower() + problem[1:], where=f"{path}: {where}", fix=EXPORT_AGAIN)
    raise AssertionError(f"{path} is a valid group map")
