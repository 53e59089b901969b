"""Writing a file so that it is there whole, or as it was."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError


def write_text(path: Path, text: str, *, make_folders: bool = False) -> None:
    """Write ``text`` as UTF-8, see :func:`write_file`."""
    write_file(path, text, make_folders=make_folders)


def write_file(path: Path, content: str | bytes, *, make_folders: bool = False) -> None:
    """Write text as UTF-8, or bytes, beside ``path`` and move it into place. LrdecayError if that cannot be done.

    With ``make_folders``, the folders that it is to be in are made too. A symbolic link stays one: the file that it
    points to is replaced. A file that was there keeps its permissions.
    """
    import tempfile

    # As on stdout: half a character, of a file name that is no UTF-8, is written as an escape.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            # A device or a pipe (/dev/null, process substitution) cannot be replaced, and is meant to be written to.
            target.write_bytes(data)
            return
        if make_folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise LrdecayError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
