"""Build configs in a server process if fork is impossible: on Windows, and in the threads of a Dask worker.

The server (:func:`main`) reads one config name per line from stdin. For each config it writes an :class:`Outcome` to
stdout, as a line of JSON.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.preloading import preload_stack
from lrdecay_cli.processes.building import build, in_forks, needed_packages
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec, outcome_of

_here = threading.local()
# ``-m`` would put the working directory first on sys.path, where a project's folder may hide an installed package.
# lrdecay itself may come from a clone, which comes last.
_START = (
    f"import sys; sys.path[:] = [*filter(None, sys.path), {str(Path(__file__).parents[2])!r}]; "
    "from lrdecay_cli.processes.servers import main; main()"
)


def on_dask(options: BuildSpec, address: str, configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
    """Build configs on the workers of the Dask cluster at ``address``. If a worker dies, another worker takes over."""
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        fix = 'pip install "lrdecay-cli[dask]"'
        raise LrdecayError("--dask needs the package 'distributed', which is not installed", fix=fix) from error
    try:
        if address.startswith(("tcp://", "tls://")):
            # Dask retries for ten seconds if there is no scheduler.
            socket.create_connection(get_address_host_port(address), timeout=10).close()
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LrdecayError(f"no Dask scheduler answers ({reason})", where=address, fix="check the address") from error
    here = msgspec.structs.replace(options, folder=str(Path.cwd()))
    with client:
        yield from submitted(client.get_executor(retries=3, pure=False), here, configs)


def submitted(executor: Executor, options: BuildSpec, configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
    """Build configs with an executor of :mod:`concurrent.futures`. Yield each outcome when its build ends."""
    futures = {executor.submit(build_beside, config, options): config for config in configs}
    try:
        for future in as_completed(futures):
            try:
                yield outcome_of(future.result(), finite=options.finite)
            except Exception as error:  # noqa: PERF203
                yield BuildOutcome(futures[future], lost="crashed", reason=f"{type(error).__name__}: {error}")
    finally:
        for future in futures:
            future.cancel()


def build_beside(config: str, options: BuildSpec) -> Outcome:
    """Build one config in a server process. Each thread starts its own server for the first config and reuses it."""
    server: _Server | None = getattr(_here, "server", None)
    if server is None or server.options != options or server.process.poll() is not None:
        _here.server = server = _Server(options)
    return server.ask(config)


class _Server:
    def __init__(self, options: BuildSpec) -> None:
        self.options = options
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, msgspec.json.encode(options).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if options.verbose else subprocess.DEVNULL,
        )

    def ask(self, config: str) -> Outcome:
        """Send one config to the server and return the outcome."""
        process, started = self.process, time.monotonic()
        assert process.stdin
        assert process.stdout
        # A server that cannot fork does not enforce the time limit itself; loading the stack is not counted.
        limit = math.inf if self.options.timeout is None else self.options.timeout + 60
        watchdog = threading.Timer(min(limit, threading.TIMEOUT_MAX), process.kill)
        try:
            watchdog.start()
            process.stdin.write(msgspec.json.encode(config) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if line:
            return msgspec.json.decode(line, type=Outcome)
        seconds = time.monotonic() - started
        if seconds >= limit:
            return Outcome(config, b"", "timeout", f"not done after {self.options.timeout:g} s", seconds)
        problem = f"the process that builds the config ended with exit code {process.wait()}"
        return Outcome(config, b"", "crashed", problem, seconds)


def main() -> None:
    """Run the server: build configs until stdin ends. If the system cannot fork, the server ends after one config."""
    options = msgspec.json.decode(sys.argv[1], type=BuildSpec)
    preload_stack(needed_packages(()))
    answers = os.fdopen(os.dup(1), "wb")
    # Other output must not mix with the answers.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        config, started = msgspec.json.decode(line, type=str), time.monotonic()
        if forks := hasattr(os, "fork"):
            outcome = next(in_forks([config], options, jobs=1))
        else:
            answer = build(config, options).encoded(finite=options.finite)
            outcome = Outcome(config, answer, seconds=time.monotonic() - started)
        answers.write(msgspec.json.encode(outcome) + b"\n")
        answers.flush()
        if not forks:
            return
