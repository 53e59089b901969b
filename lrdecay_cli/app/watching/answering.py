"""Run the watched command in a child process, and return its output with the files on which the output depends.

An answer is the output of the command with its exit code and its dependencies.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import msgspec

from lrdecay_cli.app.shell import CANNOT_JUDGE, console
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.cache import dependencies, folder
from lrdecay_cli.processes.outcomes import Dependencies

LENGTH = 8
"""Number of bytes before an :class:`Output`. They contain the length of the output.

The length is sent first, because the end of the pipe does not mark the end of the output: a process that a config
started may keep the pipe open.
"""
_MOST_STDERR = 1 << 20
"""Maximum number of bytes of stderr to send to the parent."""


class Output(msgspec.Struct):
    """The stdout and stderr of the command. They are sent to the parent before the :class:`Answer`."""

    out: bytes = b""
    err: str = ""


class Answer(msgspec.Struct):
    """The exit code, report and dependencies of a command, and data that makes the next run faster."""

    code: int
    kind: str = ""
    """The name of the class of ``document``; empty if there is no document."""
    document: bytes = b""
    dependencies: Dependencies = msgspec.field(default_factory=Dependencies)
    modules: list[str] = []
    """All modules that the child process loaded."""
    read: list[list[str]] = []
    """Files of installed packages that the child process read. The parent process reads these files in advance, so that
    the next child process starts faster.
    """
    retry: bool = False
    """True if the command must run again without shortcuts, such as deferred imports."""


class _RetryError(BaseException):
    """Ends the command in the child process without output. The parent then runs it again without shortcuts.

    The class is a BaseException, so that the handlers that print an exception as one line do not catch it.
    """


class _Collected(io.TextIOWrapper):
    """A stdout that stores the output in memory. ``isatty`` and the encoding are those of the parent's stdout."""

    def __init__(self) -> None:
        real = sys.stdout
        self.kept = io.BytesIO()
        self._terminal = real.isatty()
        super().__init__(self.kept, encoding=real.encoding or "utf-8", errors=real.errors, newline="\n")

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return 1


def collect_streams() -> None:
    """Replace the child's streams: stdin is empty, stdout is stored in memory, stderr in an unnamed file."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    from lrdecay_cli.processes.streams import nameless_file

    stderr_file = nameless_file()
    os.dup2(stderr_file, 2)
    os.close(stderr_file)
    sys.stdout = _Collected()
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def prepare(*, inherited: Sequence[str], warm: bool, plain: bool) -> None:
    """Set up the child before it runs the command, and start to record the dependencies.

    Args:
        inherited: the files of the modules that the parent loaded.
        warm: True if the parent process loaded torch and mm*. The child process then writes nothing to the cache.
        plain: True to build without shortcuts, such as deferred imports.
    """
    # The process ends after one command: garbage collection is not worth its time.
    gc.disable()
    # Python takes bytecode for current if the source has the same size and was saved in the same second.
    sys.dont_write_bytecode = True
    if warm:
        folder.make_read_only()
    dependencies.begin(inherited)
    fast_start.retry_by(_retry)
    if plain:
        fast_start.be_plain()
    console.pages_reload = True
    from lrdecay_cli.app.shell import main  # noqa: F401


def run_command(words: Sequence[str], writer: int) -> bytes:
    """Run the command, write its :class:`Output` to a pipe, and return its encoded :class:`Answer`.

    Args:
        words: the command line.
        writer: file descriptor for the output. The function closes it. Nothing is written if a retry follows.
    """
    from lrdecay_cli.app.shell.main import run

    code, retry = CANNOT_JUDGE, False
    stdout = sys.stdout
    try:
        code = run(words)
    except _RetryError:
        retry = True
    stdout.flush()
    out = stdout.kept.getvalue() if isinstance(stdout, _Collected) else b""
    if not retry:
        with open(writer, "wb") as pipe, suppress(BrokenPipeError):
            output = msgspec.msgpack.encode(Output(out, _stderr_text()))
            pipe.write(len(output).to_bytes(LENGTH, "little") + output)
    found = msgspec.convert(dependencies.dependencies(), Dependencies)
    result = Answer(code, *_document(), found, [*sys.modules], _read(), retry)
    return msgspec.msgpack.encode(result)


def _retry() -> NoReturn:
    raise _RetryError


def _read() -> list[list[str]]:
    if module := sys.modules.get("lrdecay_cli.openmmlab.shared_bases"):
        return list(module.read_here())
    return []


def _stderr_text() -> str:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os.lseek(2, 0, os.SEEK_SET)
    return os.read(2, _MOST_STDERR).decode("utf-8", "backslashreplace")


def _document() -> tuple[str, bytes]:
    result: Any = console.last_result
    if result is None:
        return "", b""
    document = result.document
    # The parent only compares it: send a reduced copy.
    with suppress(TypeError, ValueError, NotImplementedError):
        return type(document).__name__, msgspec.msgpack.encode(document)
    return "", b""
