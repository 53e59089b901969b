"""Build configs with the packages of another Python environment. lrdecay installs and writes nothing in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

import lrdecay_cli
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.processes.outcomes import BuildOutcome, outcome_of
from lrdecay_cli.scanning import start_elsewhere
from lrdecay_cli.scanning.worker import Ready, Refused, Start, Task, read_frame, write_frame

_PYTHONS = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
_USUAL = (".venv", "venv", "env")
# Variables that would add packages of this environment to the other one.
_OWN_TO_THIS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONSAFEPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
# Packages that the worker needs besides the environment's own stack.
_NEEDED = ("msgspec", "packaging", "tomli")
_PATIENCE = 5
"""Seconds to wait until the worker process ends by itself; then it is killed."""


def python_of(place: str) -> str | None:
    """Return the path of an environment's Python executable; None if ``place`` is not an environment.

    ``place`` is the folder of the environment, or its Python executable.

    Symbolic links are not resolved, because Python finds its environment from the location of the link.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return next((str(path.absolute() / name) for name in _PYTHONS if (path / name).is_file()), None)
    return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else None


def suggest_environment(place: str) -> str:
    """Return the text of a fix for the error that ``place`` is not an environment.

    If ``place`` contains an environment with a usual name such as ``.venv``, the fix names this environment. Otherwise
    the fix lists the accepted inputs.
    """
    for name in _USUAL:
        if python_of(os.path.join(place, name)):  # noqa: PTH118 (as the user wrote it)
            return f"did you mean {Path(place, name)}?"
    return "give a virtual environment (folder or python), a JSON file from lrdecay scan, or a folder from scan --maps"


class Environment:
    """A worker process with the Python of another environment. It builds configs until the ``with`` block ends.

    Args:
        place: the environment as the user named it, for messages.
        python: path of the environment's Python.
        start: the configs to build, and the options for building.

    Raises:
        LrdecayError: the environment lacks torch, mmengine or the package of a named zoo, or its Python is too old or
            cannot be run.
    """

    def __init__(self, place: str, python: str, start: Start) -> None:
        self.place, self._python = place, python
        # The last line of stderr is reported if it ends without an answer.
        self._stderr = None if start.options.verbose else tempfile.TemporaryFile()  # noqa: SIM115 (closed on leaving)
        environment = {name: value for name, value in os.environ.items() if name not in _OWN_TO_THIS}
        roots = [str(Path(str(lrdecay_cli.__file__)).parents[1])]
        for name in _NEEDED:
            with suppress(ImportError):
                roots += [name, str(Path(str(__import__(name).__file__)).parents[1])]
        command = [python, "-B", str(start_elsewhere.__file__), *roots]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            )
        except OSError as error:
            self._close()
            raise LrdecayError(
                f"the environment's Python cannot be run: {error.strerror or error}", where=place
            ) from error
        self._start = start

    def __enter__(self) -> Environment:
        try:
            self.ready = self._ready()
        except BaseException:
            self._end()
            raise
        if self.ready.warnings:
            sys.stderr.write(self.ready.warnings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def build(self, tasks: Sequence[Task]) -> Iterator[BuildOutcome]:
        """Yield the outcome of each task when it is ready; the outcome's ``config`` is the name of the task.

        Raises LrdecayError if the worker process ends before all outcomes are ready.
        """
        assert self._process.stdout
        self._send(msgspec.msgpack.encode(list(tasks)))
        for _ in tasks:
            frame = read_frame(self._process.stdout)
            if frame is None:
                raise self._ended()
            yield outcome_of(msgspec.msgpack.decode(frame, type=Outcome), finite=False)

    def _ready(self) -> Ready:
        assert self._process.stdout
        self._send(msgspec.msgpack.encode(self._start))
        frame = read_frame(self._process.stdout)
        if frame is None:
            raise self._ended()
        if frame.startswith(b"{"):
            # It could not import MessagePack.
            refusal = msgspec.json.decode(frame, type=dict[str, str])
            raise LrdecayError(refusal["problem"], where=self.place, fix=refusal["fix"])
        answer = msgspec.msgpack.decode(frame, type=Ready | Refused)
        if isinstance(answer, Ready):
            return answer
        error = answer.failure.error()
        where = f"{self.place}: {error.where}" if error.where else self.place
        raise error.at(where)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin
        try:
            write_frame(self._process.stdin, data)
        except BrokenPipeError as error:
            # It may send a refusal before it has read its tasks.
            if self._process.stdout is None or self._process.stdout.peek(1) == b"":  # type: ignore[attr-defined]
                raise self._ended() from error

    def _ended(self) -> LrdecayError:
        """Return the error for a worker that ended too early, with the last line of its stderr."""
        code = self._process.wait()
        lines: list[str] = []
        if self._stderr:
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {code}"
        fix = f"try {self._python} -c 'import torch, mmengine'"
        return LrdecayError(f"lrdecay cannot run in this environment: {reason}", where=self.place, fix=fix)

    def _end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._stderr:
            self._stderr.close()
