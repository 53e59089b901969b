"""``--watch``: reports again when an input changes, and ends cleanly."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.app.watching.session import Session
from lrdecay_cli.files.writing import to_json
from tests.commands.watching import BASE, CONFIG, PLUG, Watch, ended, project, replace
from tests.group_maps import group_map

CLEAR = "\x1b[H\x1b[J"


def test_on_a_terminal_each_answer_takes_the_place_of_the_last(tmp_path: Path) -> None:
    config = project(tmp_path)
    with Watch(tmp_path, "inspect", "config.py", "--no-cache") as watch:
        first = watch.answer("0.25")
        # Earlier output scrolls up and is not erased.
        assert first.count(CLEAR) == 1
        assert first.startswith("\n")

        # An edit during the import gives a report afterwards; the notice is erased.
        watch.until("loading torch and mmdet; edits are picked up after loading")
        replace(tmp_path / "base.py", BASE.format(lr=0.5))
        second = watch.answer(CLEAR, "0.5", "base.py changed", "lr differs in 2 of 2 tensors, all higher")
        assert "\n" not in second.partition(CLEAR)[0]
        assert "loading\x1b[0m\r\x1b[K" in watch.shown

        # A plug-in is imported again.
        replace(tmp_path / "watched_plug.py", PLUG.format(width=4))
        watch.answer(CLEAR, "5", "watched_plug.py changed", "of another shape")

        # A config that cannot be read gives one line below the last report.
        replace(config, "model = dict(\n")
        broken = watch.answer("0.5", "lrdecay: config.py:1: Python syntax error", "config.py changed")
        assert "Traceback" not in broken

        replace(config, CONFIG.format(base="other.py"))
        watch.answer("other.py", "config.py changed")
        (tmp_path / "other.py").write_text(BASE.format(lr=0.125))
        watch.answer(CLEAR, "0.125", "other.py changed")

        # Another width of the terminal.
        assert "0 missing; 0\x1b[0m\n" in watch.shown
        watch.resize(100)
        watch.answer(CLEAR, "0 missing; 0 duplicates", "no difference")

        before = len(watch.shown)
        # A save without a change, and a file that is not an input.
        replace(config, CONFIG.format(base="other.py"))
        (tmp_path / "notes.txt").write_text("a")
        replace(tmp_path / "other.py", BASE.format(lr=0.0625))
        watch.answer("0.0625", "other.py changed")
        assert watch.shown[before:].count(CLEAR) == 1

        # A child waits for the next change, and ends too.
        (spare,) = watch.children()
        assert watch.end() == 130
        assert ended(spare)
        assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
            *("base.py", "config.py", "notes.txt", "other.py", "watched_plug.py"),
        ]


def test_in_a_pipe_answers_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    config = project(tmp_path).rename(tmp_path / "configs/config.py")
    replace(config, CONFIG.format(base="../base.py"))
    report = ["--format", "concise", "--output", "json=out.json", "--output", "html=out.html"]
    with Watch(tmp_path, "check", "configs", *report, terminal=False) as watch:
        watch.until("in 1 config")
        # A new file in a watched folder.
        (tmp_path / "configs/second.py").write_text(CONFIG.format(base="../base.py"))
        watch.until("in 2 configs", "configs changed")
        assert "second.py" in (tmp_path / "out.json").read_text()
        # A page in a browser reloads itself.
        assert "data-build" in (tmp_path / "out.html").read_text()
        # A settings file is an input too.
        (tmp_path / "lrdecay.toml").write_text("[options]\nverbosity = 3\n")
        watch.until("lrdecay.toml: ", "lrdecay.toml changed")
        assert watch.shown.count("loading torch") == 1
        assert "\x1b" not in watch.shown
        assert watch.end(signal.SIGTERM) == 143


def test_who_reads_no_more_ends_it(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(to_json(group_map({"decay": {"parameters": {"a.weight": (2,)}}})))
    with Watch(tmp_path, "check", "map.json", terminal=False) as watch:
        watch.until("in 1 ")
        watch.leave()
        assert watch.wait() == 0


SLOW = """
import os, time
from pathlib import Path
Path("pid.new").write_text(str(os.getpid()))
Path("pid.new").rename("pid")
time.sleep(600)
"""


def test_ending_it_ends_its_children(tmp_path: Path) -> None:
    config = project(tmp_path)
    (tmp_path / "watched_plug.py").write_text(SLOW)
    with Watch(tmp_path, "check", config.name) as watch:
        child = 0
        end = time.monotonic() + 60
        while not child and time.monotonic() < end:
            time.sleep(0.01)
            with suppress(FileNotFoundError):
                child = int((tmp_path / "pid").read_text())
        assert watch.end() == 130
    assert ended(child)


def test_watch_is_check_that_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", "-"]) == 2
    assert capsys.readouterr().err == "lrdecay: --watch: stdin can be read only once; give a file\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "-"], "--watch: stdin can be read only once; give a file"),
        (["inspect", "-"], "--watch: stdin can be read only once; give a file"),
        (["check", "config.py", "--fix"], "--watch: the option cannot be used with --fix; leave one out"),
        (["check", "config.py", "--diff"], "--watch: the option cannot be used with --diff; leave one out"),
        (["suggest", "map.json", "--color", "no"], "--color: unknown choice 'no'; one of auto, always, never"),
    ],
)
def test_targets_that_cannot_be_watched(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, "--watch"]) == 2
    assert capsys.readouterr().err == f"lrdecay: {line}\n"


def test_a_confined_config_is_watched_too(tmp_path: Path) -> None:
    """Inputs that its process read are known, even if it fails; files of its removed scratch folder are not inputs."""
    config = project(tmp_path)
    with Watch(tmp_path, "check", config.name, "--isolate", terminal=False) as watch:
        watch.until("in 1 config", "Ctrl-C ends")
        replace(tmp_path / "base.py", "model = (\n")
        watch.until("base.py:1: Python syntax error", ": base.py changed;")
        replace(tmp_path / "base.py", BASE.format(lr=0.5))
        watch.until("in 1 config", ": base.py changed;")
        assert watch.end() == 130


def test_a_change_of_loaded_code_starts_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Children are forked from a process with loaded packages."""
    started: list[bool] = []
    monkeypatch.setattr(fast_start, "start_over", lambda: started.append(True))
    session = Session(["check"], [], exact=False)
    try:
        session._check_modules([fast_start.__file__, "/somewhere/else.py"])
        assert not started
        session._stamps[fast_start.__file__] = [0, 0, 0]
        session._check_modules([fast_start.__file__])
    finally:
        session.close()
    assert started == [True]
    assert "fast_start.py changed, which is loaded: restarting" in capsys.readouterr().err
