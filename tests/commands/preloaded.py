"""Fork commands from a process that has imported torch and mmdet, because a cold start is most of a command's time.

Each command has a process, streams, environment and working directory of its own, as one that a shell starts has; only
imports are done, and slow ones deferred as a console command defers them. There are two more such servers: one that
defers no import, for ``--exact`` and for the retry of a command that fails; and one with the kernels of ``--device
meta``. All processes of a test run share them. Where imports, the interpreter or the entry are the subject, tests
start a cold process.
"""

from __future__ import annotations

import atexit
import gc
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
from fcntl import LOCK_EX, flock
from importlib import import_module
from pathlib import Path
from runpy import run_module
from shutil import rmtree
from typing import Any, NoReturn

ROOT = Path(__file__, "../../..").resolve()
LONGEST = 300.0
"""Seconds that a command may take."""
_MODULE = "tests.commands.preloaded"
_FOLDER = "_TESTS_SERVERS"
"""Environment variable with the folder of the sockets."""
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
    kind: str = QUICK,
) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command with its streams in pipes.

    ``-m`` and a module's name in place of a command run that module. While it runs, ``meanwhile`` is called with its
    process id. The file descriptor ``loads``, which is closed here, gets a byte for each config that mmengine loads.
    """
    (theirs_in, into), (out, theirs_out), (err, theirs_err) = (os.pipe() for _ in range(3))
    with ThreadPoolExecutor(3) as threads:
        streams = (theirs_in, theirs_out, theirs_err, *([] if loads is None else [loads]))
        command = Command(arguments, cwd, environment, streams, kind)
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
        measured: Mapping[str, str] | None = None,
    ) -> None:
        """Have a server of a ``kind`` start it, with file descriptors of stdin, stdout and stderr to be closed here."""
        # A connection for each command: some run at the same time.
        self._server = _connect(kind)
        request = {"arguments": arguments, "cwd": cwd, "environment": {**environment}, "measured": {**(measured or {})}}
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
            self._server.close()


def _connect(kind: str) -> socket.socket:
    """Connect to the server of a ``kind``, which the first process that needs it starts."""
    folder = shared_folder()
    process = QUICK if kind == META else kind
    with (folder / f"{process}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not (folder / process).exists():
            _start(process, folder)
    connection = _socket()
    connection.connect(str(folder / kind))
    return connection


def shared_folder() -> Path:
    """Return the folder of the servers' sockets. The first process makes it; the processes that it starts share it."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="lrdecay-servers-")
        atexit.register(_remove, os.environ[_FOLDER], os.getpid())
    return Path(os.environ[_FOLDER])


def _remove(folder: str, owner: int) -> None:
    # Not in the processes that it forks. The servers end when their folder is gone.
    if os.getpid() == owner:
        rmtree(folder, ignore_errors=True)


def _socket() -> socket.socket:
    # A socket of this kind sends and receives whole messages.
    new = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    return new


def _start(kind: str, folder: Path) -> None:
    """Start the server of a ``kind`` in ``folder`` and wait until it accepts connections."""
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, str(folder), kind],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        stdin=subprocess.DEVNULL,
    )
    while not (folder / kind).exists():
        if process.poll() is not None:
            raise RuntimeError(f"the {kind} server ended with {process.returncode}")
        time.sleep(0.02)
    # It outlives this process if others use it.
    process.returncode = 0


def _listen(folder: Path, kind: str) -> socket.socket:
    listener = _socket()
    # Under its final name only when it accepts connections.
    listener.bind(str(folder / f"{kind}.new"))
    listener.listen()
    (folder / f"{kind}.new").rename(folder / kind)
    return listener


def _accept(listener: socket.socket, folder: Path, kind: str) -> None:
    """Fork a process for each connection until the folder is gone."""
    listener.settimeout(1.0)
    while folder.exists():
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            connection.setblocking(True)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
            with suppress(BrokenPipeError):
                _serve(connection, kind)
            os._exit(0)
        connection.close()


def _serve(client: socket.socket, kind: str) -> None:
    """Fork a process for the command of a connection, or have another server do it, and send its id and its status."""
    request, streams, _, _ = socket.recv_fds(client, _LARGEST, 4)
    if not request:
        return
    asked = json.loads(request)
    better = EXACT if "--exact" in asked["arguments"] else META if "meta" in asked["arguments"] else QUICK
    if kind == QUICK != better:
        command = Command(**asked, streams=streams, kind=better)
        client.send(str(command.pid).encode())
        client.send(str(command.wait_status(LONGEST)).encode())
        return
    pid = os.fork()
    if pid == 0:
        client.close()
        _run(streams, **asked, kind=kind)
    client.send(str(pid).encode())
    status = os.waitpid(pid, 0)[1]
    # This process has the streams open until it ends, for a retry.
    if kind == QUICK and os.WIFSIGNALED(status) and os.WTERMSIG(status) == _AGAIN:
        asked["environment"]["_LRDECAY_AGAIN"] = "1"
        status = Command(**asked, streams=streams, kind=EXACT).wait_status(LONGEST)
    client.send(str(status).encode())


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
    for name in ("rich.progress", "rich.table", "tomllib._parser", "typer._click.decorators"):
        import_module(name)

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


def _measure(file: str) -> None:
    """Measure the coverage of this process, and save it at its end beside ``file``."""
    import coverage

    # Not by pyproject.toml: with source_pkgs, each command would list the files that it does not execute.
    measurement = coverage.Coverage(
        file, data_suffix=True, branch=True, include=[f"{ROOT}/lrdecay_cli/*"], config_file=False
    )
    end = os._exit

    def save_and_end(code: int) -> NoReturn:
        measurement.stop()
        measurement.save()
        end(code)

    os._exit = save_and_end  # type: ignore[assignment]
    measurement.start()


def _run(
    streams: Sequence[int],
    arguments: list[str],
    cwd: str,
    environment: dict[str, str],
    measured: dict[str, str],
    kind: str,
) -> NoReturn:
    code = 1
    try:
        # All passed file descriptors have higher numbers.
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(len(streams), 1024)
        if len(streams) > _STREAMS:
            _tell_loads(_STREAMS)
        if measured:
            _measure(measured["COVERAGE_FILE"])
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
        module = arguments[1] if arguments[:1] == ["-m"] else ""
        modes: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
        sys.stdin = sys.__stdin__ = open(0, errors=_ERRORS, **modes)  # noqa: SIM115
        sys.stdout = sys.__stdout__ = open(1, "w", errors=_ERRORS, **modes)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", **modes)  # noqa: SIM115
        if kind != EXACT:
            os.execve = _to_be_started_again  # type: ignore[assignment]
        if module:
            sys.argv = arguments[1:]
            run_module(module, run_name="__main__", alter_sys=True)
        else:
            from lrdecay_cli.app.shell.main import main

            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _main(folder: Path, kind: str) -> None:
    _preload(kind)
    gc.collect()
    gc.freeze()
    if kind == QUICK:
        meta = _listen(folder, META)
        if os.fork() == 0:
            from lrdecay_cli.openmmlab.lazy_imports.stack_imports import load_meta_kernels

            load_meta_kernels()
            _accept(meta, folder, META)
            os._exit(0)
        meta.close()
    _accept(_listen(folder, kind), folder, kind)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        _main(Path(sys.argv[1]), sys.argv[2])
