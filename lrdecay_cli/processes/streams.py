"""What is written while a config is built: held back until it is wanted, and kept out of the report."""

from __future__ import annotations

import builtins
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# A config that takes long must be heard. Loading the stack takes a second or two.
PATIENCE = 10.0


class Held:
    """What goes to file descriptor 2, child processes and C code included, in a file without a name.

    It is let out by :meth:`release`, when somebody is asked for input, or by itself after ``PATIENCE`` seconds; from
    then on nothing is held.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stderr = os.dup(2)
        self._file = os.memfd_create("stderr") if hasattr(os, "memfd_create") else _nameless_file()
        sys.stderr.flush()
        os.dup2(self._file, 2)
        self._open = True
        self._timer = threading.Timer(PATIENCE, self.release)
        self._timer.daemon = True
        self._timer.start()
        self._input, builtins.input = builtins.input, self._ask

    def release(self) -> None:
        """Write out what was held, and hold nothing any more."""
        self._end(wanted=True)

    def drop(self) -> None:
        """Forget what was held, and hold nothing any more."""
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
            # Stdout may have been sent the same way since.
            if os.path.sameopenfile(1, self._file):
                os.dup2(self._stderr, 1)
            os.dup2(self._stderr, 2)
            os.lseek(self._file, 0, os.SEEK_SET)
            while wanted and (chunk := os.read(self._file, 65536)):
                os.write(2, chunk)
            os.close(self._file)
            os.close(self._stderr)


@contextmanager
def holding() -> Iterator[Held]:
    """Hold stderr back in here, and let out what was held at the end, unless it was dropped."""
    held = Held()
    try:
        yield held
    finally:
        held.release()


def _nameless_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Give back what a config's own code may have changed: working directory, environment, standard streams.

    The report goes where the command line said, and is kept in the cache for the place that the command was given in.
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
    # The cache takes whoever asks for a variable by name for a reader of it, and dict() asks for each.
    return {name: value for name, value in os.environ.items()}  # noqa: C416


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send what a config's own code writes to stdout, C code and child processes included, to stderr."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with _left_as_it_was():
            yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
