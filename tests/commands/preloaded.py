"""Fork commands from a process that has imported torch and mmdet, because a cold start is most of a command's time.

Each command has its own process, streams, environment and working directory, as if a shell had started it. Only the
imports are already done, and slow imports are deferred as in a console command. The server starts two more servers when
needed: one without deferred imports, for ``--exact`` and for the retry of a command that fails; and one with the
kernels for ``--device meta``. Tests of imports, the interpreter or the entry point start a cold process.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__, "../../..").resolve()
LONGEST = 300.0
"""Seconds that a command may take."""
_MODULE = "tests.commands.preloaded"
QUICK, EXACT, META = "quick", "exact", "meta"
"""Types of servers."""
_LARGEST = 1 << 20
"""Bytes of a request."""
_NOT_BEFORE = ("typer.rich_utils", "lrdecay_cli.training")
"""Modules that read environment variables or register types when they are imported."""
_PATH = sys.path[1:]
"""``sys.path`` before packages add to it."""
_ERRORS = (sys.__stdout__ or sys.stdout).errors
"""The encoding of the locale."""
_STREAMS = 3
_AGAIN = signal.SIGUSR2
"""Raised if a command would replace itself by the same command without shortcuts."""


def run(
    arguments: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    stdin: str,
    *,
    meanwhile: Callable[[int], object] = lambda _: None,
    loads: int | None = None,
) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command with its streams in pipes; ``meanwhile`` gets its process id.

    For each config that mmengine loads, one byte is written to the file descriptor ``loads``, which is closed here.
    """
    (theirs_in, into), (out, theirs_out), (err, theirs_err) = (os.pipe() for _ in range(3))
    with ThreadPoolExecutor(3) as threads:
        streams = (theirs_in, theirs_out, theirs_err, *([] if loads is None else [loads]))
        command = Command(arguments, cwd, environment, streams)
        threads.submit(_write, into, stdin)
        read = [threads.submit(_read, stream) for stream in (out, err)]
        try:
            meanwhile(command.pid)
        finally:
            code = command.wait(LONGEST)
    return code, *(text.result() for text in read)


def _write(stream: int, text: str) -> None:
    with suppress(BrokenPipeError), open(stream, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _read(stream: int) -> str:
    with open(stream, encoding="utf-8") as file:
        return file.read()


class Command:
    """A command that runs in a forked process."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        streams: Sequence[int],
        kind: str = QUICK,
    ) -> None:
        """Let a server of a ``kind`` start the command. File descriptors of its standard streams are closed here."""
        self._server = _server(kind)
        request = {"arguments": arguments, "cwd": cwd, "environment": {**environment}}
        # A socket of this type receives each message as a whole.
        socket.send_fds(self._server, [json.dumps(request).encode()], streams)
        for stream in streams:
            os.close(stream)
        self.pid = int(self._server.recv(_LARGEST))

    def wait(self, seconds: float) -> int:
        """Return the exit code; negative if a signal ended the command. Kill the command after ``seconds``."""
        return os.waitstatus_to_exitcode(self.wait_status(seconds))

    def wait_status(self, seconds: float) -> int:
        """Return the status as :func:`os.waitpid` does."""
        self._server.settimeout(seconds)
        try:
            return int(self._server.recv(_LARGEST))
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            self._server.settimeout(None)
            self._server.recv(_LARGEST)
            raise
        finally:
            self._server.settimeout(None)


@cache
def _server(kind: str) -> socket.socket:
    """Return the socket of a server, which is started here and ends with this process."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    if kind == META:
        ended = partial(os.waitpid, _forked(there), 0)
    else:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(there.fileno()), kind],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
        )
        ended = process.wait
    there.close()
    atexit.register(ended)
    atexit.register(here.close)
    return here


def _forked(server: socket.socket) -> int:
    """Return the process id of a server with the same imports as this one, and the kernels of the meta device."""
    if pid := os.fork():
        return pid
    try:
        # Also the streams of the command for which it is started.
        os.closerange(3, server.fileno())
        os.closerange(server.fileno() + 1, 1024)
        from lrdecay_cli.openmmlab.lazy_imports.stack_imports import load_meta_kernels

        load_meta_kernels()
        serve(server, META)
    finally:
        os._exit(0)


def serve(server: socket.socket, kind: str) -> None:
    """Fork a process for each request, or forward it to another server, until the client is gone."""
    while True:
        request, streams, _, _ = socket.recv_fds(server, _LARGEST, 4)
        if not request:
            return
        asked = json.loads(request)
        better = EXACT if "--exact" in asked["arguments"] else META if "meta" in asked["arguments"] else QUICK
        if kind == QUICK != better:
            command = Command(**asked, streams=[*map(os.dup, streams)], kind=better)
            server.send(str(command.pid).encode())
            status = command.wait_status(LONGEST)
        else:
            pid = os.fork()
            if pid == 0:
                server.close()
                _run(streams, **asked, kind=kind)
            server.send(str(pid).encode())
            status = os.waitpid(pid, 0)[1]
        # Kept open until here for a retry.
        if kind == QUICK and os.WIFSIGNALED(status) and os.WTERMSIG(status) == _AGAIN:
            asked["environment"]["_LRDECAY_AGAIN"] = "1"
            status = Command(**asked, streams=streams, kind=EXACT).wait_status(LONGEST)
        else:
            for stream in streams:
                os.close(stream)
        server.send(str(status).encode())


def _preload(kind: str) -> None:
    """Import the same modules as commands that build a config."""
    from lrdecay_cli.openmmlab.lazy_imports.stack_imports import defer_slow_imports
    from lrdecay_cli.openmmlab.preloading import preload_stack

    if kind == QUICK:
        defer_slow_imports()
    for file in (ROOT / "lrdecay_cli").rglob("*.py"):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not module.startswith(_NOT_BEFORE):
            import_module(module)
    import rich.progress
    import rich.table  # noqa: F401

    from lrdecay_cli.openmmlab.build_context import quiet_stack
    from lrdecay_cli.openmmlab.zoo_lookups import remembered_zoos
    from lrdecay_cli.processes import streams

    # However busy the machine is, the output of the first attempt must not appear before the retry writes it again.
    streams.PATIENCE = LONGEST
    preload_stack(["mmdet", "mmpretrain"])
    from mmengine.config import Config

    for package in ("mmdet", "mmpretrain"):
        # The config does not exist; this only makes mmengine look through all configs.
        with suppress(FileNotFoundError), remembered_zoos(), quiet_stack(verbose=False):
            Config._get_cfg_path(f"{package}::any/any.py", "")
    assert not {*_NOT_BEFORE} & {*sys.modules}


def _tell_loads(descriptor: int) -> None:
    from mmengine.config import Config

    load = Config.fromfile

    def fromfile(*arguments: Any, **options: Any) -> Any:
        os.write(descriptor, b".")
        return load(*arguments, **options)

    Config.fromfile = staticmethod(fromfile)
    # Equal to that of a process whose imports are listed, so that both use the same cached result.
    sys._xoptions["importtime"] = True


def _to_be_started_again(*_: object) -> NoReturn:
    """Replace ``os.execve``: the server lets the other server run the command."""
    os.kill(os.getpid(), _AGAIN)
    os._exit(1)


def _run(streams: Sequence[int], arguments: list[str], cwd: str, environment: dict[str, str], kind: str) -> NoReturn:
    code = 1
    try:
        # All passed file descriptors have higher numbers.
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(len(streams), 1024)
        if len(streams) > _STREAMS:
            _tell_loads(_STREAMS)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        # Modules that have read the server's own environment.
        time.tzset()
        tempfile.tempdir = None
        # ``python -m`` puts the working directory first on the path.
        paths = environment.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [cwd, *filter(None, paths), *(path for path in _PATH if path not in paths)]
        sys.argv = [str(ROOT / "lrdecay_cli/__main__.py"), *arguments]
        sys.orig_argv = [sys.executable, "-m", "lrdecay_cli", *arguments]
        modes: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
        sys.stdin = sys.__stdin__ = open(0, errors=_ERRORS, **modes)  # noqa: SIM115
        sys.stdout = sys.__stdout__ = open(1, "w", errors=_ERRORS, **modes)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", **modes)  # noqa: SIM115
        if kind != EXACT:
            os.execve = _to_be_started_again  # type: ignore[assignment]
        from lrdecay_cli.app.shell.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _preload(sys.argv[2])
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
