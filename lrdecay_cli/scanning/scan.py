"""Run a scan: build every config that is not in the journal, and return the records.

:func:`merge` joins the results of a scan that ran in several parts (shards).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.analysis.comparing.changes import digest_of
from lrdecay_cli.domain.errors import Interrupted, LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tool
from lrdecay_cli.domain.scan import OK, SCAN_SCHEMA_VERSION, Scan, ScanRecord, record_of
from lrdecay_cli.files import read_bytes, to_json, write_text
from lrdecay_cli.files.writing import map_path
from lrdecay_cli.processes.outcomes import BuildOutcome
from lrdecay_cli.processes.sources import content_hash
from lrdecay_cli.scanning.journal import Journal

Builder = Callable[[Sequence[str]], Generator[BuildOutcome, None, None]]
"""A function that builds configs and yields each outcome when it is ready, such as
:func:`lrdecay_cli.processes.build_many.build_many`.
"""


class Timed(msgspec.Struct, frozen=True):
    """The record of a config, and how long the build took."""

    record: ScanRecord
    seconds: float | None
    """Build time in seconds; None if it was not measured."""


def check_maps(folder: Path, configs: Iterable[str]) -> None:
    """Raise LrdecayError if two configs would write the same map file."""
    taken: dict[Path, str] = {}
    for config in configs:
        other = taken.setdefault(map_path(folder, config), config)
        if other != config:
            raise LrdecayError(
                f"{other} and {config} would write the same map file",
                where="--maps",
                fix="scan the two configs separately, or run scan in a directory that contains both",
            )


def scan(
    configs: Sequence[str],
    builder: Builder,
    journal: Journal,
    *,
    maps: Path | None = None,
    on_record: Callable[[Timed], None] = lambda _: None,
) -> list[Timed]:
    """Return the record of each config: from the journal, or from a new build.

    Args:
        configs: names of configs.
        builder: function that builds configs.
        journal: returns the records of finished configs, and stores each new record immediately.
        maps: folder for the group maps. A finished config is built again if its map is missing or changed.
        on_record: called with each record when it is ready.

    Returns:
        A record for each config, in the order of ``configs``.

    Raises:
        Interrupted: the user pressed Ctrl-C. The journal contains the finished configs.
    """
    found: dict[str, Timed] = {}
    for config in configs:
        done = journal.done(config)
        if done and (maps is None or done.record.status != OK or content_hash(str(map_path(maps, config))) == done.map):
            found[config] = Timed(done.record, done.seconds)
            on_record(found[config])
    try:
        # Close at once on an interrupt: the process may end without collecting it, and its children would live on.
        with closing(builder([config for config in configs if config not in found])) as outcomes:
            for outcome in outcomes:
                record, config = _record(outcome, maps), outcome.config
                at = map_path(maps, config) if maps and record.status == OK else None
                journal.add(record, outcome.seconds, outcome.files, map_file=at)
                found[config] = Timed(record, outcome.seconds)
                on_record(found[config])
    except KeyboardInterrupt as error:
        fix = (
            f"resume with --resume {journal.path}"
            if journal.path
            else "use --resume FILE, so that an interrupted scan can continue"
        )
        raise Interrupted(f"interrupted: {len(found)} of {len(configs)} configs done", fix=fix) from error
    return [found[config] for config in configs]


def document_of(records: Iterable[ScanRecord], device: str, overrides: Sequence[str], shard: str | None = None) -> Scan:
    """Return the JSON document of a scan."""
    return Scan(SCAN_SCHEMA_VERSION, Tool("lrdecay", __version__), device, tuple(overrides), tuple(records), shard)


def _record(outcome: BuildOutcome, maps: Path | None) -> ScanRecord:
    if outcome.group_map is None:
        return ScanRecord(config=outcome.config, status=outcome.status, problem=outcome.problem)
    record = full_record(outcome.config, outcome.group_map)
    if maps is not None:
        try:
            write_text(map_path(maps, outcome.config), to_json(outcome.group_map), make_folders=True)
        except LrdecayError as error:
            # A map that cannot be written does not end the scan.
            return msgspec.structs.replace(record, status="error", problem=error.line())
    return record


def full_record(config: str, group_map: GroupMap) -> ScanRecord:
    """Return the record of a config that has a group map, with the digest of this map."""
    return msgspec.structs.replace(record_of(config, group_map), digest=digest_of(group_map))


def read_scan(path: str) -> Scan:
    """Read a file written by ``scan --format json``.

    Raises LrdecayError if the file is invalid. The error names the invalid value, for example ``$.records[0]``.
    """
    try:
        scan = msgspec.json.decode(read_bytes(path), type=Scan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, where = str(error).partition(" - at ")
        place = where.strip("`")
        raise LrdecayError(
            f"the file is not a scan: {problem if problem.startswith('JSON') else problem[:1].lower() + problem[1:]}",
            where=f"{path}: {place}" if place else path,
            fix="write the file with lrdecay scan --format json",
        ) from error
    if scan.schema_version != SCAN_SCHEMA_VERSION:
        raise LrdecayError(
            f"schema_version is {scan.schema_version}, but this version of lrdecay can only read {SCAN_SCHEMA_VERSION}",
            where=f"{path}: $.schema_version",
        )
    return scan


def merge(paths: Sequence[str]) -> Scan:
    """Merge several scans into one, sorted by config.

    Raises:
        LrdecayError: versions or options of the scans differ, two scans contain the same config, or a shard is missing.
    """
    scans = [(path, read_scan(path)) for path in paths]
    (first_path, first), *others = scans
    for path, scan in others:
        for field, setting in (("tool", "version of lrdecay"), ("device", "device"), ("overrides", "set of overrides")):
            if getattr(scan, field) != getattr(first, field):
                raise LrdecayError(f"the scan used another {setting} than {first_path}", where=path)
    origin: dict[str, str] = {}
    for path, scan in scans:
        for index, record in enumerate(scan.records):
            if record.config in origin:
                raise LrdecayError(
                    f"{record.config} is also in {origin[record.config]}",
                    where=f"{path}: $.records[{index}]",
                    fix="give the file of each shard only once",
                )
            origin[record.config] = path
    shards = {scan.shard: path for path, scan in scans if scan.shard is not None}
    for count in dict.fromkeys(shard.partition("/")[2] for shard in shards):
        if missing := [shard for n in range(int(count)) if (shard := f"{n + 1}/{count}") not in shards]:
            where = next(path for shard, path in shards.items() if shard.endswith(f"/{count}"))
            problem = f"shard {', '.join(missing)} is missing"
            raise LrdecayError(problem, where=where, fix="give the files of all shards")
    records = sorted((record for _, scan in scans for record in scan.records), key=lambda record: record.config)
    return msgspec.structs.replace(first, records=tuple(records), shard=None)
