"""Read settings strictly, from ``[tool.lrdecay]`` in a pyproject.toml or from a lrdecay.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from lrdecay_cli.domain.errors import LrdecayError, not_one_of
from lrdecay_cli.domain.settings import Assertion, Options, Settings, StatedSuppression

_TABLES: dict[str, type[Assertion | StatedSuppression]] = {"assert": Assertion, "suppress": StatedSuppression}
_HIDDEN = frozenset({"source", "place", "table", "number", "key", "line", "column", "end_column", "comment"})
_NO_CHOICE = re.compile("Invalid enum value '(.*?)'")
_MISSING = re.compile(r"object missing required field (\w+)")
_WHOLE, _DAY = "give a whole number, such as 4", "give a date without quotes, such as 2027-01-31"
# By msgspec's words for the expected type.
_FORMS = {
    "expected array": 'give a list, such as ["LRD301"]',
    "expected bool": "give true or false",
    "expected date": _DAY,
    "expected int": _WHOLE,
    "expected int >= 1": _WHOLE,
    "expected int | float | str": 'give a number, or a condition such as "<= 1"',
    "expected str": "give a text in quotes",
    "invalid RFC3339 encoded date": _DAY,
}
_OPTIONS = tuple(field.encode_name for field in msgspec.structs.fields(Options))


def parse_settings(raw: bytes, path: str) -> Settings | None:
    """Return the settings in ``raw``, the content of a settings file; None for a pyproject.toml without lrdecay
    settings.

    In a lrdecay.toml the keys are at top level, or in ``[tool.lrdecay]`` as in a pyproject.toml. Keys may have hyphens
    or underscores.

    Raises:
        LrdecayError: the file is not TOML, a key is unknown, or a value has the wrong type. The error contains
            the file and, if it is known, the key.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(raw.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        raise LrdecayError("the file is not UTF-8 text", where=path, fix="save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        # For an integer with too many digits tomllib raises Python's ValueError from int().
        fix = "write each setting as KEY = VALUE, with texts in quotes"
        raise LrdecayError(f"not valid TOML: {error}", where=path, fix=fix) from error
    table, prefix = _own_table(document, path)
    if table is None:
        return None
    given = _respelled(table, "-", [*_OPTIONS, *_TABLES], f"{path}: {prefix}")
    lists = {key: _entries(given.pop(key, []), key, path, prefix) for key in _TABLES}
    options = _converted(given, Options, f"{path}: {prefix}")
    return Settings(path=path, options=options, assertions=lists["assert"], suppressions=lists["suppress"])


def option_value(key: str, text: str, where: str) -> Any:
    """Convert the text of an environment variable to the type of an option in :class:`Options`.

    Lists are separated by commas. Booleans are ``true`` and ``false``.

    Raises:
        LrdecayError: the text does not have the option's type. The error starts with ``where``.
    """
    field = next(field for field in msgspec.structs.fields(Options) if field.encode_name == key)
    plural = key in ("select", "ignore")
    value: Any = [part.strip() for part in text.split(",") if part.strip()] if plural else text
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(error, Options, key, where) from error


def _own_table(document: dict[str, Any], path: str) -> tuple[Any, str]:
    """Return two values: lrdecay's settings, and the prefix of their keys in error messages, such as ``tool.lrdecay.``.

    The settings are None for a pyproject.toml without lrdecay settings.
    """
    tool = document.get("tool")
    if isinstance(tool, Mapping) and "lrdecay" in tool:
        beside = [key for key in document if key != "tool"]
        if not path.endswith("pyproject.toml") and beside:
            raise LrdecayError(
                "settings are at top level and in [tool.lrdecay]",
                where=f"{path}: {beside[0]}",
                fix="move all settings to top level, or all to [tool.lrdecay]",
            )
        if not isinstance(tool["lrdecay"], Mapping):
            raise LrdecayError("expected a table", where=f"{path}: tool.lrdecay", fix="write [tool.lrdecay]")
        return tool["lrdecay"], "tool.lrdecay."
    return (None, "") if path.endswith("pyproject.toml") else (document, "")


def _entries(given: Any, key: str, path: str, prefix: str) -> Any:
    if not isinstance(given, list):
        where, fix = f"{path}: {prefix}{key}", f"write [[{prefix}{key}]]"
        raise LrdecayError("expected an array of tables", where=where, fix=fix)
    kind = _TABLES[key]
    known = [field.name for field in msgspec.structs.fields(kind) if field.name not in _HIDDEN]
    found = []
    for index, entry in enumerate(given):
        where = f"{path}: {prefix}{key}[{index}]"
        if not isinstance(entry, Mapping):
            raise LrdecayError("expected a table", where=where, fix=f"write [[{prefix}{key}]]")
        values = _respelled(entry, "_", known, f"{where}.")
        if isinstance(values.get("rule"), str):
            values["rule"] = [values["rule"]]
        decoded = _converted(values, kind, f"{where}.")
        if kind is Assertion and all(getattr(decoded, name) is None for name in _ASSERTED):
            raise LrdecayError(
                "the assertion contains no expected value", where=where, fix=f"set one of {', '.join(_ASSERTED)}"
            )
        table = f"{prefix}{key}"
        located = {"table": table, "number": index + 1} if kind is Assertion else {"key": f"{table}[{index}]"}
        found.append(msgspec.structs.replace(decoded, source=where, place=path, **located))
    return tuple(found)


_ASSERTED = ("lr", "lr_scale", "weight_decay", "layer_id", "frozen", "group")


def _respelled(table: Mapping[str, Any], hyphen: str, known: Iterable[str], where: str) -> dict[str, Any]:
    """Return a copy of a table with ``hyphen`` (``-`` or ``_``) between the words of each key, such as ``fail-on``.

    Raises:
        LrdecayError: a key is unknown, or occurs twice.
    """
    known = list(known)
    found: dict[str, Any] = {}
    for key, value in table.items():
        spelled = key.replace("_" if hyphen == "-" else "-", hyphen)
        if spelled not in known:
            raise not_one_of("unknown key", spelled, known, where=f"{where}{key}")
        if spelled in found:
            problem = "is set twice, once with hyphens and once with underscores"
            raise LrdecayError(problem, where=f"{where}{key}", fix=f"keep only {spelled}")
        found[spelled] = value
    return found


def _converted(values: dict[str, Any], kind: type[Any], where: str) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        place = str(error).partition(" - at ")[2].strip("`").removeprefix("$").removeprefix(".")
        raise _refusal(error, kind, place, f"{where}{place}".rstrip(".")) from error


def _refusal(error: msgspec.ValidationError, kind: type[Any], key: str, where: str) -> LrdecayError:
    # The accepted words of the key, if they are limited.
    kinds = [
        part for field in msgspec.structs.fields(kind) if field.encode_name == key for part in get_args(field.type)
    ]
    nested = [word for part in kinds for word in get_args(part)]
    words = [word for word in (*nested, *kinds) if isinstance(word, str)]
    if unknown := _NO_CHOICE.match(str(error)):
        return not_one_of(f"unknown choice {unknown[1]!r}", unknown[1], words, where=where)
    problem = str(error).partition(" - at ")[0].replace("`", "").replace(" | null", "")
    problem = problem[:1].lower() + problem[1:]
    missing = _MISSING.fullmatch(problem)
    form = f"add {missing[1]} = ..." if missing else _FORMS.get(problem.partition(",")[0], "")
    return LrdecayError(problem, where=where, fix=f"one of {', '.join(words)}" if words else form)
