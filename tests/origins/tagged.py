"""Values that mmengine itself merges, with the file, line and column of each literal."""

from __future__ import annotations

import ast
import builtins
import copy
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmengine.config.config as mmengine_config
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.config.lazy import LazyAttr, LazyObject

from lrdecay_cli.origins import config_origins
from lrdecay_cli.text.python_source import finite_or_name

Tag = tuple[str, int, int]


class _Tagged:
    tag: Tag

    def __deepcopy__(self, memo: dict[int, Any]) -> _Tagged:
        return self

    def __copy__(self) -> _Tagged:
        return self


class _Int(_Tagged, int):
    pass


class _Float(_Tagged, float):
    pass


class _Str(_Tagged, str):
    __slots__ = ("tag",)


_KINDS: dict[type, type] = {int: _Int, float: _Float, str: _Str}


def _tagged(value: Any, *tag: Any) -> Any:
    made = _KINDS[type(value)](value)
    made.tag = tag
    return made


class _Tagger(ast.NodeTransformer):
    def __init__(self, file: str) -> None:
        self.file = file

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if type(node.value) not in _KINDS:
            return node
        tag = [ast.Constant(each) for each in (self.file, node.lineno, node.col_offset)]
        made = ast.Call(ast.Name("__tagged__", ast.Load()), [ast.Constant(node.value), *tag], [])
        return ast.copy_location(made, node)


def _compile(tree: ast.AST, filename: str, mode: str) -> Any:
    if isinstance(tree, ast.Module) and filename:
        tree = ast.fix_missing_locations(_Tagger(filename).visit(copy.deepcopy(tree)))
    return builtins.compile(tree, filename, mode)  # type: ignore[call-overload]


@contextmanager
def tagging() -> Iterator[None]:
    """In this block, mmengine's configs have tagged numbers and strings, except for results of operations."""
    builtins.__tagged__ = _tagged  # type: ignore[attr-defined]
    mmengine_config.compile = _compile  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del builtins.__tagged__, mmengine_config.compile  # type: ignore[attr-defined]


def leaves(config: Config) -> dict[tuple[str | int, ...], tuple[Any, Tag | None]]:
    """Yield every value that is not a dict or list with entries, with its path and tag."""
    imported = getattr(config, "_imported_names", set())
    found: dict[tuple[str | int, ...], tuple[Any, Tag | None]] = {}
    pending: list[tuple[tuple[str | int, ...], Any]] = [
        ((name,), value) for name, value in dict.items(config._cfg_dict) if name not in imported
    ]
    while pending:
        keys, value = pending.pop()
        if isinstance(value, dict) and value:
            pending += [((*keys, key), item) for key, item in dict.items(value)]
        elif isinstance(value, (list, tuple)) and value:
            pending += [((*keys, position), item) for position, item in enumerate(value)]
        else:
            found[keys] = (_bare(value), getattr(value, "tag", None) if isinstance(value, _Tagged) else None)
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, (LazyAttr, LazyObject)):
        return f"{value.module}.{value}"
    for kind in _KINDS:
        if isinstance(value, _KINDS[kind]):
            return kind(value)
    if isinstance(value, (set, frozenset)):
        return {_bare(item) for item in value}
    return {} if isinstance(value, ConfigDict) else value


def differences(config: str, options: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return errors in the origins of a config, and the options whose origins are unknown."""
    with tagging():
        # Modules in custom_imports do not affect the values of a config, and may be missing.
        merged = Config.fromfile(config, import_custom_modules=False)
    merged.merge_from_dict(parsed(options))
    origins = config_origins(config, options)
    by_keys = {option.keys: option for option in origins.options()}
    unknown = [keys for keys, option in by_keys.items() if option.origin.unknown]
    wrong = []
    truth = leaves(merged)
    for keys, (value, tag) in truth.items():
        if any(keys[: len(above)] == above for above in unknown):
            continue
        option = by_keys.get(keys)
        if option is None:
            wrong.append(f"{keys}: missing")
            continue
        if (type(option.origin.value), option.origin.value) != (type(_json(value)), _json(value)):
            wrong.append(f"{keys}: {option.origin.value!r}, not {value!r}")
        elif tag is not None:
            place = option.origin.place
            file = origins.files[place.file]
            column = _column(tag)
            if (file.resolve(), place.line, column and place.column) != (Path(tag[0]).resolve(), tag[1], column):
                wrong.append(f"{keys}: {place}:{place.column}, not {tag}")
            elif column and not option.origin.constant:
                wrong.append(f"{keys}: the literal at {place} is no constant")
    wrong += [f"{keys}: is not there" for keys in by_keys if keys not in truth and keys not in unknown]
    return wrong, [by_keys[keys].option for keys in unknown]


def parsed(options: Sequence[str]) -> dict[str, Any]:
    """Return ``--cfg-options`` as mmengine reads them."""
    parser = ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    return dict(parser.parse_args(["--cfg-options", *options] if options else []).cfg_options)


def _json(value: Any) -> Any:
    """Return a value in the form of a map."""
    if isinstance(value, (set, frozenset)):
        return sorted(map(_json, value), key=repr)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float):
        return finite_or_name(value)
    return value if value is None or isinstance(value, (bool, int, str, dict, list)) else repr(value)


def _column(tag: Tag) -> int | None:
    """Return the column of a tag in characters, from 1; None if mmengine parses another text than the file contains."""
    line = Path(tag[0]).read_text(encoding="utf-8").split("\n")[tag[1] - 1]
    return None if "{{" in line else len(line.encode()[: tag[2]].decode()) + 1
