"""``lrdecay merge``: the shards of a scan as one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.scan import SCAN_SCHEMA_VERSION, Scan
from lrdecay_cli.files.map_file import read_bytes


def read_scan(path: str) -> Scan:
    """Read what ``scan --format json`` wrote. LrdecayError tells what is wrong with it, and where."""
    try:
        scan = msgspec.json.decode(read_bytes(path), type=Scan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, where = str(error).partition(" - at ")
        place = where.strip("`")
        raise LrdecayError(
            f"is no scan: {problem if problem.startswith('JSON') else problem[:1].lower() + problem[1:]}",
            where=f"{path}: {place}" if place else path,
            remedy="make it with lrdecay scan --format json",
        ) from error
    if scan.schema_version != SCAN_SCHEMA_VERSION:
        raise LrdecayError(
            f"schema_version is {scan.schema_version}, this lrdecay reads {SCAN_SCHEMA_VERSION}",
            where=f"{path}: $.schema_version",
        )
    return scan


def merge(paths: Sequence[str]) -> Scan:
    """One scan of several, sorted by config.

    Raises:
        LrdecayError: they were made with other versions or options, a config is in two of them, or a shard is missing.
    """
    scans = [(path, read_scan(path)) for path in paths]
    (first_path, first), *others = scans
    for path, scan in others:
        for what in ("tool", "device", "overrides"):
            if getattr(scan, what) != getattr(first, what):
                raise LrdecayError(f"was made with another {what} than {first_path}", where=path)
    origin: dict[str, str] = {}
    for path, scan in scans:
        for index, record in enumerate(scan.records):
            if record.config in origin:
                raise LrdecayError(
                    f"{record.config} is in {origin[record.config]} too",
                    where=f"{path}: $.records[{index}]",
                    remedy="give each shard once",
                )
            origin[record.config] = path
    _check_whole(scans)
    records = sorted((record for _, scan in scans for record in scan.records), key=lambda record: record.config)
    return msgspec.structs.replace(first, records=tuple(records), shard=None)


def _check_whole(scans: Sequence[tuple[str, Scan]]) -> None:
    shards = {scan.shard: path for path, scan in scans if scan.shard is not None}
    for count in dict.fromkeys(shard.partition("/")[2] for shard in shards):
        missing = [shard for n in range(int(count)) if (shard := f"{n + 1}/{count}") not in shards]
        if missing:
            there = next(path for shard, path in shards.items() if shard.endswith(f"/{count}"))
            raise LrdecayError(
                f"shard {', '.join(missing)} is missing", where=there, remedy="give the scans of all shards"
            )
