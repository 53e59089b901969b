"""A child process for each piece of work: whatever a config does to its process, the next one gets a fresh copy."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

Work = Callable[[str], bytes]


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


class _Child(msgspec.Struct):
    name: str
    pid: int
    started: float
    answer: bytearray
    reason: str = ""


def in_children(
    names: Sequence[str],
    work: Work,
    *,
    jobs: int,
    timeout: float | None = None,
    memory: int | None = None,
    verbose: bool = False,
) -> Iterator[Outcome]:
    """Do ``work`` for each name in a forked child of its own, and give the outcomes as they come.

    Args:
        names: pieces of work.
        work: what a child does; it must not raise.
        jobs: how many children there are at a time.
        timeout: seconds after which a child is killed; None for no limit.
        memory: bytes by which a child's memory may grow beyond this process's; None for no limit.
        verbose: let children write to stderr; stdout is closed to them in any case.

    A caller that stops early (Ctrl-C) leaves no child behind.
    """
    waiting = list(reversed(names))
    selector = selectors.DefaultSelector()
    running: dict[int, _Child] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                reader, child = _started(waiting.pop(), work, memory, verbose)
                running[reader] = child
                selector.register(reader, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=_until_next(running, timeout)):
                child = running[key.fd]
                if chunk := os.read(key.fd, 1 << 20):
                    child.answer += chunk
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                del running[key.fd]
                yield _ended(child, timeout)
            _kill_overdue(running, timeout)
    finally:
        for reader, child in running.items():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            os.close(reader)
        selector.close()


def _started(name: str, work: Work, memory: int | None, verbose: bool) -> tuple[int, _Child]:
    reader, writer = os.pipe()
    # What is waiting in the buffers would be written by parent and child.
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _be_a_child(name, work, writer, memory, verbose)
    os.close(writer)
    return reader, _Child(name, pid, time.monotonic(), bytearray())


def _be_a_child(name: str, work: Work, writer: int, memory: int | None, verbose: bool) -> NoReturn:
    code = 1
    try:
        # A group of its own: what the child starts is killed with it, and Ctrl-C reaches the parent alone.
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(2 if verbose else nowhere, 1)
        os.dup2(2 if verbose else nowhere, 2)
        if memory is not None:
            _limit_memory(memory)
        answer = memoryview(work(name))
        while answer:
            answer = answer[os.write(writer, answer) :]
        code = 0
    finally:
        # No cleaning up: exit handlers and buffers are the parent's.
        os._exit(code)


def _limit_memory(growth: int) -> None:
    import resource

    try:
        here = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (here + growth, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (OSError, ValueError):
        # No /proc (macOS), or a lower limit is set already.
        return


def _until_next(running: dict[int, _Child], timeout: float | None) -> float | None:
    """Seconds until the first child is overdue."""
    if timeout is None or not running:
        return None
    first = min(child.started for child in running.values())
    return max(0.0, first + timeout - time.monotonic())


def _kill_overdue(running: dict[int, _Child], timeout: float | None) -> None:
    for child in running.values():
        if timeout is not None and not child.reason and time.monotonic() - child.started > timeout:
            child.reason = "timeout"
            _kill(child.pid)


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _ended(child: _Child, timeout: float | None) -> Outcome:
    _, status = os.waitpid(child.pid, 0)
    seconds = time.monotonic() - child.started
    if child.reason:
        return Outcome(child.name, b"", "timeout", f"not done after {timeout:g} s", seconds)
    if status == 0 and child.answer:
        return Outcome(child.name, bytes(child.answer), seconds=seconds)
    if os.WIFSIGNALED(status):
        reason = f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    else:
        reason = f"ended its process with exit code {os.WEXITSTATUS(status)}"
    return Outcome(child.name, b"", "crashed", reason, seconds)
