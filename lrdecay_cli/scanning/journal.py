"""The journal of a scan: a line for each config that is done, so that nothing done is ever lost."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.files.config_path import config_path
from lrdecay_cli.processes.sources import content_hash

_STACK = ("torch", "torchvision", "mmengine", "mmcv", "mmcv-lite", "mmdet", "mmpretrain", "timm", "transformers")


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the journal."""

    key: str
    """What the record holds for: see :meth:`Journal.key`."""
    record: ScanRecord
    seconds: float
    files: dict[str, str] = {}
    """Hash by path of every file that the record rests on."""
    map: str = ""
    """Hash of the map that was written."""


class Journal:
    """Records by what they hold for, read from a file and added to it line by line.

    A line counts once it is whole: one that was cut off when the process died is dropped. A record is taken only if
    the config, its bases, the modules that it imported and whatever else was read are as they were, for the same
    options and the same versions of the stack. One of a config that failed is not taken: what it lacked may be there
    by now. Not seen are edits inside an installed package and environment variables.

    Args:
        path: the file; None keeps nothing.
        options: what else the records depend on: device, overrides.

    Raises:
        LrdecayError: the file cannot be read or written, or is no journal.
    """

    def __init__(self, path: Path | None, options: Sequence[str]) -> None:
        self.path = path
        self._options = list(options)
        self._file: IO[bytes] | None = None
        self._done: dict[str, Done] = {}
        self._hashes: dict[str, str] = {}

    def __enter__(self) -> Journal:
        if self.path is not None:
            try:
                whole = self._read(self.path)
                self._file = self.path.open("ab")
                # Over what was cut off, not behind it.
                self._file.truncate(whole)
            except OSError as error:
                raise LrdecayError(f"cannot write: {error.strerror}", where=str(self.path)) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            # What could not be written has been told.
            with suppress(OSError):
                self._file.close()

    def done(self, config: str) -> Done | None:
        """What is known of a config, None if it must be built."""
        done = self._done.get(self.key(config)) if self._done else None
        return done if done and not done.record.failed and self._unchanged(done.files) else None

    def add(
        self, record: ScanRecord, seconds: float, files: Mapping[str, str], *, map_file: Path | None = None
    ) -> None:
        """Write a record down, at once, with the hashes of what it rests on and of the map that was written."""
        if self._file is None:
            return
        map_hash = content_hash(str(map_file)) if map_file else ""
        done = Done(self.key(record.config), record, round(seconds, 3), dict(files), map_hash)
        try:
            self._file.write(msgspec.json.encode(done) + b"\n")
            self._file.flush()
        except OSError as error:
            raise LrdecayError(f"cannot write: {error.strerror}", where=str(self.path)) from error

    def key(self, config: str) -> str:
        """Hash of a config's name, place and text, of the options, and of the versions of lrdecay and the stack."""
        file = config_path(config)
        place = [os.path.abspath(file), content_hash(str(file))] if file else []  # noqa: PTH100
        parts = [__version__, versions(), config, *self._options, *place]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _read(self, path: Path) -> int:
        """Take every whole line, and return how many bytes they are."""
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        problem, fix = "is no journal of a scan", "give a new file, or delete this one"
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                done = msgspec.json.decode(line, type=Done)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise LrdecayError(problem, where=f"{path}:{number}", fix=fix) from error
            self._done[done.key] = done
        if raw and not whole:
            raise LrdecayError(problem, where=str(path), fix=fix)
        return len(whole)

    def _unchanged(self, files: Mapping[str, str]) -> bool:
        for path in files:
            if path not in self._hashes:
                self._hashes[path] = content_hash(path)
        return bool(files) and all(known and self._hashes[path] == known for path, known in files.items())


@cache
def versions() -> dict[str, str | None]:
    """Version of Python and of every package of the stack, None for what is not installed. Nothing is imported."""
    found: dict[str, str | None] = {"python": sys.version}
    for package in _STACK:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # noqa: PERF203
            found[package] = None
    return found
