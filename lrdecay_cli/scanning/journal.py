"""The journal of a scan: a file with one line for each finished config, so that an interrupted scan can resume."""

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
    """A line of the journal: the record of a finished config, and hashes that show if the record is still valid."""

    key: str
    """A hash that identifies the record, see :meth:`Journal.key`."""
    record: ScanRecord
    seconds: float
    files: dict[str, str] = {}
    """The path and the hash of each file that the record depends on."""
    map: str = ""
    """Hash of the file with the group map; empty if the scan did not write this file."""


class Journal:
    """Reads the records of finished configs from a file, and appends each new record to this file as one line.

    A record is reused if the options, the versions of the stack (torch and mm*), the config, its bases, imported
    modules and other read files are unchanged. Edits inside an installed package and changes of environment variables
    are not detected. Records of failed configs are not reused, because the failure may have been fixed. An incomplete
    last line, from a process that died, is dropped.

    Args:
        path: the file; None to store nothing.
        options: the device and the overrides, which are the same for all configs.

    Raises:
        LrdecayError: the file cannot be read or written, or is not a journal.
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
                # Overwrite an incomplete last line.
                self._file.truncate(whole)
            except OSError as error:
                raise LrdecayError(f"cannot write: {error.strerror}", where=str(self.path)) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            # Write errors have already been reported.
            with suppress(OSError):
                self._file.close()

    def done(self, config: str) -> Done | None:
        """Return the journal's line for a config; None if there is none, or if its record cannot be reused."""
        done = self._done.get(self.key(config)) if self._done else None
        return done if done and not done.record.failed and self._unchanged(done.files) else None

    def add(
        self, record: ScanRecord, seconds: float, files: Mapping[str, str], *, map_file: Path | None = None
    ) -> None:
        """Append a record as one line to the journal file, immediately.

        The line also contains ``files`` (the hashes of all files that affect the record) and a hash of ``map_file``.
        """
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
        """Return one hash of a config's name, path and text, the options, and the versions of lrdecay and packages."""
        file = config_path(config)
        place = [os.path.abspath(file), content_hash(str(file))] if file else []  # noqa: PTH100
        parts = [__version__, versions(), config, *self._options, *place]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _read(self, path: Path) -> int:
        """Read all complete lines of the journal file. Return the total size of these lines in bytes."""
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        problem, fix = "the file is not the journal of a scan", "give another file, or delete this file"
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
    """Return the versions of Python, torch and the OpenMMLab packages; None for a package that is not installed.

    The function imports no package.
    """
    found: dict[str, str | None] = {"python": sys.version}
    for package in _STACK:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # noqa: PERF203
            found[package] = None
    return found
