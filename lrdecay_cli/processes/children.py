"""A child process for each piece of work: whatever a config does to its process, the next one gets a fresh copy."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

Work = Callable[[str], bytes]
LONGEST_ANSWER = 1 << 29
"""Bytes. The map of the largest model of both zoos takes a thousandth of it."""
_LENGTH = 8
"""Bytes in front of an answer that tell its length."""
_PR_SET_PDEATHSIG = 1
# A child is done when its answer is there, which is noticed at once. How often to look for one that ended without an
# answer while a process that it started keeps the pipe open, and for one that takes too much memory.
_LOOK = 0.1


class Outcome(msgspec.Struct, frozen=True):
    """How a child ended."""

    name: str
    """Its piece of work."""
    answer: bytes
    """What the work gave; empty if the child was lost."""
    lost: str = ""
    """``timeout``, or ``crashed`` for a child that ended without an answer."""
    reason: str = ""
    """Why it was lost: ``killed by SIGSEGV``."""
    seconds: float = 0.0


class Child(msgspec.Struct, eq=False):
    """A child that was started, as its parent sees it."""

    name: str
    """Its piece of work."""
    pid: int
    reader: int
    """The parent's end of the pipe; never blocks."""
    started: float
    received: bytearray
    closed: bool = False
    """Nothing more can come: every process that held the other end of the pipe has closed it."""
    killed: str = ""
    """Why the parent killed it: ``timeout``, ``memory`` or ``length``."""

    def read(self) -> None:
        """Take what is in the pipe."""
        with suppress(BlockingIOError):
            # What comes faster than it is read would keep us here for ever.
            while len(self.received) <= LONGEST_ANSWER:
                chunk = os.read(self.reader, 1 << 20)
                self.received += chunk
                if not chunk:
                    self.closed = True
                    return

    @property
    def answer(self) -> bytes | None:
        """The answer, None unless all of it is there."""
        length = int.from_bytes(self.received[:_LENGTH], "little")
        whole = len(self.received) >= _LENGTH and len(self.received) == _LENGTH + length
        return bytes(self.received[_LENGTH:]) if whole else None

    def kill(self) -> None:
        """Kill it with every process of its group, whatever signals it ignores."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def in_children(
    names: Sequence[str],
    work: Work,
    *,
    jobs: int,
    timeout: float | None = None,
    memory: int | None = None,
    verbose: bool = False,
) -> Generator[Outcome, None, None]:
    """Do ``work`` for each name in a forked child of its own, and give the outcomes as they come.

    Args:
        names: pieces of work.
        work: what a child does; it must not raise.
        jobs: how many children there are at a time.
        timeout: seconds after which a child is killed; None for no limit.
        memory: bytes that a child may use beyond what it was forked with, on Linux; None for no limit. Memory counts
            once it is written to: a model that nobody initialises reserves all its parameters and uses none.
        verbose: let children write to stderr; stdout is closed to them in any case.

    A caller that stops early (Ctrl-C) leaves no child behind, and on Linux neither does one that is killed.
    """
    waiting = list(reversed(names))
    selector = selectors.DefaultSelector()
    running: list[Child] = []
    limit = None if memory is None else _anonymous_memory(os.getpid()) + memory
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                child = _start(waiting.pop(), work, verbose)
                running.append(child)
                selector.register(child.reader, selectors.EVENT_READ, child)
            for key, _ in selector.select(_LOOK):
                key.data.read()
            for child in tuple(running):
                _kill_if_over(child, timeout, limit)
                status = _status_if_ended(child)
                if status is not None:
                    running.remove(child)
                    selector.unregister(child.reader)
                    os.close(child.reader)
                    yield _outcome(child, status, timeout, memory)
    finally:
        for child in running:
            child.kill()
            os.waitpid(child.pid, 0)
            os.close(child.reader)
        selector.close()


def _kill_if_over(child: Child, timeout: float | None, limit: int | None) -> None:
    if child.answer is not None:
        return
    if timeout is not None and time.monotonic() - child.started > timeout:
        child.killed = "timeout"
    elif len(child.received) > LONGEST_ANSWER:
        child.killed = "length"
    elif limit is not None and _anonymous_memory(child.pid) > limit:
        child.killed = "memory"


def _status_if_ended(child: Child) -> int | None:
    """The child's wait status if it has ended or is ended here, because it can or need not say any more."""
    if child.answer is not None or child.closed or child.killed:
        # An exit status that is there already is not changed by this, and what the child started goes with it.
        child.kill()
        return os.waitpid(child.pid, 0)[1]
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if not pid:
        return None
    child.kill()
    child.read()
    return status


def _outcome(child: Child, status: int, timeout: float | None, memory: int | None) -> Outcome:
    seconds = time.monotonic() - child.started
    answer = child.answer
    if answer:
        return Outcome(child.name, answer, seconds=seconds)
    if child.killed == "timeout":
        return Outcome(child.name, b"", "timeout", f"not done after {timeout:g} s", seconds)
    if child.killed == "length":
        reason = "killed: its answer has no end"
    elif child.killed == "memory":
        reason = f"killed: it used more than {(memory or 0) / 2**30:g} GiB, see --memory"
    elif child.closed and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        reason = "it closed the pipe to lrdecay, or was killed by SIGKILL (out of memory?)"
    elif os.WIFSIGNALED(status):
        reason = f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    else:
        reason = f"ended its process with exit code {os.WEXITSTATUS(status)}"
    return Outcome(child.name, b"", "crashed", reason, seconds)


def _start(name: str, work: Work, verbose: bool) -> Child:
    """Fork a child that does ``work`` and sends what it gives."""
    reader, writer = os.pipe()
    # What is waiting in the buffers would be written by parent and child.
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # Python drops what is raised in the callbacks that it runs around a fork, and so an interrupt that comes then.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        pid = os.fork()
        if pid == 0:
            _run_in_child(name, work, writer, parent, mask, verbose)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(writer)
    os.set_blocking(reader, False)
    # The child does the same: whoever is first, it has its group before it can be killed.
    with suppress(OSError):
        os.setpgid(pid, pid)
    return Child(name, pid, reader, time.monotonic(), bytearray())


def _run_in_child(name: str, work: Work, writer: int, parent: int, mask: set[int], verbose: bool) -> NoReturn:
    code = 1
    try:
        # A group of its own: what the child starts is killed with it, and Ctrl-C reaches the parent alone.
        os.setpgid(0, 0)
        # Ending in order is the parent's business.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if sys.platform == "linux":
            # The system kills this process when its parent is gone, however that ended.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        _mute(verbose)
        answer = work(name)
        message = memoryview(len(answer).to_bytes(_LENGTH, "little") + answer)
        while message:
            message = message[os.write(writer, message) :]
        code = 0
    finally:
        # No cleaning up: exit handlers and buffers are the parent's.
        os._exit(code)


def _mute(verbose: bool) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if verbose else nowhere, 1)
    os.dup2(1, 2)
    # New ones: a thread of the parent (the progress bar's) may have held the old ones' locks while this was forked.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _anonymous_memory(pid: int) -> int:
    """Resident bytes of a process that are no file's; 0 where the system does not tell (only Linux does)."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
