"""A config's own code runs in this process: what it writes and changes must not reach the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


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
        _restore(environment)
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


def _environment() -> dict[str, str]:
    # The cache takes whoever asks for a variable by name for a reader of it, and dict() asks for each.
    return {name: value for name, value in os.environ.items()}  # noqa: C416


def _restore(environment: dict[str, str]) -> None:
    now = _environment()
    for name in now.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if now.get(name) != value:
            os.environ[name] = value


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
