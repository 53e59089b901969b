"""Inputs of a result, as recorded by a child process, and which changes invalidate the result."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lrdecay_cli.app.watching.known import Known
from lrdecay_cli.cache import dependencies
from lrdecay_cli.cache.dependencies import MEANWHILE
from lrdecay_cli.processes.children import in_children
from lrdecay_cli.processes.outcomes import Dependencies
from lrdecay_cli.processes.sources import record_sources


def seen(work: Callable[[], object], *, inherited: tuple[str, ...] = ()) -> Dependencies:
    """Return the inputs that a separate process records while it runs ``work``."""

    def in_child(_: str) -> bytes:
        dependencies.begin(inherited)
        work()
        return json.dumps(dependencies.dependencies()).encode()

    (child,) = in_children([""], in_child, jobs=1)
    assert not child.lost, child.reason
    return msgspec.json.decode(child.answer, type=Dependencies)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "read.py").write_text("a = 1\n")
    (tmp_path / "watched_module.py").write_text("b = 1\n")
    (tmp_path / "listed").mkdir()
    return tmp_path


def read() -> None:
    Path("read.py").read_text()


def look_for() -> None:
    Path("missing.py").exists()


def list_names() -> None:
    list(Path("listed").iterdir())


def import_module() -> None:
    importlib.import_module("watched_module")


def import_missing() -> None:
    with pytest.raises(ImportError):
        importlib.import_module("watched_missing")


def replace(path: str) -> None:
    Path("beside").write_text("c = 1\n")
    Path("beside").rename(path)


def write(path: str) -> None:
    Path(path).write_text("c = 1\n")


@pytest.mark.parametrize(
    ("work", "change", "path", "changed"),
    [
        (read, write, "read.py", "read.py"),
        (read, replace, "read.py", "read.py"),
        (read, os.unlink, "read.py", "read.py"),
        (look_for, write, "missing.py", "missing.py"),
        (list_names, write, "listed/new.py", "listed"),
        (import_module, write, "watched_module.py", "watched_module.py"),
        (import_missing, write, "watched_missing.py", "."),
        (import_missing, os.mkdir, "watched_missing", "."),
        # Changes that must not invalidate the result.
        (read, write, "missing.py", ""),
        (read, lambda path: Path(path).write_text("a = 1\n"), "read.py", ""),
        (list_names, write, "listed/.new.py.swp", ""),
        (list_names, write, "listed/new.py~", ""),
        # What an editor writes beside a module cannot be imported in its place.
        (import_module, write, "watched_module.new", ""),
        (import_missing, write, "watched_missing.py.tmp", ""),
    ],
)
def test_changes(
    work: Callable[[], None], change: Callable[[str], object], path: str, changed: str, folder: Path
) -> None:
    known = Known(seen(work))
    assert known.changes() == []
    change(path)
    absolute = str(folder / path)
    if changed:
        assert known.concerns(absolute)
        assert str(Path(absolute).parent) in known.folders
    assert known.changes() == ([os.path.normpath(folder / changed)] if changed else [])
    # From then on, this content counts.
    assert known.changes() == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only Linux has this folder")
def test_a_file_in_shared_memory_is_an_input() -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".py") as file:
        assert file.name in seen(Path(file.name).read_text).own
        record = record_sources()
        Path(file.name).read_text()
        assert file.name in record()


def test_a_link_leads_elsewhere(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/real.py").write_text("a = 1\n")
    (folder / "link.py").symlink_to("elsewhere/real.py")
    known = Known(seen(lambda: Path("link.py").read_text()))
    assert {str(folder), str(folder / "elsewhere")} <= known.folders
    (folder / "elsewhere/real.py").write_text("a = 2\n")
    assert known.concerns(str(folder / "elsewhere/real.py"))
    assert known.changes() == [str(folder / "link.py")]


def test_a_folder_that_is_not_there_yet(folder: Path) -> None:
    known = Known(seen(lambda: Path("later/base.py").exists()))
    (folder / "later").mkdir()
    assert known.concerns(str(folder / "later"))
    assert known.changes() == []
    (folder / "later/base.py").write_text("")
    assert known.changes() == [str(folder / "later/base.py")]


def test_files_that_change_during_reading_are_uncertain(folder: Path) -> None:
    def work() -> None:
        read()
        subprocess.run([sys.executable, "-c", "open('read.py', 'w').write('d = 1')"], check=True)

    found = seen(work)
    path = str(folder / "read.py")
    assert found.own[path] == MEANWHILE
    known = Known(found)
    assert known.uncertain() == {path}
    assert known.changes() == [path]
    assert known.uncertain() == set()


def test_files_that_appear_during_the_search(folder: Path) -> None:
    def work() -> None:
        look_for()
        list_names()
        code = "open('missing.py', 'w'); open('listed/new.py', 'w')"
        subprocess.run([sys.executable, "-c", code], check=True)

    assert Known(seen(work)).changes() == [str(folder / "missing.py"), str(folder / "listed")]


@pytest.mark.parametrize("change", [write, replace, lambda path: Path(path).open("a").close()])
def test_values_that_a_config_changes_are_final(change: Callable[[str], object], folder: Path) -> None:
    def work() -> None:
        read()
        change("read.py")

    known = Known(seen(work))
    assert known.changes() == []
    (folder / "read.py").write_text("e = 1\n")
    assert known.changes() == [str(folder / "read.py")]


def test_earlier_imports_and_written_files_do_not_count(folder: Path) -> None:
    def work() -> None:
        import_module()
        Path("out.json").write_text("{}")
        Path(sys.prefix, "nothing").exists()

    found = seen(work, inherited=(str(folder / "watched_module.py"),))
    assert str(folder / "out.json") not in found.own
    # Except the script that runs the tests.
    assert not [path for path in found.own if path.startswith(sys.prefix) and path != sys.argv[0]]
