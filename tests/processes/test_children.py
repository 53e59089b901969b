"""Misbehaving child processes, and the results of their parent."""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lrdecay_cli.processes.children import Worker, in_children


def overflow(_: str) -> bytes:
    return bytes(bytearray(3 * 2**29))


def reserve(name: str) -> bytes:
    # Like a model that is not initialised: 3 GiB of zeros that are never written.
    parameters = mmap.mmap(-1, 3 * 2**30)
    return name.encode() if len(parameters) else b""


def close_everything(_: str) -> bytes:
    os.closerange(3, 256)
    time.sleep(60)
    return b"late"


def leave_a_process(name: str, *, daemon: bool = False) -> bytes:
    if os.fork() == 0:
        try:
            if daemon:
                os.setsid()
            time.sleep(20)
            Path(f"{name} is over").touch()
        finally:
            os._exit(0)
    return name.encode()


def leave_a_daemon(name: str) -> bytes:
    return leave_a_process(name, daemon=True)


def wait_with_a_daemon(name: str) -> bytes:
    leave_a_daemon(name)
    time.sleep(60)
    return b"late"


def die_with_a_daemon(name: str) -> bytes:
    leave_a_daemon(name)
    os._exit(4)


def refuse_to_stop(_: str) -> bytes:
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
    "takes too long": (refuse_to_stop, "timeout", "not done after 0.4 s"),
    "takes too much": (overflow, "crashed", "used more than 1 GiB"),
    "reserves and does not use": (reserve, "", ""),
    "closes its pipe and goes on": (close_everything, "crashed", "closed its pipe"),
    "leaves a process behind": (leave_a_process, "", ""),
    "leaves a process of another group": (leave_a_daemon, "", ""),
    "waits, with a process of another group": (wait_with_a_daemon, "timeout", "not done after 0.4 s"),
    "dies, with a process of another group": (die_with_a_daemon, "crashed", "exit code 4"),
    "stops itself": (lambda _: os.kill(os.getpid(), signal.SIGSTOP), "timeout", "not done after 0.4 s"),
}


@pytest.mark.parametrize("case", WORK)
def test_every_end_of_a_child_is_an_outcome(
    case: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, lost, reason = WORK[case]
    monkeypatch.chdir(tmp_path)
    (outcome,) = in_children([case], work, jobs=1, timeout=0.4 if lost == "timeout" else 120, memory=2**30)
    # No process waits for the leftovers of the child.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".coverage")] == []
    assert (outcome.name, outcome.lost) == (case, lost)
    assert reason in outcome.reason
    if not lost:
        assert set(outcome.answer) == set(case.encode())
    assert capfd.readouterr().out == ""


def test_children_do_not_affect_each_other() -> None:
    def work(name: str) -> bytes:
        sys.modules[f"left_by_{name}"] = sys
        return ",".join(sorted(module for module in sys.modules if module.startswith("left_by_"))).encode()

    outcomes = list(in_children(["a", "b", "c"], work, jobs=1))
    assert [outcome.answer for outcome in outcomes] == [b"left_by_a", b"left_by_b", b"left_by_c"]


def test_jobs_run_side_by_side_and_all_are_done(tmp_path: Path) -> None:
    def work(name: str) -> bytes:
        (tmp_path / name).touch()
        deadline = time.monotonic() + 60
        # Each of the two waits for the other.
        while not {"0", "1"} <= {file.name for file in tmp_path.iterdir()} and time.monotonic() < deadline:
            time.sleep(0.01)
        return str(time.monotonic() < deadline).encode()

    outcomes = list(in_children([str(number) for number in range(6)], work, jobs=2))
    assert sorted(outcome.name for outcome in outcomes) == [str(number) for number in range(6)]
    assert {outcome.answer for outcome in outcomes} == {b"True"}


def test_an_early_stop_leaves_no_child(tmp_path: Path) -> None:
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


def test_a_process_that_a_child_started_goes_with_it(tmp_path: Path) -> None:
    def work(name: str) -> bytes:
        (tmp_path / "pid").write_text(str(subprocess.Popen(["sleep", "60"]).pid))
        return name.encode()

    assert [outcome.answer for outcome in in_children(["a"], work, jobs=1)] == [b"a"]
    wait_for_the_end_of(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_go_with_a_parent_that_is_killed(how: signal.Signals) -> None:
    if sys.platform != "linux":
        # No other system notifies a process that its parent has ended.
        return
    script = (
        "import os, sys, time\nfrom lrdecay_cli.processes.children import in_children\n"
        "def work(name):\n    os.write(1, str(os.getpid()).encode() + b'\\n')\n    time.sleep(60)\n"
        "next(in_children(['a'], work, jobs=1, verbose=True))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    assert parent.stderr is not None
    child = int(parent.stderr.readline())
    os.kill(parent.pid, how)
    parent.wait()
    parent.stderr.close()
    wait_for_the_end_of(child)


def wait_for_the_end_of(pid: int) -> None:
    """Fail if the process still runs after some seconds, except as a zombie."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if not state.strip() or state.startswith("Z"):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there: {state}")


INTERRUPTED_AS_IT_FORKS = """
import os, signal, threading, time
from lrdecay_cli.processes.children import in_children

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)

if {threads}:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.signal(signal.SIGINT, signal.default_int_handler)
os.register_at_fork(after_in_parent=interrupt)
try:
    list(in_children(["a"], lambda name: name.encode(), jobs=1))
    print("the interrupt was lost", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("threads", [0, 1])
def test_an_interrupt_that_comes_while_a_child_is_forked_is_not_lost(threads: int) -> None:
    """Python ignores exceptions in callbacks that run around a fork; logging has a callback that releases its lock.

    If the main thread blocks a signal, the system gives it to another thread, and Python to the main thread.
    """
    script = INTERRUPTED_AS_IT_FORKS.replace("{threads}", str(threads))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_an_interrupt_right_after_the_fork_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupted(pid: int, _: int) -> None:
        started.append(pid)
        if pid:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "setpgid", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Worker(lambda: time.sleep(60) or b"", lambda: None)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
