"""Share parsed configs of installed packages with processes that are forked from this process.

To load a zoo config, mmengine searches a hundred metafiles for the path of the config, and parses the config and its
bases. Child processes reuse the results of the parent. A child reports the further files that it has read
(:func:`read_here`). While the parent waits, it reads these files too (:func:`read_ahead`). Only the files of installed
packages are shared. The user's own files are read and executed only in child processes.

Source: mmengine 0.10.7, ``Config._file2dict`` and ``Config._get_cfg_path``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from mmengine.config import Config
from mmengine.config import config as config_module

from lrdecay_cli.cache import probed
from lrdecay_cli.cache.evidence import is_installed, stamp
from lrdecay_cli.files.config_path import config_path

_BASES = re.compile(r"^_base_ *= *(\[[^\]]*\]|\([^)]*\)|['\"][^'\"]*['\"])", re.MULTILINE)
_WORDS = re.compile(r"['\"]([^'\"]+)['\"]")
_COMMON = 2
"""The parent process parses a base config in advance if at least this number of configs uses the base."""
_LOOKUPS = ("is_installed", "get_installed_path", "_get_external_cfg_path")

Parsed = tuple[dict[str, Any], str, dict[str, Any]]
"""The result of mmengine's ``Config._file2dict``: config dict, config text and environment variables."""

_parsed: dict[str, tuple[Parsed, dict[str, list[int] | None]]] = {}
"""Parsed configs by path, each with the stamps (size and times) of the config file and of its bases."""
_found: dict[tuple[str, ...], Any] = {}
"""Results of lookups, or the ValueErrors that they raised. The key is the function name and the arguments.

Empty results are not stored.
"""
_read: set[tuple[str, ...]] = set()
"""The config files that this process has parsed, and the lookups that it has made: function name and arguments."""
_nested: list[str] = []
"""Paths of the installed config, and of its bases, that mmengine is parsing now."""
_sharing = False
_parse: Callable[..., Parsed] = Config._file2dict


def share_bases() -> None:
    """Patch mmengine in this process and in its forks, so that mmengine uses the results stored in this module.

    The stored results are parsed config files, and results of the functions in ``_LOOKUPS``.
    """
    global _sharing
    if _sharing:
        return
    _sharing = True
    Config._file2dict = staticmethod(_file2dict)
    for name in _LOOKUPS:
        setattr(config_module, name, _looked_up_once(name, getattr(config_module, name)))


def share_common(configs: Iterable[str]) -> None:
    """Parse each base config of an installed package that at least two of ``configs`` use."""
    named = Counter(base for config in configs for base in _bases_named(config))
    common = [base for base, times in named.items() if times >= _COMMON]
    if common:
        share_bases()
        read_ahead(("_file2dict", base) for base in common)


def _bases_named(config: str) -> set[str]:
    """Return the paths that an installed config lists in ``_base_``. Omits bases such as ``mmdet::...``."""
    file = config_path(config)
    if file is None or not is_installed(str(file)):
        return set()
    text = file.read_text(encoding="utf-8", errors="replace")
    words = [word for found in _BASES.findall(text) for word in _WORDS.findall(found)]
    return {_absolute(str(file.parent / word)) for word in words if "::" not in word}


def read_here() -> list[list[str]]:
    """Return the config files that this process has parsed, and the lookups that it has made.

    The parent process passes the result to :func:`read_ahead`.
    """
    return [list(each) for each in _read]


def read_ahead(wanted: Iterable[Iterable[str]]) -> None:
    """Read files, and look up packages and configs, so that child processes need not do it.

    Each item of ``wanted`` is a function name followed by arguments. The function is ``_file2dict``, which parses the
    config at a path, or one of ``_LOOKUPS``. For example, an item is ``("is_installed", "mmdet")``.
    """
    for function, *arguments in wanted:
        # A child process that needs the file gets the error itself.
        with suppress(Exception):
            if function == "_file2dict":
                _parse_ahead(*arguments)
            elif function in _LOOKUPS:
                getattr(config_module, function)(*arguments)
    _read.clear()


def _parse_ahead(path: str) -> None:
    known = _parsed.get(path)
    if not is_installed(path) or (known is not None and _unchanged(known[1])):
        return
    before = stamp(path)
    files: list[str] = []

    def note(filename: str, *arguments: Any, **options: Any) -> Parsed:
        files.append(_absolute(filename))
        return _parse(filename, *arguments, **options)

    Config._file2dict = staticmethod(note)
    try:
        parsed = _parse(path)
    finally:
        Config._file2dict = staticmethod(_file2dict)
    # Skip files that depend on environment variables or warn.
    if not parsed[2] and all(map(is_installed, files)) and "_deprecation_" not in parsed[1]:
        stamps = {file: stamp(file) for file in files}
        if before == stamp(path):
            _parsed[path] = (parsed, {path: before, **stamps})


def _file2dict(filename: str, *arguments: Any, **options: Any) -> Parsed:
    path = _absolute(filename)
    plain = all(value in (True, None) for value in (*arguments, *options.values()))
    if not plain or not is_installed(path):
        return _parse(filename, *arguments, **options)
    # Return each parsed config only once, because the caller may change it.
    known = _parsed.pop(path, None)
    if known is not None and _unchanged(known[1]):
        probed(*known[1])
        return known[0]
    if not _nested:
        _read.add(("_file2dict", path))
    _nested.append(path)
    try:
        return _parse(filename, *arguments, **options)
    finally:
        _nested.pop()


def _absolute(path: str) -> str:
    # As mmengine spells it.
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111


def _unchanged(stamps: dict[str, list[int] | None]) -> bool:
    return all(stamp(file) == known for file, known in stamps.items())


def _looked_up_once(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(*arguments: str) -> Any:
        key = (name, *arguments)
        if key not in _found:
            _read.add(key)
            try:
                found = function(*arguments)
            # No metafile has the config: mmengine then uses another lookup.
            except ValueError as error:
                _found[key] = error
                raise
            if not found:
                return found
            _found[key] = found
        if isinstance(_found[key], ValueError):
            raise ValueError(*_found[key].args)
        return _found[key]

    return look_up
