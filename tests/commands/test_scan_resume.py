"""Resumed scans, and records that a scan must not lose, with real builds of configs."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tests.commands.projects import PLUG
from tests.commands.running import lrdecay
from tests.commands.test_scan import SMALL

PLUGGED = """
custom_imports = dict(imports=["my_plug"])
model = dict(type="Plug")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=float(open("lr.txt").read())))
"""
OPTIONS = ("--resume", "journal", "--maps", "maps", "--format", "ndjson")


CONFIGS = {"on_base.py": '_base_ = "base.py"', "plugged.py": PLUGGED, "mapped.py": SMALL}


def scan(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return records by config, of a scan with a journal and maps."""
    result = lrdecay("scan", *arguments, *OPTIONS, cwd=folder)
    assert result.out, result.err
    return {record["config"]: record for record in map(json.loads, result.out.splitlines())}


def maps(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / "maps").iterdir()}


def base(folder: Path) -> None:
    (folder / "base.py").write_text(SMALL.replace("1e-4", "3e-4"))


def module(folder: Path) -> None:
    (folder / "my_plug.py").write_text(PLUG.format(name="other", width=9))


def data(folder: Path) -> None:
    (folder / "lr.txt").write_text("0.5")


def written_map(folder: Path) -> None:
    (folder / "maps" / "mapped.json").write_text("{}")


def test_a_resumed_scan_equals_a_new_scan(tmp_path: Path) -> None:
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "base.py").write_text(SMALL)
    (tmp_path / "my_plug.py").write_text(PLUG.format(name="mine", width=3))
    (tmp_path / "lr.txt").write_text("0.1")
    # A file that was just written may be written again, and has no hash.
    time.sleep(0.1)
    first = scan(tmp_path, *CONFIGS)
    assert {record["status"] for record in first.values()} == {"ok"}, first
    journal = (tmp_path / "journal").read_text()
    for edit, stale in ((None, None), (base, "on_base.py"), (module, "plugged.py"), (data, "plugged.py"),
                        (written_map, "mapped.py")):  # fmt: skip
        if edit:
            edit(tmp_path)
            time.sleep(0.1)
        resumed = scan(tmp_path, *CONFIGS)
        added = (tmp_path / "journal").read_text().removeprefix(journal)
        journal += added
        assert [json.loads(line)["record"]["config"] for line in added.splitlines()] == ([stale] if stale else [])
    resumed_maps = maps(tmp_path)
    shutil.rmtree(tmp_path / "maps")
    (tmp_path / "journal").unlink()
    assert resumed == scan(tmp_path, *CONFIGS) != first
    assert resumed_maps == maps(tmp_path)


def test_a_rate_that_json_cannot_contain_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(SMALL.replace("1e-4", "float('inf')"))
    record = scan(tmp_path, "config.py")["config.py"]
    assert (record["status"], record["lr_max"]) == ("error", None)
    assert "base_lr is inf, which JSON cannot contain" in record["problem"]
    assert not (tmp_path / "maps").exists()
