"""Read and write files of the cache folder. Check that the folder is safe, and limit its size."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 64 * 1024 * 1024
"""Maximum size of all entries in bytes. If it is exceeded, the least recently used entries are removed."""
SUFFIX = ".json"
FILES = "files"
"""Prefix of the names of cache files with the stamps of installed files, which several results share."""
_PART = ".part"
_ABANDONED = 3600.0
_read_only = False


def switched_off() -> bool:
    """True if ``LRDECAY_NO_CACHE`` switches the cache off."""
    return os.environ.get("LRDECAY_NO_CACHE", "0") not in ("", "0")


def make_read_only() -> None:
    """Make the cache read-only for this process.

    A forked process inherits loaded modules and does not know when their files were read. So it must not store results:
    the cache could not check later whether they are still valid.
    """
    global _read_only
    _read_only = True


def is_read_only() -> bool:
    """True if this process only reads from the cache."""
    return _read_only


def cache_folder() -> str:
    """Return the path of the cache: ``LRDECAY_CACHE_DIR``, otherwise ``lrdecay`` in the platform's cache folder."""
    if chosen := os.environ.get("LRDECAY_CACHE_DIR"):
        return os.path.abspath(chosen)
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return os.path.join(base if os.path.isabs(base) else os.path.join(home, ".cache"), "lrdecay")


def refusal(folder: str) -> str | None:
    """Return the reason why a folder is not safe as cache; None if it is the user's own folder or does not exist."""
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    if found.st_mode & 0o170000 != 0o040000:
        return "the path is not a folder"
    if not hasattr(os, "geteuid"):
        return None
    if found.st_uid != os.geteuid():
        return "the folder belongs to another user"
    return "other users can write to the folder" if found.st_mode & 0o022 else None


def read(folder: str, name: str) -> bytes | None:
    """Return the content of an entry; None if the entry is missing or is not the user's own file."""
    if refusal(folder):
        return None
    try:
        file = os.open(_path(folder, name), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        found = os.fstat(file)
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            return None
        return os.read(file, found.st_size)
    except OSError:
        return None
    finally:
        os.close(file)


def used(folder: str, name: str) -> None:
    """Mark an entry as used now. A full cache removes the least recently used entries first."""
    try:
        os.utime(_path(folder, name))
    except OSError:
        return


def write(folder: str, name: str, data: bytes) -> bool:
    """Write an entry atomically. If the cache is full, remove the least recently used entries.

    Return True if the entry was written.
    """
    from contextlib import suppress

    path = _path(folder, name)
    part = f"{path}.{os.getpid()}.{time.monotonic_ns()}{_PART}"
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        if refusal(folder):
            return False
        with open(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
        ) as file:
            file.write(data)
        os.replace(part, path)
    except OSError:
        _remove(part)
        return False
    _make_room(folder)
    return True


def entries(folder: str) -> list[tuple[str, int, float]]:
    """Return name, size in bytes and time of last use (seconds since 1970) of each entry, least recently used first."""
    return sorted(((name, size, at) for name, size, at in _files(folder) if name.endswith(SUFFIX)), key=lambda e: e[2])


def clear(folder: str) -> int:
    """Remove all entries, and return how many results were removed. Other files in the folder stay."""
    removed = [name for name, _, _ in entries(folder) if _remove(os.path.join(folder, name))]
    _remove_abandoned(folder)
    return sum(not name.startswith(f"{FILES}-") for name in removed)


def _files(folder: str) -> Iterator[tuple[str, int, float]]:
    try:
        with os.scandir(folder) as found:
            for file in found:
                if file.name.endswith((SUFFIX, _PART)) and file.is_file(follow_symlinks=False):
                    status = file.stat(follow_symlinks=False)
                    yield file.name, status.st_size, status.st_mtime
    except OSError:
        # Another process removed it at the same time.
        return


def _make_room(folder: str) -> None:
    _remove_abandoned(folder)
    kept = entries(folder)
    total = sum(size for _, size, _ in kept)
    for name, size, _ in kept if total > LIMIT else ():
        if total <= LIMIT * 3 // 4:
            break
        _remove(os.path.join(folder, name))
        total -= size


def _remove_abandoned(folder: str) -> None:
    for name, _, at in _files(folder):
        if name.endswith(_PART) and time.time() - at > _ABANDONED:
            _remove(os.path.join(folder, name))


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, name + SUFFIX)
