"""Commands forked from a process that has imported the stack: a cold start is most of the time of a command.

Each command has a process, streams, environment and working directory of its own, as one that a shell starts has; only
imports are done, and heavy ones deferred as a console command defers them. A second server has deferred none: for
``--exact``, and for the second attempt of a command that fails. Where imports, the interpreter or the entry are the
subject, tests start a cold process.
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
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__, "../../..").resolve()
LONGEST = 300.0
"""Seconds that a command may take."""
_MODULE = "tests.commands.preloaded"
_SERVING, _SERVING_EXACTLY = "serving", "serving exactly"
_LARGEST = 1 << 20
"""Bytes of a request."""
_NOT_BEFORE = ("typer.rich_utils", "lrdecay_cli.training")
"""Modules that read environment variables or register types as they are imported."""
_AGAIN = signal.SIGUSR2
"""How a command ends that would replace itself by the same one without shortcuts."""


def run(
    arguments: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    stdin: str,
    *,
    exact: bool = False,
    meanwhile: Callable[[int], object] = lambda _: None,
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command with its streams in pipes; ``meanwhile`` is given its process id."""
    (theirs_in, into), (out, theirs_out), (err, theirs_err) = (os.pipe() for _ in range(3))
    with ThreadPoolExecutor(3) as threads:
        command = Command(arguments, cwd, environment, (theirs_in, theirs_out, theirs_err), exact=exact)
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
        *,
        exact: bool = False,
    ) -> None:
        """Start it with file descriptors for stdin, stdout and stderr, which are closed here."""
        self._server = _server(exact=exact and _SERVING in sys.argv)
        request = {"arguments": arguments, "cwd": cwd, "environment": {**environment}, "exact": exact}
        # A socket of this kind takes all of a message at once.
        socket.send_fds(self._server, [json.dumps(request).encode()], streams)
        for stream in streams:
            os.close(stream)
        self.pid = int(self._server.recv(_LARGEST))

    def wait(self, seconds: float) -> int:
        """The exit code; negative if a signal ended it. Kills the command when ``seconds`` are over."""
        return os.waitstatus_to_exitcode(self.wait_status(seconds))

    def wait_status(self, seconds: float) -> int:
        """As :func:`os.waitpid` tells it."""
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
def _server(*, exact: bool) -> socket.socket:
    """The socket of one of this process's servers, which is started here and ends with it."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, str(there.fileno()), _SERVING_EXACTLY if exact else _SERVING],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        stdin=subprocess.DEVNULL,
        pass_fds=[there.fileno()],
    )
    there.close()
    atexit.register(process.wait)
    atexit.register(here.close)
    return here


def serve(server: socket.socket, *, exact: bool) -> None:
    """Have a process run each request, one after another, until the other side is gone.

    That is a fork of this process, or one of the exact server, which this one starts when it is needed.
    """
    _preload(exact=exact)
    while True:
        request, streams, _, _ = socket.recv_fds(server, _LARGEST, 3)
        if not request:
            return
        asked = json.loads(request)
        if asked["exact"] and not exact:
            command = Command(**asked, streams=streams)
            server.send(str(command.pid).encode())
            status = command.wait_status(LONGEST)
        else:
            pid = os.fork()
            if pid == 0:
                server.close()
                _run(streams, **asked)
            server.send(str(pid).encode())
            status = os.waitpid(pid, 0)[1]
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == _AGAIN:
                asked |= {"environment": {**asked["environment"], "_LRDECAY_AGAIN": "1"}, "exact": True}
                status = Command(**asked, streams=streams).wait_status(LONGEST)
            else:
                for stream in streams:
                    os.close(stream)
        server.send(str(status).encode())


def _preload(*, exact: bool) -> None:
    """Import what commands that build a config import, as they do."""
    from lrdecay_cli.openmmlab.lazy_imports.stack_imports import defer_slow_imports
    from lrdecay_cli.openmmlab.preloading import preload_stack

    if not exact:
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

    # On however busy a machine: what the first attempt says must not be let out before the second says it again.
    streams.PATIENCE = LONGEST
    preload_stack(["mmdet", "mmpretrain"])
    from mmengine.config import Config

    for package in ("mmdet", "mmpretrain"):
        # No such config; what matters is that all have been looked through.
        with suppress(FileNotFoundError), remembered_zoos(), quiet_stack(verbose=False):
            Config._get_cfg_path(f"{package}::any/any.py", "")
    assert not {*_NOT_BEFORE} & {*sys.modules}


def _to_be_started_again(*_: object) -> NoReturn:
    """In the place of ``os.execve``: the server has the other one run the command."""
    os.kill(os.getpid(), _AGAIN)
    os._exit(1)


def _run(streams: Sequence[int], arguments: list[str], cwd: str, environment: dict[str, str], exact: bool) -> NoReturn:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 1024)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        # What was read of the server's own environment.
        time.tzset()
        tempfile.tempdir = None
        # ``python -m`` begins the path with the working directory.
        sys.path[0] = cwd
        sys.argv = [str(ROOT / "lrdecay_cli/__main__.py"), *arguments]
        sys.orig_argv = [sys.executable, "-m", "lrdecay_cli", *arguments]
        modes: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
        sys.stdin = sys.__stdin__ = open(0, **modes)  # noqa: SIM115
        sys.stdout = sys.__stdout__ = open(1, "w", **modes)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", **modes)  # noqa: SIM115
        if not exact:
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
    serve(socket.socket(fileno=int(sys.argv[1])), exact=_SERVING_EXACTLY in sys.argv)
