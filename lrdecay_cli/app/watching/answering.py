"""What a child of a watch does: it runs the command as it is, and tells what the answer depends on."""

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
"""Bytes that tell how long a :class:`Said` is: a process that a config started may keep the pipe open."""
_MOST_SAID = 1 << 20
"""Bytes of stderr that are passed on."""


class Said(msgspec.Struct):
    """What the command wrote; it is sent before the rest of the answer is found out."""

    out: bytes = b""
    err: str = ""


class Answer(msgspec.Struct):
    """What the answer depends on, and what helps with the next one."""

    code: int
    kind: str = ""
    """The class of ``document``; empty if there is none."""
    document: bytes = b""
    dependencies: Dependencies = msgspec.field(default_factory=Dependencies)
    modules: list[str] = []
    """All that the child had loaded."""
    read: list[list[str]] = []
    """What of installed packages it had to read that its parent could have read before."""
    retry: bool = False
    """Whether only an attempt without shortcuts can answer."""


class _RetryError(BaseException):
    """Past everything that turns an exception into a line."""


class _Collected(io.TextIOWrapper):
    """Stdout that keeps what is written, and otherwise is what the parent has: a terminal, a pipe."""

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
    """Put the child's streams in place: nothing to read, stdout kept, stderr in a file without a name."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    from lrdecay_cli.processes.streams import nameless_file

    stderr_file = nameless_file()
    os.dup2(stderr_file, 2)
    os.close(stderr_file)
    sys.stdout = _Collected()
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def answer(arguments: Sequence[str], writer: int, *, inherited: Sequence[str], warm: bool, plain: bool) -> bytes:
    """Run the command, and return an :class:`Answer`.

    Args:
        arguments: the command line.
        writer: the descriptor that gets a :class:`Said`, unless there is to be another attempt; closed afterwards.
        inherited: the files of modules that were loaded before.
        warm: whether the stack is among them: then nothing is kept in the cache.
        plain: take no shortcuts.
    """
    # One command and out.
    gc.disable()
    if warm:
        folder.keep_nothing()
    dependencies.begin(inherited)
    fast_start.retry_by(_retry)
    if plain:
        fast_start.be_plain()
    console.pages_reload = True
    from lrdecay_cli.app.shell.main import run

    code, retry = CANNOT_JUDGE, False
    stdout = sys.stdout
    try:
        code = run(arguments)
    except _RetryError:
        retry = True
    stdout.flush()
    out = stdout.kept.getvalue() if isinstance(stdout, _Collected) else b""
    if not retry:
        with open(writer, "wb") as pipe, suppress(BrokenPipeError):
            said = msgspec.msgpack.encode(Said(out, _said()))
            pipe.write(len(said).to_bytes(LENGTH, "little") + said)
    found = msgspec.convert(dependencies.dependencies(), Dependencies)
    result = Answer(code, *_document(), found, [*sys.modules], _read(), retry)
    return msgspec.msgpack.encode(result)


def _retry() -> NoReturn:
    raise _RetryError


def _read() -> list[list[str]]:
    if module := sys.modules.get("lrdecay_cli.openmmlab.shared_bases"):
        return list(module.read_here())
    return []


def _said() -> str:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os.lseek(2, 0, os.SEEK_SET)
    return os.read(2, _MOST_SAID).decode("utf-8", "backslashreplace")


def _document() -> tuple[str, bytes]:
    result: Any = console.last_result
    if result is None:
        return "", b""
    document = result.document
    # What is only compared need not travel.
    with suppress(TypeError, ValueError, NotImplementedError):
        return type(document).__name__, msgspec.msgpack.encode(document)
    return "", b""
