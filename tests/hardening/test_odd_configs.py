"""Configs that do more than they should, beside ordinary ones: the report on the others, and on them, is as ever."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.app.main import run
from lrdecay_cli.scanning.building import preload
from lrdecay_cli.scanning.children import in_children
from tests.commands.running import lrdecay
from tests.hardening.odd_configs import HARMLESS, ORDINARY_NAMES, write_configs

ORDINARY = f"{ORDINARY_NAMES[0]}.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def statuses(folder: Path) -> dict[str, str]:
    return write_configs(folder)


def without_config(group_map: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group_map.items() if key not in ("config", "training")}


def test_a_scan_of_all_of_them(folder: Path, statuses: dict[str, str]) -> None:
    options = ["--timeout", "12", "--memory", "1", "--device", "meta", "--maps", "maps", "--format", "json"]
    result = lrdecay("scan", *statuses, *options, cwd=folder)
    assert (result.code, result.err) == (1, "")
    records = {record["config"]: record for record in json.loads(result.out)["records"]}
    assert {name: record["status"] for name, record in records.items()} == dict(sorted(statuses.items())), records
    maps = {name: json.loads((folder / "maps" / name).with_suffix(".json").read_text())
            for name, status in statuses.items() if status == "ok"}  # fmt: skip
    odd = [name for name in maps if without_config(maps[name]) != without_config(maps[ORDINARY])]
    assert odd == []
    # Nothing was left behind but what was asked for.
    assert {entry.name for entry in folder.iterdir()} == {*statuses, "maps", "modules"}


def test_each_inspected_compared_and_checked(
    folder: Path, statuses: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    preload([ORDINARY])
    (out.parent / "modules").touch()

    def work(name: str) -> bytes:
        os.chdir(folder)
        codes = []
        # A command each in a process of its own, as on the command line; each of them may spoil its own.
        for number, command in enumerate(commands_for(name)):
            pid = os.fork()
            if pid == 0:
                captured = os.open(f"out/{name}.{number}", os.O_CREAT | os.O_TRUNC | os.O_RDWR)
                os.dup2(captured, 1)
                sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
                code = 3
                try:
                    code = run(command)
                    sys.stdout.flush()
                finally:
                    os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        return json.dumps(codes).encode()

    names = [f"{name}.py" for name in HARMLESS]
    expected: dict[str, Any] = {}
    bad = []
    for outcome in in_children([ORDINARY, *names], work, jobs=os.cpu_count() or 1, timeout=120):
        name = outcome.name
        written = [(out / f"{name}.{number}").read_bytes() for number in range(4)]
        try:
            inspected = json.loads(written[0])
            beside = json.loads((out / f"{name}.json").read_text())
            compared, reverse, checked = map(json.loads, written[1:])
        except (ValueError, OSError) as error:
            bad.append(f"{name}: {outcome.answer!r} {error} {written!r:.500}")
            continue
        found = {
            "lost": outcome.lost,
            "codes": outcome.answer,
            "map": without_config(inspected),
            "map beside": without_config(beside),
            "changes": (compared["changes"], reverse["changes"]),
            "judged": checked.get("findings") and len(checked["findings"]),
        }
        expected = expected or found
        bad += [f"{name}: {key}: {found[key]!r:.300}" for key in found if found[key] != expected[key]]
    assert not bad, "\n".join([f"{len(bad)}", *bad])
    assert expected["codes"] == b"[0, 0, 0, 0]"
    assert capfd.readouterr() == ("", "")


def commands_for(name: str) -> list[list[str]]:
    meta = ["--device", "meta", "--format", "json"]
    return [
        ["inspect", name, *meta, "--output", f"json=out/{name}.json"],
        ["diff", name, ORDINARY, *meta],
        ["diff", ORDINARY, name, *meta],
        ["check", name, ORDINARY, *meta, "--exit-zero"],
    ]
