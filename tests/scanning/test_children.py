"""Children that do as they please, and what the parent makes of it."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.scanning.children import in_children


def overflow(_: str) -> bytes:
    return bytes(bytearray(3 * 2**30))


def refuse_to_stop(_: str) -> bytes:
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
    return b"late"


WORK: dict[str, tuple[Any, str, str]] = {
    "answers": (lambda name: name.encode(), "", ""),
    "answers at length": (lambda name: name.encode() * 1_000_000, "", ""),
    "prints": (lambda name: name.encode()[os.write(1, b"noise") * 0 :], "", ""),
    "segmentation fault": (lambda _: (faulthandler.disable(), ctypes.string_at(0)), "crashed", "killed by SIGSEGV"),
    "exits": (lambda _: os._exit(3), "crashed", "exit code 3"),
    "exits quietly": (lambda _: os._exit(0), "crashed", "exit code 0"),
    "raises": (lambda _: 1 // 0, "crashed", "exit code 1"),
    "leaves by sys.exit": (lambda _: sys.exit(0), "crashed", "exit code"),
    "takes too long": (refuse_to_stop, "timeout", "not done after 2 s"),
    "takes too much": (overflow, "crashed", ""),
}


@pytest.mark.parametrize("case", WORK)
def test_every_way_to_end_is_an_outcome(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    work, lost, reason = WORK[case]
    (outcome,) = in_children([case], work, jobs=1, timeout=2, memory=2**30)
    assert (outcome.name, outcome.lost) == (case, lost)
    assert reason in outcome.reason
    if not lost:
        assert set(outcome.answer) == set(case.encode())
    assert capfd.readouterr().out == ""


def test_what_one_child_does_no_other_sees() -> None:
    def work(name: str) -> bytes:
        sys.modules[f"left_by_{name}"] = sys
        return ",".join(sorted(module for module in sys.modules if module.startswith("left_by_"))).encode()

    outcomes = list(in_children(["a", "b", "c"], work, jobs=1))
    assert [outcome.answer for outcome in outcomes] == [b"left_by_a", b"left_by_b", b"left_by_c"]


def test_jobs_run_side_by_side_and_all_are_done(tmp_path: Path) -> None:
    def work(name: str) -> bytes:
        (tmp_path / name).touch()
        deadline = time.monotonic() + 20
        # Each of two waits for the other.
        while not {"0", "1"} <= {file.name for file in tmp_path.iterdir()} and time.monotonic() < deadline:
            time.sleep(0.01)
        return str(time.monotonic() < deadline).encode()

    outcomes = list(in_children([str(number) for number in range(6)], work, jobs=2))
    assert sorted(outcome.name for outcome in outcomes) == [str(number) for number in range(6)]
    assert {outcome.answer for outcome in outcomes} == {b"True"}


def test_whoever_stops_early_leaves_no_child_behind(tmp_path: Path) -> None:
    def work(name: str) -> bytes:
        if name != "quick":
            (tmp_path / name).write_text(str(os.getpid()))
            time.sleep(60)
        return b"done"

    outcomes = in_children(["slow", "quick"], work, jobs=2)
    next(outcomes)
    while not (tmp_path / "slow").exists() or not (tmp_path / "slow").read_text():
        time.sleep(0.01)
    outcomes.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "slow").read_text()), 0)
    assert threading.active_count() >= 1
