"""Run each task in its own forked child process, so that a config cannot change the process of the next config."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from lrdecay_cli.files.interrupts import delayed_interrupts

Work = Callable[[str], bytes]
LONGEST_ANSWER = 1 << 29
"""Maximum size, in bytes, of the answer that a child sends to its parent.

The largest group map of mmdet's and mmpretrain's zoos has a thousandth of this size.
"""
_LENGTH = 8
"""Number of bytes of a length field. A child sends the length of its answer in this field, and then the answer."""
_PR_SET_PDEATHSIG = 1
# An answer ends the wait at once. This is the interval of the checks for a child that ended without an answer while
# its own child keeps the pipe open, and for one that uses too much memory.
_LOOK = 0.1


class Outcome(msgspec.Struct, frozen=True):
    """The result of a task that ran in a child process."""

    name: str
    """Name of the task."""
    answer: bytes
    """Bytes that the task returned; empty if the child failed."""
    lost: str = ""
    """How the child failed: ``timeout``, or ``crashed`` if it ended without an answer. Empty if it did not fail."""
    reason: str = ""
    """Why the child failed, for example ``killed by SIGSEGV``."""
    seconds: float = 0.0


class Child(msgspec.Struct, eq=False):
    """A running child process, as its parent sees it."""

    name: str
    """Name of the task that the child runs."""
    pid: int
    reader: int
    """The parent's end of the pipe; reading never blocks."""
    started: float
    received: bytearray
    closed: bool = False
    """True if the other end of the pipe is closed in all processes."""
    killed: str = ""
    """Why the parent killed the child: ``timeout``, ``memory``, or ``length`` for an answer that is too long.

    Empty if the parent did not kill the child.
    """

    def read(self) -> None:
        """Read the data that is available in the pipe."""
        with suppress(BlockingIOError):
            # Data that arrives faster than it is read would block here for ever.
            while len(self.received) <= LONGEST_ANSWER:
                chunk = os.read(self.reader, 1 << 20)
                self.received += chunk
                if not chunk:
                    self.closed = True
                    return

    @property
    def answer(self) -> bytes | None:
        """Return the answer of the child; None until the whole answer has arrived."""
        length = int.from_bytes(self.received[:_LENGTH], "little")
        whole = len(self.received) >= _LENGTH and len(self.received) == _LENGTH + length
        return bytes(self.received[_LENGTH:]) if whole else None

    def kill(self) -> None:
        """Kill the child and all processes of its group with SIGKILL."""
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
    """Run ``work`` for each name in its own forked child, and yield the outcomes when they are ready.

    Args:
        names: names of tasks.
        work: function that a child calls with the name of its task; must not raise.
        jobs: number of children that run at the same time.
        timeout: seconds after which a child is killed; None for no limit.
        memory: limit in bytes for the memory that a child adds after the fork, on Linux; None for no limit. Only
            memory that the child writes counts, so the parameters of an uninitialised model do not count.
        verbose: let children write to stderr; they never write to stdout.

    If the caller stops early (Ctrl-C), all children are killed. On Linux, they are also killed if the caller is killed.
    """
    waiting = list(reversed(names))
    selector = selectors.DefaultSelector()
    running: list[Child] = []
    limit = None if memory is None else _anonymous_memory(os.getpid()) + memory
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                child = _start(waiting.pop(), work, partial(_mute, verbose))
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
    """Return the exit status of a child from ``os.waitpid``; None while the child runs.

    If the child has sent its answer, has closed the pipe or has exceeded a limit, this function first kills the child.
    """
    if child.answer is not None or child.closed or child.killed:
        # This does not change an existing exit status, and it ends the child's own processes.
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
        reason = f"killed: the result of the process is larger than {LONGEST_ANSWER >> 20} MiB"
    elif child.killed == "memory":
        reason = f"killed: the process used more than {(memory or 0) / 2**30:g} GiB of memory, see --memory"
    elif child.closed and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        reason = "the process closed its pipe to lrdecay, or was killed by SIGKILL (out of memory?)"
    elif os.WIFSIGNALED(status):
        reason = f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    else:
        reason = f"exit code {os.WEXITSTATUS(status)}"
    return Outcome(child.name, b"", "crashed", reason, seconds)


class Worker:
    """One child process. An event loop can wait for its result and for other events at the same time.

    Args:
        work: function that the child calls; must not raise.
        streams: function that sets up the standard streams of the child. The child calls it before ``work``.
    """

    def __init__(self, work: Callable[[], bytes], streams: Callable[[], None]) -> None:
        self._child = _start("", lambda _: work(), streams)
        self.ended = False

    def fileno(self) -> int:
        """Return the file descriptor of the pipe from the child. Call :meth:`poll` whenever the pipe is readable."""
        return self._child.reader

    def poll(self) -> Outcome | None:
        """Return the outcome of the child; None while the child runs."""
        self._child.read()
        _kill_if_over(self._child, None, None)
        status = _status_if_ended(self._child)
        if status is None:
            return None
        self._close()
        return _outcome(self._child, status, None, None)

    def stop(self) -> None:
        """Kill the child, unless it has ended."""
        if not self.ended:
            self._child.kill()
            os.waitpid(self._child.pid, 0)
            self._close()

    def _close(self) -> None:
        self.ended = True
        os.close(self._child.reader)


def _start(name: str, work: Work, streams: Callable[[], None]) -> Child:
    """Fork a child that calls ``work`` and sends its result through a pipe."""
    reader, writer = os.pipe()
    # Parent and child would both write unflushed buffers.
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = 0
    try:
        # Python drops exceptions in its callbacks around a fork, including an interrupt at that moment.
        with delayed_interrupts() as restore_handlers:
            pid = os.fork()
            if pid == 0:
                _run_in_child(name, work, writer, parent, restore_handlers, streams)
        os.close(writer)
        os.set_blocking(reader, False)
        # The child does the same, so its group exists before it can be killed.
        with suppress(OSError):
            os.setpgid(pid, pid)
        return Child(name, pid, reader, time.monotonic(), bytearray())
    except BaseException:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise


def _run_in_child(
    name: str,
    work: Work,
    writer: int,
    parent: int,
    restore_handlers: Callable[[], None],
    streams: Callable[[], None],
) -> NoReturn:
    code = 1
    try:
        # Its own group: its processes are killed with it, and Ctrl-C reaches only the parent.
        os.setpgid(0, 0)
        # The parent handles orderly termination.
        restore_handlers()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.platform == "linux":
            # The system kills this process when its parent ends for any reason.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        streams()
        answer = work(name)
        message = memoryview(len(answer).to_bytes(_LENGTH, "little") + answer)
        while message:
            message = message[os.write(writer, message) :]
        code = 0
    finally:
        # No clean-up: exit handlers and buffers belong to the parent.
        os._exit(code)


def _mute(verbose: bool) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if verbose else nowhere, 1)
    os.dup2(1, 2)
    # New objects: a thread of the parent (progress bar) may have held the old objects' locks at the fork.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _anonymous_memory(pid: int) -> int:
    """Return the resident memory of a process in bytes, not counting mapped files; 0 on systems other than Linux."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
