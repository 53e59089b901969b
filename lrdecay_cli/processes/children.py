"""A child process for each piece of work: whatever a config does to its process, the next one gets a fresh copy."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Generator, Sequence

import msgspec

from lrdecay_cli.processes import forking
from lrdecay_cli.processes.forking import Child, Work, anonymous_memory, start

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
    limit = None if memory is None else anonymous_memory(os.getpid()) + memory
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                child = start(waiting.pop(), work, verbose)
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
    elif len(child.received) > forking.LONGEST_ANSWER:
        child.killed = "length"
    elif limit is not None and child.anonymous_memory() > limit:
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
