"""Why a file is no group map: read again the slow way, to tell the first thing that is wrong and where."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import READABLE, GroupMap
from lrdecay_cli.files.json_text import not_finite
from lrdecay_cli.text.spelling import did_you_mean

_MADE_BY = "by lrdecay inspect CONFIG --format json"
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


def refusal(raw: bytes, path: str) -> LrdecayError:
    """The error to raise for ``raw``, the bytes of the file ``path``, that did not decode as a group map."""
    if not raw.strip():
        if path == "-":
            return LrdecayError("nothing came on stdin", remedy=f"pipe a map into it, {_MADE_BY}")
        return LrdecayError("is empty", where=path, remedy=f"make a map, {_MADE_BY}")
    try:
        # Python's parser and not msgspec's: it tells repeated keys, and takes NaN, which is then told with its path.
        data = json.loads(raw.decode(), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        return LrdecayError("is not UTF-8 text", where=path, remedy="give a map that lrdecay wrote")
    except json.JSONDecodeError as error:
        return LrdecayError(f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}")
    except (ValueError, RecursionError) as error:
        return LrdecayError(f"not valid JSON: {error}", where=path)
    return _wrong_version(data, path) or _wrong_number(data, path) or _wrong_form(raw, path)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {repeated!r} stands twice in one object")
    return result


def _wrong_version(data: Any, path: str) -> LrdecayError | None:
    if not isinstance(data, dict) or "schema_version" not in data:
        return LrdecayError(
            "is not a group map: no schema_version", where=path, remedy="make one with inspect --format json"
        )
    version = data["schema_version"]
    if version in READABLE and not isinstance(version, bool):
        return None
    return LrdecayError(
        f"schema_version is {version!r}, this lrdecay reads {' and '.join(map(str, READABLE))}",
        where=f"{path}: $.schema_version",
        remedy="make the map again with this lrdecay, or use the lrdecay that made it",
    )


def _wrong_number(data: Any, path: str) -> LrdecayError | None:
    where, value = next(not_finite(data), ("", None))
    return LrdecayError(f"is {value}, not a finite number", where=f"{path}: {where}") if where else None


def _wrong_form(raw: bytes, path: str) -> LrdecayError:
    try:
        msgspec.json.decode(raw, type=GroupMap)
    except msgspec.DecodeError as error:
        problem, _, where = str(error).partition(" - at ")
        where = where.strip("`") or "$"
        if unknown := _UNKNOWN_KEY.fullmatch(problem):
            key = unknown[1]
            return LrdecayError(f"unknown key{_nearest(key)}", where=f"{path}: {where}.{key}")
        return LrdecayError(problem[:1].lower() + problem[1:], where=f"{path}: {where}")
    raise AssertionError(f"{path} is a group map after all")


def _nearest(key: str) -> str:
    definitions = msgspec.json.schema(GroupMap)["$defs"].values()
    known = sorted({name for definition in definitions for name in definition["properties"]})
    nearest = did_you_mean(key, known)
    return f"; {nearest}" if nearest else ""
