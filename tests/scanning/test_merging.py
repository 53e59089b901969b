"""Errors when merging shards: one line with the place; valid shards are merged in tests/commands."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.scan import SCAN_SCHEMA_VERSION, Scan, ScanRecord
from lrdecay_cli.scanning.scan import merge

SHARD = Scan(SCAN_SCHEMA_VERSION, Tool("lrdecay", "0"), "cpu", (), (ScanRecord(config="a.py", status="ok"),))


def shard(**changes: object) -> bytes:
    records = (ScanRecord(config="b.py", status="ok"),)
    return msgspec.json.encode(msgspec.structs.replace(SHARD, records=records, **changes))


# The second file, and the error.
REFUSED = {
    "no JSON": (
        b"{",
        "second.json: the file is not a scan: input data was truncated; write the file with lrdecay scan --format json",
    ),
    "another document": (
        b'{"groups": []}',
        "second.json: the file is not a scan: object contains unknown field `groups`",
    ),
    "no record": (
        shard().replace(b'"status":"ok"', b'"status":3'),
        "second.json: $.records[0].status: the file is not a scan",
    ),
    "no UTF-8": (b'{"schema_version": 1, "\xff": 0}', "second.json: the file is not a scan"),
    "a later lrdecay": (shard(schema_version=SCAN_SCHEMA_VERSION + 1), "second.json: $.schema_version: schema_version"),
    "another device": (shard(device="meta"), "second.json: the scan used another device than first.json"),
    "other options": (shard(overrides=("a=1",)), "second.json: the scan used another set of overrides than first.json"),
    "another lrdecay": (
        shard(tool=Tool("lrdecay", "1")),
        "second.json: the scan used another version of lrdecay than first.json",
    ),
    "one shard of three": (shard(shard="2/3"), "second.json: shard 1/3, 3/3 is missing; give the files of all shards"),
    "the same shard": (msgspec.json.encode(SHARD), "second.json: $.records[0]: a.py is also in first.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incompatible_shards_are_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    second, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    Path("first.json").write_bytes(msgspec.json.encode(SHARD))
    Path("second.json").write_bytes(second)
    with pytest.raises(LrdecayError):
        merge(["first.json", "second.json"])
    assert run(["merge", "first.json", "second.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lrdecay: {message}")
    assert err.count("\n") == 1


def test_records_are_sorted_by_config(tmp_path: Path) -> None:
    first = msgspec.json.encode(msgspec.structs.replace(SHARD, shard="1/2"))
    for name, content in (("first.json", shard(shard="2/2")), ("second.json", first)):
        (tmp_path / name).write_bytes(content)
    merged = merge([str(tmp_path / "first.json"), str(tmp_path / "second.json")])
    assert [record.config for record in merged.records] == ["a.py", "b.py"]
    assert (merged.device, merged.shard) == ("cpu", None)
