"""Shortcuts change nothing: over the zoo, results with them equal results without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.preloaded import EXACT, QUICK
from tests.commands.running import ROOT
from tests.commands.test_errors import CONFIGS as BROKEN
from tests.openmmlab.zoo_answers import answers, zoo

# --whole-zoo builds all configs in almost an hour. The models of this sample are initialised in a second or two each.
FIRST, STEP = 24, 71


@pytest.mark.slow
def test_quick_answers_and_errors_are_the_exact_ones(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Errors that need no retry. One test for both modes, so that each mode imports once."""
    configs = zoo()
    sample = configs if request.config.getoption("--whole-zoo") else configs[FIRST::STEP]
    broken = broken_configs(tmp_path)
    quick, exact = dict(answers(QUICK, [*sample, *broken])), dict(answers(EXACT, [*sample, *broken]))
    assert sorted(quick) == sorted(exact) == sorted([*sample, *broken])
    # A config that fails is built again without shortcuts; this must be the exception.
    answered = [config for config in sample if "error" not in quick[config]]
    assert [config for config in answered if quick[config] != exact[config]] == []
    possible = [config for config in sample if "error" not in exact[config]]
    assert len(answered) >= 0.95 * len(possible)
    assert len(possible) >= 0.7 * len(sample)

    assert len(broken) == len(BROKEN)
    assert all("error" in quick[config] for config in broken)
    assert [config for config in broken if quick[config] != exact[config]] == []


def broken_configs(tmp_path: Path) -> list[str]:
    configs = []
    for name, (text, _) in BROKEN.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        (folder / "config.py").write_text(text)
        (folder / "broken.py").write_text("a = 1\nb = = 2\n")
        configs.append(str(folder / "config.py"))
    return configs


# Finds names that registries only get from deferred modules, and names that mean something else before that.
REGISTERED_LATE = """
import gc, json, os, sys
gc.disable()
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import execute, is_deferred
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import DEFERRED, defer_slow_imports
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
LATE = "mmdet.datasets", "mmdet.evaluation.metrics", "mmcv.transforms"
LOOKED_UP = {"ConcatDataset": "DATASETS", "CocoMetric": "METRICS", "LoadImageFromFile": "TRANSFORMS"}
install_stubs()
defer_slow_imports()
import mmengine.runner, mmdet.models, mmpretrain.models
from lrdecay_cli.openmmlab.lazy_imports.late_types import look_up_late_types
from mmengine.registry import Registry

def registered():
    return {id(each): (each, set(each.module_dict)) for each in gc.get_objects() if issubclass(type(each), Registry)}

before = registered()
look_up_late_types()
executed = [name for name in LATE if name in sys.modules and not is_deferred(name)]
import mmdet.registry as kinds
looked_up = {name: getattr(kinds, kind).get(name).__module__ for name, kind in LOOKED_UP.items()}
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
print(json.dumps([sorted(late), sorted({kind for kind, _ in otherwise}), executed, looked_up]), file=sys.stderr)
os._exit(0)
"""


@pytest.mark.slow
def test_names_missing_from_registries_resolve_to_no_other_class() -> None:
    """A config that uses the name fails then, and is built again; it never gets another class with the same name."""
    done = subprocess.run([sys.executable, "-c", REGISTERED_LATE], cwd=ROOT, capture_output=True, text=True, check=True)
    late, otherwise, executed, looked_up = json.loads(done.stderr.splitlines()[-1])
    assert {"FSDPStrategy", "MMFullyShardedDataParallel"} <= {*late}
    # No model is built from a registry of datasets or transforms. A lookup of one of these registers it; only
    # transforms of mmpretrain come with its language models.
    assert {*otherwise} <= {"dataset", "transform"}
    assert executed == []
    assert looked_up == {
        "ConcatDataset": "mmdet.datasets.dataset_wrappers",
        "CocoMetric": "mmdet.evaluation.metrics.coco_metric",
        "LoadImageFromFile": "mmcv.transforms.loading",
    }
