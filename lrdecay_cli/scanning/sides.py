"""The two inputs that ``diff --stacks`` compares: environments, JSON files of scans, or folders of group maps."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import OK, ScanRecord
from lrdecay_cli.files import looks_like_map, read_bytes, read_map
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.scanning.scan import read_scan


class Entry(msgspec.Struct, frozen=True):
    """The result for one config in one of the two inputs of ``diff --stacks``."""

    status: str
    problem: str = ""
    group_map: GroupMap | None = None
    """The group map; None if the config has no group map, or if the scan did not store it."""
    record: ScanRecord | None = None
    values: Any = None
    """The values of the merged config; None if they are not available, for example from a folder of group maps."""


class Side(Protocol):
    """One of the two inputs of ``diff --stacks``: configs with their results."""

    source: str
    """The name of this input as the user typed it."""

    def configs(self) -> Iterable[str]:
        """Return the names of all configs in this input."""

    def entry(self, config: str) -> Entry:
        """Return the result for one config. Raises LrdecayError if the file with the result can no longer be read."""


class Built:
    """An input of ``diff --stacks``: the results of all configs in one Python environment.

    The results are stored in a folder, because the group maps of a zoo do not fit into memory.

    Args:
        source: the environment as the user named it.
        folder: an empty folder. The caller removes it.
    """

    def __init__(self, source: str, folder: Path) -> None:
        self.source = source
        self._folder = folder
        self._files: dict[str, Path] = {}

    def add(self, outcome: BuildOutcome) -> None:
        """Store the outcome of building one config."""
        file = self._files[outcome.config] = self._folder / str(len(self._files))
        file.write_bytes(zlib.compress(msgspec.msgpack.encode(outcome), 1))

    def configs(self) -> Iterable[str]:
        """Return the names of all configs that were built in this environment."""
        return self._files

    def entry(self, config: str) -> Entry:
        """Return the stored result for one config."""
        data = zlib.decompress(self._files[config].read_bytes())
        outcome = msgspec.msgpack.decode(data, type=BuildOutcome)
        return Entry(outcome.status, outcome.problem, outcome.group_map, values=outcome.values)


class Recorded:
    """An input of ``diff --stacks``: the JSON file of a scan. The file contains no group maps."""

    def __init__(self, path: str) -> None:
        self.source = path
        self._records = {record.config: record for record in read_scan(path).records}

    def configs(self) -> Iterable[str]:
        """Return the names of all configs in the scan."""
        return self._records

    def entry(self, config: str) -> Entry:
        """Return the scan's result for one config."""
        record = self._records[config]
        return Entry(record.status, record.problem, record=record)


class Mapped:
    """An input of ``diff --stacks``: a folder of group maps that ``scan --maps`` wrote.

    Raises:
        LrdecayError: a map cannot be read, or two files contain a map of the same config.
    """

    def __init__(self, folder: str) -> None:
        self.source = folder
        self._files: dict[str, str] = {}
        for path in map(str, sorted(Path(folder).rglob("*.json"))):
            if not looks_like_map(read_bytes(path)):
                continue
            group_map = read_map(path)
            other = self._files.setdefault(group_map.config.path, path)
            if other != path:
                raise LrdecayError(
                    f"this file and {other} contain a map of the same config, {group_map.config.path}", where=path
                )

    def configs(self) -> Iterable[str]:
        """Return the names of all configs that have a group map in the folder."""
        return self._files

    def entry(self, config: str) -> Entry:
        """Return the result for one config, with its group map."""
        return Entry(OK, group_map=read_map(self._files[config]))
