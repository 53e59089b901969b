"""The journal of a scan: a line for each config that is done, so that nothing done is ever lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.files.config_path import config_path


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the journal."""

    key: str
    """What the record holds for: see :meth:`Journal.key`."""
    record: ScanRecord
    seconds: float


class Journal:
    """Records by what they hold for, read from a file and added to it line by line.

    A line counts once it is whole: one that was cut off when the process died is dropped. What holds for another
    version of a config's own file, for other options or for another lrdecay is not taken; a change in a ``_base_``, a
    module or a package is not seen, so a journal is for going on with a scan, not for the next one.

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
            self._file.close()

    def done(self, config: str) -> Done | None:
        """What is known of a config, None if it must be built."""
        return self._done.get(self.key(config))

    def add(self, record: ScanRecord, seconds: float) -> None:
        """Write a record down, at once."""
        if self._file is None:
            return
        done = Done(self.key(record.config), record, round(seconds, 3))
        self._file.write(msgspec.json.encode(done) + b"\n")
        self._file.flush()

    def key(self, config: str) -> str:
        """Hash of a config's name and text, of the options and of lrdecay's version."""
        parts = [__version__, config, *self._options, hashlib.sha256(_bytes(config)).hexdigest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _read(self, path: Path) -> int:
        """Take every whole line, and return how many bytes they are."""
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                done = msgspec.json.decode(line, type=Done)
            except msgspec.DecodeError as error:
                raise LrdecayError(
                    "is no journal of a scan", where=f"{path}:{number}", remedy="give a new file, or delete this one"
                ) from error
            self._done[done.key] = done
        if raw and not whole:
            raise LrdecayError("is no journal of a scan", where=str(path), remedy="give a new file, or delete this one")
        return len(whole)


def _bytes(config: str) -> bytes:
    file = config_path(config)
    return file.read_bytes() if file else b""
