"""Delay or redirect the output of a build, so that it does not get into the report."""

from __future__ import annotations

import builtins
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Seconds after which a slow build shows its output. Loading the stack takes a second or two.
PATIENCE = 10.0


class HeldStderr:
    """Stores the output to file descriptor 2 in an unnamed file, including the output of child processes and C code.

    :meth:`release` writes the stored output to stderr and stops storing. ``release`` is also called if a config calls
    ``input``, and after ``PATIENCE`` seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stderr = os.dup(2)
        self._file = nameless_file()
        sys.stderr.flush()
        os.dup2(self._file, 2)
        self._open = True
        self._timer = threading.Timer(PATIENCE, self.release)
        self._timer.daemon = True
        self._timer.start()
        self._input, builtins.input = builtins.input, self._ask

    def release(self) -> None:
        """Write the stored output to stderr, and stop storing."""
        self._end(wanted=True)

    def drop(self) -> None:
        """Discard the stored output, and stop storing."""
        self._end(wanted=False)

    def _ask(self, prompt: object = "", /) -> str:
        self.release()
        return self._input(prompt)

    def _end(self, *, wanted: bool) -> None:
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._timer.cancel()
            builtins.input = self._input
            sys.stderr.flush()
            # Stdout may have been redirected to the file, too.
            if os.path.sameopenfile(1, self._file):
                os.dup2(self._stderr, 1)
            os.dup2(self._stderr, 2)
            os.lseek(self._file, 0, os.SEEK_SET)
            while wanted and (chunk := os.read(self._file, 65536)):
                os.write(2, chunk)
            os.close(self._file)
            os.close(self._stderr)


@contextmanager
def holding_stderr() -> Iterator[HeldStderr]:
    """Delay the output to stderr until the end of this ``with`` block. The block may discard it with ``drop()``."""
    held = HeldStderr()
    try:
        yield held
    finally:
        held.release()


def nameless_file() -> int:
    """Return the file descriptor of a new unnamed file, in memory if the system supports this."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stderr")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@contextmanager
def _restoring_process_state() -> Iterator[None]:
    """Restore working directory, environment and standard streams after a config's own code ran.

    Otherwise relative paths of the command line, and the cache key, would use a changed working directory.
    """
    try:
        folder = os.getcwd()  # noqa: PTH109 (it may be gone)
    except OSError:
        folder = None
    environment, streams = _environment(), (sys.stdin, sys.stdout, sys.stderr)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        now = _environment()
        for name in now.keys() - environment.keys():
            del os.environ[name]
        for name, value in environment.items():
            if now.get(name) != value:
                os.environ[name] = value
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


def _environment() -> dict[str, str]:
    # The cache records each variable that is read by name, and dict() would read all.
    return {name: value for name, value in os.environ.items()}  # noqa: C416


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr in this ``with`` block, including the output of C code and of child processes."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with _restoring_process_state():
            yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
