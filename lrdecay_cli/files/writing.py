"""Write files atomically, write deterministic JSON, and determine the path of a config's group map."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import SEPARATOR


def write_text(path: Path, content: str | bytes, *, make_folders: bool = False) -> None:
    """Write text (as UTF-8) or bytes to a temporary file, then rename it to ``path``.

    If ``path`` is a symbolic link, the file that it points to is replaced. An existing file keeps its permissions.
    ``make_folders`` creates missing folders.

    Raises:
        LrdecayError: the file cannot be written.
    """
    # As on stdout: a surrogate, from a file name that is not UTF-8, is written as an escape.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            # A device or a pipe (/dev/null, process substitution) cannot be replaced: write to it directly.
            target.write_bytes(data)
            return
        if make_folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        # The name comes first: an interrupt between making the file and learning its name would leave it behind.
        temporary = target.parent / f".{target.name[:40]}.{os.urandom(8).hex()}.part"
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise LrdecayError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


# A shape or a pair of betas reads better on one line. Strings cannot match: JSON strings contain no line ends.
_NUMBER_LIST = re.compile(r"\[\n((?:\s+-?[0-9][0-9.eE+-]*,?\n)+)\s*\]")


def to_json(document: Any) -> str:
    """Return ``document`` as indented JSON with a final newline. The keys have the order of the document's fields.

    Raises:
        LrdecayError: a number is NaN or infinite, which JSON cannot contain. The error contains the JSON path.
    """
    import json

    data = msgspec.to_builtins(document)
    try:
        # With indent=2, json encodes in Python, several times slower; msgspec only inserts white space.
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        for path, value in not_finite(data):
            why = f"is {value}, which JSON cannot contain"
            raise LrdecayError(why, where=path, fix="change the config so that the number is finite") from None
        raise
    try:
        text = msgspec.json.format(text, indent=2)
    except UnicodeEncodeError:
        # A surrogate, from a file name that is not UTF-8.
        text = json.dumps(data, indent=2, ensure_ascii=False)
    return _NUMBER_LIST.sub(lambda match: f"[{', '.join(match[1].split())}]".replace(",,", ","), text) + "\n"


def not_finite(value: Any, path: str = "$") -> Iterator[tuple[str, float]]:
    """Yield the path and value of every number in ``value`` that is NaN or infinite."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from not_finite(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from not_finite(item, f"{path}[{index}]")


def map_path(folder: Path, config: str) -> Path:
    """Return the path of a config's group map in ``folder``. Path parts that would lead out of ``folder`` are removed.

    ``mmdet::convnext/a.py`` → ``mmdet/convnext/a.json``; ``../b/c.py`` and ``/b/c.py`` → ``b/c.json``.

    Raises:
        LrdecayError: no part of the path remains, or the path contains characters that are invalid in file names.
    """
    parts = PurePosixPath(config.replace(SEPARATOR, "/").replace("\\", "/")).parts
    safe = [part.replace(":", "_") for part in parts if part not in ("/", "..", ".")]
    if not safe or not config.isprintable():
        raise LrdecayError(f"the path {config!r} gives no valid file name for a group map", fix="rename the config")
    return folder.joinpath(*safe[:-1], f"{safe[-1].removesuffix('.py')}.json")
