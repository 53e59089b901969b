"""Configs with side effects beside ordinary ones: the reports on all configs are as usual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.running import lrdecay
from tests.hardening.odd_configs import HARMLESS_TO_OTHERS, ORDINARY_NAMES, write_configs

ORDINARY, LAST = f"{ORDINARY_NAMES[0]}.py", f"{ORDINARY_NAMES[-1]}.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def statuses(folder: Path) -> dict[str, str]:
    return write_configs(folder)


def without_config(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the facts that identify its config."""
    own = ("config", "training", "before", "after", "before_source", "after_source", "checked")
    rest = {key: value for key, value in document.items() if key not in own}
    if "findings" in rest:
        rest["findings"] = sorted({(finding["code"], finding["message"]) for finding in rest["findings"]})
    return rest


@pytest.mark.slow
def test_a_scan_of_all_of_them(folder: Path, statuses: dict[str, str]) -> None:
    # Some only sleep until the timeout.
    options = [
        "--jobs",
        "6",
        "--timeout",
        "8",
        "--memory",
        "1",
        "--device",
        "meta",
        "--maps",
        "maps",
        "--format",
        "json",
    ]
    result = lrdecay("scan", *statuses, *options, cwd=folder)
    assert (result.code, result.err) == (1, "")
    records = {record["config"]: record for record in json.loads(result.out)["records"]}
    assert {name: record["status"] for name, record in records.items()} == dict(sorted(statuses.items())), records
    maps = {name: json.loads((folder / "maps" / name).with_suffix(".json").read_text())
            for name, status in statuses.items() if status == "ok"}  # fmt: skip
    odd = [name for name in maps if without_config(maps[name]) != without_config(maps[ORDINARY])]
    assert odd == []
    # Only the requested files remain.
    assert {entry.name for entry in folder.iterdir()} == {*statuses, "maps", "modules"}


@pytest.mark.slow
def test_each_inspected_compared_and_checked(folder: Path, statuses: dict[str, str]) -> None:
    (folder / "out").mkdir()
    names = [name for name, status in statuses.items() if status == "ok" and name != ORDINARY]
    plain = run_apart({f"{number}": command for number, command in enumerate(commands_for(ORDINARY))}, folder)
    ordinary = [without_config(json.loads(text)) for code, text in plain.values() if code == 0]
    ends = run_apart(
        {
            f"{name}:{number}": commands_for(name)[number]
            for turn, name in enumerate(names)
            for number in ((1, 2, 3) if name.removesuffix(".py") in HARMLESS_TO_OTHERS else (0, 1 + turn % 3))
        },
        folder,
    )
    bad = []
    for name_number, (code, text) in ends.items():
        name, _, number = name_number.partition(":")
        try:
            same = code == 0 and without_config(json.loads(text)) == ordinary[int(number)]
        except ValueError:
            same = False
        if number == "0":
            same = same and (folder / "out" / f"{name}.json").read_text() == text
        if not same:
            bad.append(f"{commands_for(name)[int(number)]}: {code}, {text:.300}")
    assert not bad, "\n".join(bad)
    assert len(ordinary) == 4


def commands_for(name: str) -> list[list[str]]:
    meta = ["--device", "meta", "--format", "json"]
    return [
        ["inspect", name, *meta, "--output", f"json=out/{name}.json"],
        ["diff", name, LAST, *meta],
        ["diff", LAST, name, *meta],
        ["check", name, LAST, *meta, "--exit-zero"],
    ]


def run_apart(commands: dict[str, list[str]], folder: Path) -> dict[str, tuple[int, str]]:
    """Return exit code and stdout of each command, run in its own process."""
    results = {name: lrdecay(*command, cwd=folder) for name, command in commands.items()}
    return {name: (result.code, result.out) for name, result in results.items()}
