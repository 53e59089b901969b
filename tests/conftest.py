"""The real stack for every test: compiled kernels that this machine lacks are stood in for, as lrdecay itself does."""

import compileall
import gc
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden import Golden

# Once, before there are several processes: what one compiles while another keeps an answer would change that answer.
if "PYTEST_XDIST_WORKER" not in os.environ:
    for name in ("lrdecay_cli", "tests/cache"):
        compileall.compile_dir(Path(__file__, "../..").resolve() / name, quiet=2)
# The stack is a million objects that stay. Looking for garbage among them took an eighth of the time of tests of rules.
gc.set_threshold(50_000, 20, 100)
# Whoever starts the tests in the background may have them ignore Ctrl-C, and every process they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Every command of a test does the real work; the tests of the cache switch it on for themselves.
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
    # With -n this process runs no test: the others wait for it to start them.
    if not config.getoption("numprocesses", default=None) or hasattr(config, "workerinput"):
        _prepare_process()


def _prepare_process() -> None:
    import hypothesis
    import torch

    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
    from tests.light_runs import lighten_runs
    from tests.unformatted import leave_configs_unformatted

    install_stubs()
    leave_configs_unformatted()
    lighten_runs()
    # The models are small, and several processes of tests run side by side: threads would only wait for each other,
    # busily. Commands in processes of their own have as many as ever.
    torch.set_num_threads(1)
    # How long an example takes depends on what else the machine does: no test is about seconds.
    hypothesis.settings.register_profile("no deadline", hypothesis.settings.default, deadline=None)
    hypothesis.settings.load_profile("no deadline")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process neighbouring tests in place of every second few: what a module builds is built once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_collection_finish() -> None:
    """What was imported to collect the tests stays: it is not looked at again, nor copied in processes that fork."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def log_files_are_closed() -> Iterator[None]:
    """mmengine's loggers keep the log of every training open: a hundred files after as many trainings."""
    yield
    from mmengine.logging import MMLogger

    for logger in MMLogger._instance_dict.values():
        for handler in [each for each in logger.handlers if isinstance(each, logging.FileHandler)]:
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    return Golden(update=pytestconfig.getoption("--update-golden"))
