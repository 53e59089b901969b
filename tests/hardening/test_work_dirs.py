"""Damaged and hostile work directories: each command ends with one line, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.app.requests.run_plans import Plans
from tests.commands.test_run import SAVING, logging_config, trained
from tests.dry_run.trainings import config_of
from tests.hardening.mutations import ODD_VALUES
from tests.hardening.test_mutated_files import ends_well

STAMP = "20260101_000000"
SCALARS, CONFIG, LOG = f"{STAMP}/vis_data/scalars.json", f"{STAMP}/vis_data/config.py", f"{STAMP}/{STAMP}.log"
COMMANDS = (["run", "work"], ["run", "work", "config.py"], ["diff", "config.py", "work"])
Damage = Callable[[Path], object]


def _lines(place: Path) -> list[str]:
    return place.read_text().splitlines()


DAMAGES: dict[str, tuple[str, Damage]] = {
    "half a log": (SCALARS, lambda log: log.write_bytes(log.read_bytes()[:300])),
    "an empty log": (SCALARS, lambda log: log.write_bytes(b"")),
    "a binary log": (SCALARS, lambda log: log.write_bytes(bytes(range(256)) * 9)),
    "a log twice": (SCALARS, lambda log: log.write_text(log.read_text() * 2)),
    "a log backwards": (SCALARS, lambda log: log.write_text("\n".join(_lines(log)[::-1]))),
    "a deep log": (SCALARS, lambda log: log.write_text("[" * 100_000 + "\n" + log.read_text())),
    "an epoch of no iterations": (LOG, lambda log: log.write_text("Epoch(train)  [1][1/0]  lr: 1")),
    "a binary text log": (LOG, lambda log: log.write_bytes(bytes(range(256)) * 9)),
    "a config that exits": (CONFIG, lambda config: config.write_text("import sys\nsys.exit(0)")),
    "a config that raises": (CONFIG, lambda config: config.write_text("raise ValueError('a\\nb')")),
    "a checkpoint out of the folder": ("last_checkpoint", lambda last: last.write_text("../../etc/passwd\0\n")),
    "checkpoints of text": ("epoch_4.pth", lambda file: file.write_text("hello")),
    **{
        f"{name} is a {what}": (place, make)
        for name, place in {"log": SCALARS, "text log": LOG, "config": CONFIG, "last": "last_checkpoint"}.items()
        for what, make in {
            "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
            "folder": lambda path: (path.unlink(), path.mkdir()),
            "link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
            "link to an endless file": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        }.items()
    },
}


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    trained(logging_config(config_of("warm-up and steps"), SAVING), folder / "work")
    (folder / "work.py").rename(folder / "config.py")
    (stamp,) = (path for path in (folder / "work").iterdir() if path.is_dir())
    (stamp / f"{stamp.name}.log").rename(stamp / f"{STAMP}.log")
    stamp.rename(stamp.with_name(STAMP))
    return folder


@pytest.fixture
def folder(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", DAMAGES)
def test_damage(name: str, folder: Path) -> None:
    place, damage = DAMAGES[name]
    damage(folder / "work" / place)
    before = {path for path in folder.rglob("*") if path.name != "__pycache__"}
    for command in COMMANDS:
        ends_well(command)
    assert {path for path in folder.rglob("*") if path.name != "__pycache__"} == before


@pytest.fixture
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config of the training does not matter here: it is the same for every log."""
    known: dict[Any, Any] = {}
    build = Plans.build
    monkeypatch.setattr(Plans, "build", lambda plans, *of: known.get(of) or known.setdefault(of, build(plans, *of)))


@pytest.mark.usefixtures("built_once")
@pytest.mark.parametrize("key", ["lr", "base_lr", "step", "epoch"])
def test_odd_values_in_a_log(key: str, folder: Path) -> None:
    log = folder / "work" / SCALARS
    lines = [json.loads(line) for line in _lines(log)]
    for value in ODD_VALUES:
        changed = [dict(line, **{key: value}) if index == 2 else line for index, line in enumerate(lines)]
        log.write_bytes("\n".join(map(json.dumps, changed)).encode("utf-8", "surrogatepass"))
        ends_well(COMMANDS[0])
