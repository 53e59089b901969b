"""Comparison of files and folders, and collection of modules, without a process for each question."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lrdecay_cli.cache import entries, folder, front
from lrdecay_cli.cache.evidence import Checked, content, first_change, stamp
from lrdecay_cli.cache.gathering import merged, source_of, with_modules

if TYPE_CHECKING:
    from lrdecay_cli.cache.evidence import Evidence


def evidence(**parts: object) -> Evidence:
    nothing = {"variables": {}, "environment": None, "stems": [], "search": {}, "packages": {}, "listed": {}}
    return {**nothing, "installed": {}, "own": {}, **parts}  # type: ignore[typeddict-item]


def link_to(place: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(place)

    return make


def large(path: Path) -> None:
    path.write_text("too much to be read")


def write(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def nothing(path: Path) -> None:
    """Change nothing."""


CONTENTS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], bool]] = {
    "a file": (write("one"), write("two"), True),
    "a file touched": (write("one"), touch, False),
    "a file gone": (write("one"), Path.unlink, True),
    "a file that was not there": (nothing, write("one"), True),
    "no file, before and after": (nothing, nothing, False),
    # The file is too large to be read each time, so its time stamp counts.
    "a large file": (large, nothing, False),
    "a large file touched": (large, touch, True),
    "a folder": (Path.mkdir, lambda path: (path / "new").touch(), False),
    "a folder gone": (Path.mkdir, Path.rmdir, True),
    "a link to another folder": (link_to("."), link_to(".."), True),
    "a device": (link_to(os.devnull), nothing, False),
    "a link to another device": (link_to(os.devnull), link_to("/dev/zero"), True),
    "a link to itself": (link_to("it"), nothing, False),
    "a link to itself no more": (link_to("it"), link_to(os.devnull), True),
}


@pytest.mark.parametrize(("make", "change", "changed"), CONTENTS.values(), ids=CONTENTS)
def test_content(
    make: Callable[[Path], None],
    change: Callable[[Path], None],
    changed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lrdecay_cli.cache.evidence.LARGE", 10)
    path = tmp_path / "it"
    make(path)
    recorded = evidence(own={str(path): content(str(path))})
    assert first_change(recorded) is None
    change(path)
    assert first_change(json.loads(json.dumps(recorded))) == (str(path) if changed else None)


def test_a_name_that_no_file_can_have_is_as_it_was() -> None:
    assert content("a\0b") == content("a\0b") == ["cannot be read: ValueError", ""]


def test_an_installed_file_that_goes_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    names = {name: stamp(str(tmp_path / name)) for name in ("a.py", "b.py")}
    recorded = evidence(installed={str(tmp_path): names})
    assert first_change(recorded) is None
    (tmp_path / "a.py").unlink()
    assert first_change(recorded) == str(tmp_path / "a.py")


def test_modules_that_were_loaded_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changed after the start of a result makes it uncertain; None in ``sys.modules`` does not."""
    plugin = types.ModuleType("plugin_of_a_test")
    plugin.__file__ = str(tmp_path / "plugin_of_a_test.py")
    Path(plugin.__file__).touch()
    monkeypatch.setattr(sys, "modules", {"plugin_of_a_test": plugin, "not_to_be_imported": None})
    changed = Path(plugin.__file__).stat().st_ctime_ns
    assert with_modules(evidence(), changed) == f"{plugin.__file__} changed while it was read"
    wider = with_modules(evidence(stems=["json"]), changed + 3_000_000_000)
    assert not isinstance(wider, str)
    assert wider["own"] == {plugin.__file__: content(plugin.__file__)}
    assert wider["stems"] == ["json", "not_to_be_imported", "plugin_of_a_test"]


def test_source_of_compiled_modules() -> None:
    assert source_of(cache_from_source("/a/b.py")) == "/a/b.py"
    # A compiled module without a source file is compared itself.
    assert source_of("/a/b.pyc") == "/a/b.pyc"


TEXTS = ["1", "-2.5e3", '"a\\u00e9"', "null", "[]", '{"a": {"b": [1, true, "c"]}}', "NaN"]
BROKEN = ["", " ", "x", "[1", '{"a" 1}', "1 2", "{}\n", "[1,]", "'a'"]


@pytest.mark.parametrize("scanner", [True, False], ids=["CPython's scanner", "without it"])
def test_loads_equals_json(scanner: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not scanner:
        monkeypatch.setitem(sys.modules, "_json", types.ModuleType("_json"))
    for text in TEXTS:
        assert repr(entries.loads(text)) == repr(json.loads(text))
    for text in [text for text in BROKEN if scanner or text.strip() == text]:
        with pytest.raises(ValueError, match=r"JSON|Expecting|Illegal|Extra"):
            entries.loads(text)


def test_installed_files_are_stored_once_for_all_entries(cache: Path, tmp_path: Path) -> None:
    """An entry without them is a miss, and so is an entry with a damaged one."""
    (tmp_path / "a.py").touch()
    recorded = evidence(installed={str(tmp_path): {"a.py": stamp(str(tmp_path / "a.py"))}})
    for key in ("1", "2"):
        assert entries.store("map", key, b"an answer\nof two lines", recorded)
        assert entries.find("map", key) == (b"an answer\nof two lines", recorded)
    (files,) = cache.glob("files-*")
    sound = files.read_bytes()
    for damaged in (b"", sound[:-1], sound.replace(b"a.py", b"b.py")):
        files.write_bytes(damaged)
        assert entries.find("map", "1") == "not in the cache"
    files.write_bytes(sound)
    (tmp_path / "a.py").write_text("changed")
    checked = Checked()
    assert {entries.find("map", key, checked) for key in ("1", "2")} == {f"changed: {tmp_path / 'a.py'}"}


def test_evidence_of_several_answers_goes_together_or_not(tmp_path: Path) -> None:
    long_ago = 10**19
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").touch()
    place = str(tmp_path)
    first = evidence(stems=["a"], search={place: ["a.py"]}, own={"x": ["1", "x"]}, variables={"V": None})
    second = evidence(stems=["b"], search={place: ["b.py"]}, packages={place: (["b"], ["b.py"])}, environment="e")
    whole = merged([first, second], long_ago)
    assert whole == {
        **evidence(stems=["a", "b"], own={"x": ["1", "x"]}, variables={"V": None}, environment="e"),
        "search": {place: ["a.py", "b.py"]},
        "packages": {place: (["b"], ["b.py"])},
    }
    for part, path in (
        (evidence(own={"x": ["2", "x"]}), "x"),
        (evidence(variables={"V": "1"}), "V"),
        (evidence(stems=["a"], search={place: []}), place),
    ):
        assert merged([first, part], long_ago) == f"{path} changed while it was read"
    assert str(merged([first, second], 0)).startswith(str(tmp_path))


def test_an_entry_that_is_a_folder_is_a_miss(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    assert folder.write(str(place), "map-1", b"1")
    (place / "map-2.json").mkdir()
    assert folder.read(str(place), "map-1") == b"1"
    assert folder.read(str(place), "map-2") is None
    assert folder.clear(str(place)) == 1


def test_an_entry_that_goes_while_it_is_used_is_no_fault(tmp_path: Path) -> None:
    folder.used(str(tmp_path), "map-1")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LRDECAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LRDECAY_NO_CACHE", "")
    return tmp_path / "cache"


def test_a_report_is_cached_for_its_command_line(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.write_cached_report(["inspect", "a.py"], []) is None
    front.cache_report("the report of a.py\n", evidence())
    assert front.write_cached_report(["inspect", "a.py"], []) == 0
    assert capsys.readouterr().out == "the report of a.py\n"
    for arguments in (["inspect", "b.py"], ["check", "a.py"], ["inspect", "a.py", "--no-cache"]):
        assert front.write_cached_report(arguments, []) is None
    assert front.write_cached_report(["inspect", "a.py"], [b"[tool.lrdecay]"]) is None
    assert capsys.readouterr().out == ""


def test_only_requested_files_remain(cache: Path) -> None:
    for arguments in ([], ["baseline", "a.py"], ["inspect", "a.py", "--settings=b.toml"]):
        assert front.write_cached_report(arguments, []) is None
        front.cache_report("a report", evidence())
    assert not cache.exists()


def test_a_report_of_another_form_is_a_miss(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry as another lrdecay version may have stored it, with a correct checksum."""
    front.write_cached_report(["inspect", "a.py"], [])
    assert front._key
    for answer in (b"not JSON", b"", b"\xff", b'"a text"', b'["0","a text"]', b"[0,1,2]"):
        assert entries.store(front.KIND, front._key, answer, evidence())
        assert front.write_cached_report(["inspect", "a.py"], []) is None
    assert capsys.readouterr().out == ""


def test_the_command_reports_a_missing_working_directory(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert front.write_cached_report(["inspect", "a.py"], []) is None
    assert not cache.exists()
