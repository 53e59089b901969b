"""Record the files that a build reads, so that a scan can reuse the result until a file changes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import sysconfig
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lrdecay_cli.cache.evidence import is_virtual

# Only configs of an installed package count: the version covers its modules.
_CONFIG_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def record_sources() -> Callable[[], dict[str, str]]:
    """Record every file that this process reads or imports from now on.

    Returns a function. It returns the hash of each recorded file, by path. If a file changed after the recording began,
    its hash is empty, and a later scan builds the config again. The recording cannot be stopped: it uses an audit hook,
    and Python cannot remove an audit hook.
    """
    opened: set[str] = set()
    started = time.time_ns()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            flags = arguments[2]
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                opened.add(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100
        elif event == "import" and isinstance(arguments[1], str):
            # The system opens compiled modules.
            opened.add(arguments[1])

    sys.addaudithook(note)

    def hashes() -> dict[str, str]:
        # Walking sys.modules would copy memory that is shared with the parent.
        read = sorted(path for path in map(_source, tuple(opened)) if _is_recorded(path))
        return {path: _hash_since(path, started) for path in read if Path(path).is_file()}

    return hashes


def content_hash(path: str) -> str:
    """Return the SHA-256 of a file as hexadecimal digits; empty if the file cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _hash_since(path: str, started: int) -> str:
    try:
        # File system timestamps lag a few milliseconds behind the clock.
        return "" if os.stat(path).st_ctime_ns > started - 10_000_000 else content_hash(path)  # noqa: PTH116
    except OSError:
        return ""


def _source(path: str) -> str:
    """Return the path of the source for a bytecode file (.pyc); return any other path unchanged."""
    try:
        return importlib.util.source_from_cache(path) if path.endswith(".pyc") else path
    except ValueError:
        return path


def _is_recorded(path: str) -> bool:
    if is_virtual(path):
        return False
    return not path.startswith(_installed()) or (path.endswith(_CONFIG_SUFFIXES) and "configs" in Path(path).parts)


@cache
def _installed() -> tuple[str, ...]:
    places = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple({f"{place}{os.sep}" for place in places})
