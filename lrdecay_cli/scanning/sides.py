"""A side of ``diff --stacks``: what an environment, a scan's JSON file or its folder of maps knows of each config."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.scan import OK, ScanRecord
from lrdecay_cli.files import means_to_be_map, read_bytes, read_map
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.scanning.scan import read_scan


class Entry(msgspec.Struct, frozen=True):
    """What is known of a config."""

    status: str
    problem: str = ""
    group_map: GroupMap | None = None
    """None where it has none, or where a scan did not keep it."""
    record: ScanRecord | None = None
    values: Any = None
    """The whole merged config; None where only a map tells some of it."""


class Side(Protocol):
    """Configs with what is known of each."""

    source: str
    """As the user names it."""

    def configs(self) -> Iterable[str]:
        """The names of all configs."""

    def entry(self, config: str) -> Entry:
        """What is known of one. LrdecayError for a file that can no longer be read."""


class Built:
    """What was built in an environment: kept in a folder, since the maps of a zoo do not fit into memory.

    Args:
        source: as the user names the environment.
        folder: an empty folder, which the caller removes.
    """

    def __init__(self, source: str, folder: Path) -> None:
        self.source = source
        self._folder = folder
        self._files: dict[str, Path] = {}

    def add(self, outcome: BuildOutcome) -> None:
        """Keep an outcome."""
        file = self._files[outcome.config] = self._folder / str(len(self._files))
        file.write_bytes(zlib.compress(msgspec.msgpack.encode(outcome), 1))

    def configs(self) -> Iterable[str]:
        """The names of all configs."""
        return self._files

    def entry(self, config: str) -> Entry:
        """What was built of one."""
        data = zlib.decompress(self._files[config].read_bytes())
        outcome = msgspec.msgpack.decode(data, type=BuildOutcome)
        return Entry(outcome.status, outcome.problem, outcome.group_map, values=outcome.values)


class Recorded:
    """What ``scan --format json`` wrote: records without maps."""

    def __init__(self, path: str) -> None:
        self.source = path
        self._records = {record.config: record for record in read_scan(path).records}

    def configs(self) -> Iterable[str]:
        """The names of all configs."""
        return self._records

    def entry(self, config: str) -> Entry:
        """The record of one."""
        record = self._records[config]
        return Entry(record.status, record.problem, record=record)


class Mapped:
    """What ``scan --maps`` wrote: the maps of the configs that have one.

    Raises:
        LrdecayError: a map cannot be read, two are of the same config, or there is none.
    """

    def __init__(self, folder: str) -> None:
        self.source = folder
        self._files: dict[str, str] = {}
        for path in map(str, sorted(Path(folder).rglob("*.json"))):
            if not means_to_be_map(read_bytes(path)):
                continue
            group_map = read_map(path)
            other = self._files.setdefault(group_map.config.path, path)
            if other != path:
                raise LrdecayError(f"is a map of {group_map.config.path}, as {other} is", where=path)

    def configs(self) -> Iterable[str]:
        """The names of all configs."""
        return self._files

    def entry(self, config: str) -> Entry:
        """The map of one."""
        return Entry(OK, group_map=read_map(self._files[config]))
