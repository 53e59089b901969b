"""Prepare the real packages for every test: lrdecay's own stubs replace compiled kernels that this machine lacks."""

import compileall
import gc
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.commands.preloaded import shared_folder
from tests.golden import Golden

# Compile once, before there are several processes: a file compiled by another process would change a cached result.
if "PYTEST_XDIST_WORKER" not in os.environ:
    for name in ("lrdecay_cli", "tests/cache"):
        compileall.compile_dir(Path(__file__, "../..").resolve() / name, quiet=2)
# The imported packages create a million permanent objects. Garbage collection over them took an eighth of the test time
# of rules.
gc.set_threshold(50_000, 20, 100)
# A shell that starts the tests in the background may ignore Ctrl-C, and every child process inherits this.
signal.signal(signal.SIGINT, signal.default_int_handler)
_ROOM = 4 << 30
"""Bytes."""
# Commands of a test run without the cache; the tests of the cache enable it.
os.environ["LRDECAY_NO_CACHE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole-zoo", action="store_true", help="every config of the zoos, not a sample: minutes")
    parser.addoption("--update-golden", action="store_true", help="write what is found into the golden files")
    parser.addoption("--optimizer-packages", action="store_true", help="measure those of tests/optimizers too")
    parser.addoption("--family", default="", help="build samples of these installed packages too: mmseg,mmpose")
    parser.addoption("--mutations", type=int, default=300, help="damaged files for each command that reads them")
    parser.addoption("--config-mutations", type=int, default=40, help="damaged configs of the zoos")
    parser.addoption("--moments", type=int, default=4, help="at which a command of each kind is interrupted")


def pytest_configure(config: pytest.Config) -> None:
    _use_memory_for_temporary_files()
    # Before the workers start, since they share the servers.
    shared_folder()
    # With -n this process runs no test: the workers wait for it to start them.
    if not config.getoption("numprocesses", default=None) or hasattr(config, "workerinput"):
        _prepare_process()


def _measure_children() -> None:
    """Save the measured coverage of a forked child before it sends its answer: then the parent ends it."""
    from lrdecay_cli.processes import children

    run_in_child = children._run_in_child

    def measured(name: str, work: children.Work, *rest: Any) -> None:
        def save(answer: bytes) -> bytes:
            # A confined child cannot write the file.
            with suppress(Exception):
                if measurement := coverage.Coverage.current():
                    measurement.save()
            return answer

        run_in_child(name, lambda name: save(work(name)), *rest)

    children._run_in_child = measured  # type: ignore[assignment]


def _use_memory_for_temporary_files() -> None:
    """Put temporary files into shared memory if there is room: a third of the tests' time was waiting for the disk."""
    folder = Path("/dev/shm")
    if os.environ.get("TMPDIR") or not os.access(folder, os.W_OK) or not hasattr(os, "ST_NOEXEC"):
        return
    system = os.statvfs(folder)
    if system.f_bavail * system.f_frsize >= _ROOM and not system.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None


def _prepare_process() -> None:
    import hypothesis
    import torch

    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
    from tests.light_runs import lighten_runs
    from tests.unformatted import leave_configs_unformatted

    if coverage.Coverage.current():
        _measure_children()
    install_stubs()
    leave_configs_unformatted()
    lighten_runs()
    # The models are small, and several test processes run in parallel: more threads would only wait for each other.
    # Commands in separate processes keep their default number of threads.
    torch.set_num_threads(1)
    # The time of an example depends on the load of the machine, so no test has a deadline in seconds.
    hypothesis.settings.register_profile("no deadline", hypothesis.settings.default, deadline=None)
    hypothesis.settings.load_profile("no deadline")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return one process more than there are cores: tests wait for other processes a third of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker neighbouring tests, so that a module's fixtures are built once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_collection_finish() -> None:
    """Freeze imported objects: garbage collection skips them, and forked processes do not copy them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def log_files_are_closed() -> Iterator[None]:
    """Close mmengine's loggers, which keep one open log file for every training."""
    yield
    from mmengine.logging import MMLogger

    for logger in MMLogger._instance_dict.values():
        for handler in [each for each in logger.handlers if isinstance(each, logging.FileHandler)]:
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    return Golden(update=pytestconfig.getoption("--update-golden"))
