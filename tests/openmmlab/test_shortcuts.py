"""Shortcuts change nothing: over the zoo, what is answered with them is what is answered without any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_errors import CONFIGS as BROKEN
from tests.openmmlab.zoo_answers import ROOT, answers, zoo

# --whole-zoo takes them all, and most of an hour.
STEP = 71


def test_quick_answers_are_the_exact_ones(request: pytest.FixtureRequest) -> None:
    configs = zoo()
    sample = configs if request.config.getoption("--whole-zoo") else configs[::STEP]
    quick, exact = dict(answers("quick", sample)), dict(answers("exact", sample))
    assert sorted(quick) == sorted(exact) == sorted(sample)
    # One that fails is run again without shortcuts; that must be the exception.
    answered = [config for config in sample if "error" not in quick[config]]
    assert [config for config in answered if quick[config] != exact[config]] == []
    possible = [config for config in sample if "error" not in exact[config]]
    assert len(answered) >= 0.95 * len(possible)
    assert len(possible) >= 0.7 * len(sample)


def test_errors_are_the_same(tmp_path: Path) -> None:
    """Even without a second attempt."""
    configs = []
    for name, (text, _) in BROKEN.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        (folder / "config.py").write_text(text)
        (folder / "broken.py").write_text("a = 1\nb = = 2\n")
        configs.append(str(folder / "config.py"))
    quick, exact = dict(answers("quick", configs)), dict(answers("exact", configs))
    assert len(quick) == len(BROKEN)
    assert all("error" in answer for answer in quick.values())
    assert quick == exact


# Tells which names registries only get from modules that are put off, and which of them mean something else till then.
REGISTERED_LATE = """
import gc, json, os, sys
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import execute, is_deferred
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import DEFERRED, defer_heavy_imports
from lrdecay_cli.openmmlab.stubs.kernels import install_stubs
install_stubs()
defer_heavy_imports()
import mmengine.runner, mmdet.models, mmpretrain.models
from mmengine.registry import Registry

def registered():
    return {id(one): (one, set(one.module_dict)) for one in gc.get_objects() if isinstance(one, Registry)}

before = registered()
for name in DEFERRED:
    if name.startswith("mm") and is_deferred(name):
        execute(sys.modules[name])
late, otherwise = set(), set()
for registry, names in registered().values():
    new = names - before.get(id(registry), (None, set()))[1]
    late.update(new)
    parent = registry.parent
    while parent is not None:
        otherwise.update((registry.name, name) for name in new & before[id(parent)][1])
        parent = parent.parent
print(json.dumps([sorted(late), sorted({kind for kind, _ in otherwise})]), file=sys.stderr)
os._exit(0)
"""


def test_what_registries_lack_for_now_is_nothing_else() -> None:
    """A config that names it fails then, and is run again; it never gets another class of the same name."""
    done = subprocess.run([sys.executable, "-c", REGISTERED_LATE], cwd=ROOT, capture_output=True, text=True, check=True)
    late, otherwise = json.loads(done.stderr.splitlines()[-1])
    assert {"FSDPStrategy", "MMFullyShardedDataParallel"} <= {*late}
    # Transforms of mmpretrain come with its language models; no model is built from a registry of transforms.
    assert {*otherwise} <= {"transform"}
