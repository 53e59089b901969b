"""One forked child: what it does before and after its work, and how its parent reads and ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

Work = Callable[[str], bytes]
_LENGTH = 8
"""Bytes in front of an answer that tell its length."""
_PR_SET_PDEATHSIG = 1


LONGEST_ANSWER = 1 << 29
"""Bytes. The map of the largest model of both zoos takes a thousandth of it."""


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

    def anonymous_memory(self) -> int:
        """Bytes that it has to itself or shares with its parent only; 0 where that is not told."""
        return anonymous_memory(self.pid)


def start(name: str, work: Work, verbose: bool) -> Child:
    """Fork a child that does ``work`` and sends what it gives."""
    reader, writer = os.pipe()
    # What is waiting in the buffers would be written by parent and child.
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_a_child(name, work, writer, parent, verbose)
    os.close(writer)
    os.set_blocking(reader, False)
    # The child does the same: whoever is first, it has its group before it can be killed.
    with suppress(OSError):
        os.setpgid(pid, pid)
    return Child(name, pid, reader, time.monotonic(), bytearray())


def anonymous_memory(pid: int) -> int:
    """Resident bytes of a process that are no file's; 0 where the system does not tell (only Linux does)."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _be_a_child(name: str, work: Work, writer: int, parent: int, verbose: bool) -> NoReturn:
    code = 1
    try:
        # A group of its own: what the child starts is killed with it, and Ctrl-C reaches the parent alone.
        os.setpgid(0, 0)
        # Ending in order is the parent's business.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die_with(parent)
        _mute(verbose)
        answer = work(name)
        message = memoryview(len(answer).to_bytes(_LENGTH, "little") + answer)
        while message:
            message = message[os.write(writer, message) :]
        code = 0
    finally:
        # No cleaning up: exit handlers and buffers are the parent's.
        os._exit(code)


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent is gone, however that ended. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _mute(verbose: bool) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if verbose else nowhere, 1)
    os.dup2(1, 2)
    # New ones: a thread of the parent (the progress bar's) may have held the old ones' locks while this was forked.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
