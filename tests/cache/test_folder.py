"""The cache folder: which users share it, which errors it survives, how large it grows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.cache import folder
from lrdecay_cli.cache.evidence import digest
from tests.cache.project import Project, make
from tests.commands.running import lrdecay


@pytest.fixture
def cached(tmp_path: Path) -> Project:
    """Return a project with a cached result."""
    project = make(tmp_path)
    project.ask()
    assert project.ask()["hit"]
    return project


def only_entry(project: Project) -> Path:
    (entry,) = (project.root / "cache").glob("map-*")
    return entry


def with_checksum(data: bytes) -> bytes:
    return digest(data).encode() + b"\n" + data


def without_key(data: bytes) -> bytes:
    evidence, answer = data.split(b"\n")[1:3]
    left = {name: value for name, value in json.loads(evidence).items() if name != "own"}
    return with_checksum(json.dumps(left).encode() + b"\n" + answer)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "all but the end": lambda data: data[:-2],
    "one bit of the answer": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    "one bit of the evidence": lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:],
    "something else": lambda data: os.urandom(4000),
    "a list": lambda data: with_checksum(b"[]\n1\n"),
    "no JSON": lambda data: with_checksum(b"{\n1\n"),
    "no UTF-8": lambda data: with_checksum(b'{"\xff": 1}\n1\n'),
    "deeper than Python goes": lambda data: with_checksum(b"[" * 100_000 + b"\n1\n"),
    "evidence without files": without_key,
    "more than there should be": lambda data: data + b"x",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_entry_is_a_miss(name: str, cached: Project) -> None:
    entry = only_entry(cached)
    entry.write_bytes(DAMAGES[name](entry.read_bytes()))
    answered = cached.ask()
    assert not answered["hit"]
    assert "damaged" in answered["why"] or "changed" in answered["why"]
    assert cached.ask()["hit"]


def test_it_is_for_the_user_alone(cached: Project) -> None:
    assert (cached.root / "cache").stat().st_mode & 0o777 == 0o700
    assert {entry.stat().st_mode & 0o777 for entry in (cached.root / "cache").iterdir()} == {0o600}


def world_writable(place: Path) -> None:
    place.chmod(0o777)


def group_writable(place: Path) -> None:
    place.chmod(0o770)


def link(place: Path) -> None:
    place.rename(place.with_name("real"))
    place.symlink_to("real")


def file(place: Path) -> None:
    place.rename(place.with_name("real"))
    place.write_text("")


REFUSED = {
    world_writable: "other users can write to the folder",
    group_writable: "other users can write to the folder",
    link: "the path is not a folder",
    file: "the path is not a folder",
}


@pytest.mark.parametrize("make_it", REFUSED)
def test_a_folder_that_others_may_have_touched_is_refused(make_it: Callable[[Path], None], cached: Project) -> None:
    place = cached.root / "cache"
    make_it(place)
    before = sorted((cached.root / "cache").iterdir()) if place.is_dir() else []
    assert not cached.ask()["hit"]
    assert (sorted((cached.root / "cache").iterdir()) if place.is_dir() else []) == before
    environment = {"LRDECAY_CACHE_DIR": str(place), "LRDECAY_NO_CACHE": ""}
    assert f"no, {REFUSED[make_it]}" in lrdecay("cache", "info", **environment).out
    cleared = lrdecay("cache", "clear", **environment)
    assert (cleared.code, cleared.out) == (2, "")
    assert REFUSED[make_it] in cleared.err


def test_a_folder_of_another_user_is_refused(cached: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(cached.root / "cache")
    name = only_entry(cached).stem
    assert folder.refusal(place) is None
    assert folder.read(place, name)
    mine = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    assert folder.refusal(place) == "the folder belongs to another user"
    assert folder.read(place, name) is None
    assert not folder.write(place, name, b"")


def test_an_entry_that_others_can_write_to_or_a_link_is_a_miss(cached: Project) -> None:
    entry = only_entry(cached)
    entry.chmod(0o666)
    assert not cached.ask()["hit"]
    assert cached.ask()["hit"]
    only_entry(cached).rename(cached.root / "elsewhere.json")
    entry.symlink_to(cached.root / "elsewhere.json")
    assert not cached.ask()["hit"]


def test_a_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path: Path) -> None:
    project = make(tmp_path)
    (tmp_path / "file").write_text("")
    assert project.ask("file/cache")["answer"] == project.ask("file/cache")["answer"]


def test_many_at_once(cached: Project) -> None:
    """Several processes read and write the same entry: each gets the right result, and no temporary files remain."""
    expected = cached.ask()["answer"]
    for round_number in range(3):
        cached.file("base.py").write_text(f"BASE = {round_number}\n")
        expected[0] = round_number
        running = [
            subprocess.Popen(cached.command(), env=cached.env(), cwd=cached.root / cached.cwd, stdout=subprocess.PIPE)
            for _ in range(6)
        ]
        for process in running:
            assert json.loads(process.communicate()[0])["answer"] == expected
    assert sorted(path.name.partition("-")[0] for path in (cached.root / "cache").iterdir()) == ["files", "map"]


def test_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LIMIT", 1000)
    place = str(tmp_path / "cache")
    for number in range(4):
        assert folder.write(place, f"map-{number}", bytes(240))
        os.utime(tmp_path / f"cache/map-{number}.json", (number, number))
    folder.used(place, "map-0")
    (tmp_path / "cache/abandoned.part").write_text("")
    os.utime(tmp_path / "cache/abandoned.part", (0, 0))
    assert folder.write(place, "map-4", bytes(240))
    assert {name for name, _, _ in folder.entries(place)} == {"map-0.json", "map-3.json", "map-4.json"}
    assert not (tmp_path / "cache/abandoned.part").exists()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LRDECAY_CACHE_DIR": "/chosen", "XDG_CACHE_HOME": "/xdg"}, "/chosen"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/lrdecay"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/lrdecay"),
        ({}, "/home/me/.cache/lrdecay"),
    ],
)
def test_where_it_is(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("LRDECAY_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert folder.cache_folder() == expected


def test_info_and_clear(cached: Project) -> None:
    environment = {"LRDECAY_CACHE_DIR": str(cached.root / "cache"), "LRDECAY_NO_CACHE": ""}
    (cached.root / "cache/notes.txt").write_text("not ours")
    info = dict(line.split(None, 1) for line in lrdecay("cache", "info", **environment).out.splitlines())
    assert info["folder"] == str(cached.root / "cache")
    assert (info["used"], info["maps"], info["reports"]) == ("yes", "1", "0")
    assert lrdecay("cache", "clear", **environment).out.startswith("removed 1 entry from ")
    assert [path.name for path in (cached.root / "cache").iterdir()] == ["notes.txt"]
    assert not cached.ask()["hit"]
    off = lrdecay("cache", "info", **{**environment, "LRDECAY_NO_CACHE": "1"})
    assert "no, LRDECAY_NO_CACHE is set" in off.out
