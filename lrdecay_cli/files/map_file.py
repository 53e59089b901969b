"""Reading group maps strictly: what is wrong is told with its JSON path."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import SCHEMA_VERSION, GroupMap
from lrdecay_cli.files.json_text import not_finite


def read_map(path: str) -> GroupMap:
    """Read a group map from a file, or from stdin for ``-``. LrdecayError tells the JSON path of what is wrong."""
    text = _read_text(path)
    try:
        # Python's parser and not msgspec's: it tells repeated keys, and takes NaN, which is then told with its path.
        data = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise LrdecayError(f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise LrdecayError(f"not valid JSON: {error}", where=path) from error
    _check_version(data, path)
    for where, value in not_finite(data):
        raise LrdecayError(f"is {value}, not a finite number", where=f"{path}: {where}")
    for where, problem in _unknown_keys(data, GroupMap, "$"):
        raise LrdecayError(problem, where=f"{path}: {where}")
    try:
        group_map = msgspec.convert(data, GroupMap)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        raise LrdecayError(problem[:1].lower() + problem[1:], where=f"{path}: {where.strip('`') or '$'}") from error
    for where, problem in _repeated_names(group_map):
        raise LrdecayError(problem, where=f"{path}: {where}")
    return group_map


def _read_text(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise LrdecayError("no such file", where=path) from error
    except UnicodeDecodeError as error:
        raise LrdecayError("is not UTF-8 text", where=path, remedy="give a map that lrdecay wrote") from error
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=path) from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {repeated!r} stands twice in one object")
    return result


def _check_version(data: Any, path: str) -> None:
    if not isinstance(data, dict) or "schema_version" not in data:
        raise LrdecayError(
            "is not a group map: no schema_version", where=path, remedy="make one with inspect --format json"
        )
    version = data["schema_version"]
    if version != SCHEMA_VERSION or isinstance(version, bool):
        remedy = "make the map again with this lrdecay, or use the lrdecay that made it"
        raise LrdecayError(
            f"schema_version is {version!r}, this lrdecay reads {SCHEMA_VERSION}",
            where=f"{path}: $.schema_version",
            remedy=remedy,
        )


def _unknown_keys(value: Any, kind: Any, path: str) -> Iterator[tuple[str, str]]:
    """Keys that the dataclass ``kind`` does not have. msgspec passes over them in dataclasses."""
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        hints = _hints(kind)
        for key, item in value.items():
            if key in hints:
                yield from _unknown_keys(item, hints[key], f"{path}.{key}")
            else:
                nearest = difflib.get_close_matches(key, hints, n=1)
                yield f"{path}.{key}", f"unknown key{f'; did you mean {nearest[0]}?' if nearest else ''}"
    elif get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)[0]
        for index, item in enumerate(value if is_dataclass(inner) else ()):
            yield from _unknown_keys(item, inner, f"{path}[{index}]")
    elif get_origin(kind) in (UnionType, Union):
        for option in filter(is_dataclass, get_args(kind)):
            yield from _unknown_keys(value, option, path)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    """Type of each field. Looked up once: a map has thousands of objects of a few kinds."""
    return get_type_hints(kind)


def _repeated_names(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """Names that stand for two things: two groups, or two parameters that are grouped, frozen or missing."""
    yield from _repeats((f"$.groups[{i}].name", group.name) for i, group in enumerate(group_map.groups))
    parameters = [
        (f"$.groups[{i}].parameters[{j}].name", parameter.name)
        for i, group in enumerate(group_map.groups)
        for j, parameter in enumerate(group.parameters)
    ]
    for kind in ("frozen", "missing"):
        parameters += [(f"$.{kind}[{i}].name", parameter.name) for i, parameter in enumerate(getattr(group_map, kind))]
    yield from _repeats(parameters)


def _repeats(named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for path, name in named:
        if name in first:
            yield path, f"name {name!r} is taken by {first[name]}"
        first[name] = path
