"""Building in a process beside this one, where this one cannot be forked: on Windows, and in a Dask worker's threads.

A server, which :func:`main` is, reads names of configs from stdin, a line each, and answers each with
an :class:`Outcome` as a line of JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.isolation import Confinement, confine, confinement_for
from lrdecay_cli.processes.building import Built, build, preload
from lrdecay_cli.processes.children import Outcome, in_children

_here = threading.local()
# Not ``-m``: that would put the working directory before the installed packages, where a project's folder may hide one.
# lrdecay itself may come from a clone, which is found behind them.
_START = (
    f"import sys; sys.path[:] = [*filter(None, sys.path), {str(Path(__file__).parents[2])!r}]; "
    "from lrdecay_cli.scanning.servers import main; main()"
)


class BuildOptions(msgspec.Struct, frozen=True):
    """Everything about a build but the config."""

    cfg_options: tuple[str, ...] = ()
    device: str = "cpu"
    timeout: float | None = None
    """Seconds; None for no limit."""
    memory: int | None = None
    """Bytes by which a build may grow; None for no limit."""
    verbose: bool = False
    folder: str = ""
    """Where relative paths start and modules are found; empty for the working directory."""
    scratch: str = ""
    """The one folder that a child may write to, confined before it looks at the config; empty for no bounds."""

    def work(self, config: str) -> bytes:
        """Build one config: a :class:`lrdecay_cli.processes.building.Built` in JSON."""
        try:
            os.chdir(self.folder or ".")
        except OSError as error:
            said = f"the worker cannot enter {self.folder} ({error.strerror}); workers need the files at the same place"
            return msgspec.json.encode(Built(ScanRecord(config=config, status="error", problem=said)))
        if self.scratch:
            confine(confinement_for(config, self.scratch))
        return msgspec.json.encode(build(config, self.cfg_options, self.device, self.verbose))

    def probe(self, _: str) -> bytes:
        """Confine this process, and tell in JSON what is enforced and what is not."""
        measures = confine(Confinement(self.scratch, ()))
        return msgspec.json.encode(([str(m) for m in measures if m.by], [str(m) for m in measures if not m.by]))

    def in_children(self, configs: Sequence[str], jobs: int) -> Generator[Outcome, None, None]:
        """Build configs in forked children of this process."""
        return in_children(
            configs, self.work, jobs=jobs, timeout=self.timeout, memory=self.memory, verbose=self.verbose
        )


def forked(options: BuildOptions, jobs: int, configs: Sequence[str]) -> Generator[Outcome, None, None]:
    """Build in children of this process, ``jobs`` at a time; in processes beside it where there is no fork."""
    if not configs:
        return
    if hasattr(os, "fork"):
        preload(configs)
        yield from options.in_children(configs, jobs)
        return
    with ThreadPoolExecutor(jobs) as executor:
        yield from submitted(executor, options, configs)


def on_dask(options: BuildOptions, address: str, configs: Sequence[str]) -> Generator[Outcome, None, None]:
    """Build on the workers of the Dask cluster at ``address``. Work of a worker that dies is done by another."""
    try:
        from distributed import Client
    except ImportError as error:
        remedy = 'pip install "lrdecay-cli[dask]"'
        raise LrdecayError("--dask needs distributed, not installed here", remedy=remedy) from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise LrdecayError(f"no Dask scheduler answers ({said})", where=address, remedy="check the address") from error
    here = msgspec.structs.replace(options, folder=str(Path.cwd()))
    with client:
        yield from submitted(client.get_executor(retries=3, pure=False), here, configs)


def submitted(executor: Executor, options: BuildOptions, configs: Sequence[str]) -> Generator[Outcome, None, None]:
    """Build through any executor of the :mod:`concurrent.futures` kind."""
    futures = {executor.submit(build_beside, config, options): config for config in configs}
    try:
        for future in as_completed(futures):
            try:
                yield future.result()
            except Exception as error:  # noqa: PERF203
                yield Outcome(futures[future], b"", "crashed", f"{type(error).__name__}: {error}")
    finally:
        for future in futures:
            future.cancel()


def build_beside(config: str, options: BuildOptions) -> Outcome:
    """Build one config in the process beside this thread, which is started for the first and kept for the next."""
    server: _Server | None = getattr(_here, "server", None)
    if server is None or not server.serves(options):
        _here.server = server = _Server(options)
    return server.ask(config)


class _Server:
    def __init__(self, options: BuildOptions) -> None:
        self._options = options
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, msgspec.json.encode(options).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if options.verbose else subprocess.DEVNULL,
        )

    def serves(self, options: BuildOptions) -> bool:
        """Whether it can still be asked, and builds with these options."""
        return options == self._options and self._process.poll() is None

    def ask(self, config: str) -> Outcome:
        """Have one config built."""
        process, started = self._process, time.monotonic()
        assert process.stdin
        assert process.stdout
        # Only where the server cannot fork does it not see to the time itself; loading the stack is not counted.
        limit = None if self._options.timeout is None else self._options.timeout + 60
        watchdog = threading.Timer(limit, process.kill) if limit is not None else None
        try:
            if watchdog:
                watchdog.start()
            process.stdin.write(msgspec.json.encode(config) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            if watchdog:
                watchdog.cancel()
        if line:
            return msgspec.json.decode(line, type=Outcome)
        seconds = time.monotonic() - started
        if limit is not None and seconds >= limit:
            return Outcome(config, b"", "timeout", f"not done after {self._options.timeout:g} s", seconds)
        return Outcome(config, b"", "crashed", f"its process ended with exit code {process.wait()}", seconds)


def _serve(options: BuildOptions, build_one: Callable[[str], Outcome]) -> None:
    answers = os.fdopen(os.dup(1), "wb")
    # What is printed by anybody else must not get between the answers.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        answers.write(msgspec.json.encode(build_one(msgspec.json.decode(line, type=str))) + b"\n")
        answers.flush()
        if not hasattr(os, "fork"):
            return


def main() -> None:
    """Serve until stdin ends; where there is no fork, one config."""
    options = msgspec.json.decode(sys.argv[1], type=BuildOptions)
    preload(())

    def build_one(config: str) -> Outcome:
        if hasattr(os, "fork"):
            return next(options.in_children([config], 1))
        started = time.monotonic()
        return Outcome(config, options.work(config), seconds=time.monotonic() - started)

    _serve(options, build_one)
