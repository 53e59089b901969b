"""Build configs with the Python API, in another process that a config may change."""

from __future__ import annotations

import doctest
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import ConvNeXt

import lrdecay_cli
from lrdecay_cli.api import building, checking, comparing, live
from lrdecay_cli.app.requests.sources import Request, group_maps_of
from lrdecay_cli.openmmlab.own_registrations import has_own_registrations
from tests.commands.running import SAMPLES

ROOT = SAMPLES.parent
# A plugin that changes global state of its process.
HOSTILE = """
import logging, os, random, signal, sys, warnings
import numpy, torch
torch.set_default_dtype(torch.float64)
torch.manual_seed(7), random.seed(7), numpy.random.seed(7)
torch.set_grad_enabled(False)
torch.set_num_threads(3)
torch.backends.cudnn.benchmark = True
torch.use_deterministic_algorithms(True)
sys.path.insert(0, '/nowhere')
os.environ['LEFT_BEHIND'] = '1'
os.chdir('/')
logging.getLogger().setLevel(1)
logging.getLogger('mmengine').setLevel(1)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
warnings.simplefilter('error')
sys.stdout.write('printed')
from mmengine.registry import DefaultScope, MODELS
DefaultScope.get_instance('left', scope_name='mmdet')
@MODELS.register_module()
class LeftBehind(torch.nn.Module): pass
"""
STATE: dict[str, Callable[[], Any]] = {
    "default dtype": torch.get_default_dtype,
    "random numbers of torch": lambda: torch.get_rng_state().tolist(),
    "random numbers of Python": random.getstate,
    "random numbers of NumPy": lambda: str(numpy.random.get_state()),
    "gradients": torch.is_grad_enabled,
    "threads of torch": torch.get_num_threads,
    "cudnn": lambda: torch.backends.cudnn.benchmark,
    "deterministic": torch.are_deterministic_algorithms_enabled,
    "search path": lambda: [*sys.path],
    "finders": lambda: [*sys.meta_path],
    "modules": lambda: sorted(name for name in sys.modules if not name.startswith("lrdecay_cli.")),
    "environment": lambda: dict(os.environ),
    "working directory": os.getcwd,
    "logging": lambda: [logging.getLogger(name).level for name in ("", "mmengine", "mmdet")],
    "signals": lambda: [signal.getsignal(each) for each in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM)],
    "warnings": lambda: [*warnings.filters],
    "scope": DefaultScope.get_current_instance,
    "registry": lambda: sorted(MODELS._module_dict),
    "threads": threading.active_count,
    "open files": lambda: len([*Path("/proc/self/fd").iterdir()]),
}


def test_nothing_of_a_config_stays_here(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project / "config.py").read_text()
    (project / "hostile_plugin.py").write_text(HOSTILE)
    (project / "hostile.py").write_text(text + "custom_imports = dict(imports=['hostile_plugin'])")
    monkeypatch.syspath_prepend(project)
    lrdecay_cli.audit("config.py")
    before = {name: state() for name, state in STATE.items()}
    found = lrdecay_cli.audit("hostile.py")
    after = {name: state() for name, state in STATE.items()}
    assert [name for name in STATE if before[name] != after[name]] == []
    assert len(found.groups) == 16
    assert capfd.readouterr() == ("", "")


def test_a_class_of_this_program_is_seen(project: Path) -> None:
    @MODELS.register_module(force=True)
    class OwnConvNeXt(ConvNeXt):  # type: ignore[misc, valid-type]
        pass

    assert has_own_registrations()
    (project / "own.py").write_text(
        (project / "config.py").read_text().replace('type="ConvNeXt"', 'type="OwnConvNeXt"')
    )
    assert lrdecay_cli.audit("own.py").model.backbone == "OwnConvNeXt"


def test_the_map_is_that_of_the_command(project: Path, toy_map: lrdecay_cli.GroupMap) -> None:
    request = Request.of((), "cpu", verbose=False, exact=False, no_cache=True)
    assert group_maps_of(("config.py",), request) == [toy_map]


SCRIPT = """
import subprocess, sys
import lrdecay_cli
options = {"optim_wrapper.optimizer.betas": (0.8, 0.9), "text": "1, 2"}
first = lrdecay_cli.audit("config.py", cfg_options=options)
subprocess.run = None
assert lrdecay_cli.audit("config.py", cfg_options=options) == first
print(first.groups[0].options["betas"], first.config.overrides)
print([name for name in ("torch", "mmengine", "typer") if name in sys.modules])
first.save("fresh.json")
"""


@pytest.mark.slow
def test_in_a_fresh_process(project: Path, toy_map: lrdecay_cli.GroupMap) -> None:
    """Build in a program that defines no classes itself: the second call uses the cache."""
    environment = {**os.environ, "LRDECAY_CACHE_DIR": str(project / "cache"), "PYTHONPATH": str(ROOT)}
    del environment["LRDECAY_NO_CACHE"]
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[0.8, 0.9] {'optim_wrapper.optimizer.betas': [0.8, 0.9], 'text': '1, 2'}",
        "[]",
    ]
    fresh = lrdecay_cli.load("fresh.json")
    assert lrdecay_cli.diff(fresh, toy_map, only=["lr", "weight_decay", "group"]).identical


def test_check_builds_a_config(project: Path) -> None:
    result = lrdecay_cli.check("config.py")
    assert [finding.code for finding in result.findings] == ["LRD309"]
    assert result.findings[0].place
    # A wrong argument is reported before the build.
    with pytest.raises(lrdecay_cli.LrdecayError, match="LRD999"):
        lrdecay_cli.check("nowhere.py", select=["LRD999"])


def test_a_lost_process_is_one_line(project: Path) -> None:
    (project / "dies.py").write_text("left = __import__('os')._exit(3)")
    problem = r"^dies\.py: the process that builds the config ended without a result: "
    with pytest.raises(lrdecay_cli.LrdecayError, match=problem):
        lrdecay_cli.audit("dies.py")


@pytest.mark.parametrize("module", [building, checking, comparing, live], ids=lambda module: module.__name__)
def test_examples_of_docstrings(module: Any, project: Path) -> None:
    names = {name: getattr(lrdecay_cli, name) for name in lrdecay_cli.__all__}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs=names) if test.examples]
    assert found
    output: list[str] = []
    for test in found:
        runner.run(test, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)
