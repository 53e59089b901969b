"""``diff --stacks`` end to end: two real environments with two versions of a package, and two scans."""

from __future__ import annotations

import csv
import json
import os
import sys
import venv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import mmengine
import numpy
import pytest
import torch
from jsonschema import Draft202012Validator

from tests.commands.running import Result, lrdecay_here, measured

# Left out of an environment: lrdecay and msgspec, which it must not need; other packages take long to import.
_LEFT_OUT = ("lrdecay", "msgspec", "mmdet", "mmpretrain", "__editable__", "__pycache__")
PACKAGE = """
__version__ = "{number}"
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from torch import nn, optim


class Plain(BaseModel):
    def __init__(self, width=2, note=""):
        super().__init__()
        self.neck = nn.Linear(width, 2)

    def forward(self, inputs):
        return self.neck(inputs)


class Growing(Plain):
    def __init__(self, width=2):
        super().__init__(width)
        self.head = nn.Linear(2, {head})


class Tiny(optim.SGD):
    def __init__(self, params, lr=1e-3, momentum={momentum}):
        super().__init__(params, lr=lr, momentum=momentum)


class Scaling(DefaultOptimWrapperConstructor):
    def __call__(self, model):
        (weight, bias) = model.parameters()
        lr = self.optimizer_cfg["lr"]
        return OptimWrapper(optim.SGD([dict(params=[weight], lr=lr), dict(params=[bias], lr=lr * {scale})]))


for model in (Plain, Growing, {models}):
    MODELS.register_module(module=model)
OPTIMIZERS.register_module(module=Tiny)
OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=Scaling)
"""
VERSIONS = [
    dict(head=4, momentum=0.0, scale=0.5, models="type('Leaving', (Plain,), {})"),
    dict(head=8, momentum=0.9, scale=0.25, models="type('Arriving', (Plain,), {})"),
]
DISTRIBUTIONS = ["tinyzoo 1.0", "living-tinyzoo 2.0"]


def config(model: str, optimizer: str = "type='SGD', lr=0.1", rest: str = "") -> str:
    return f"""custom_imports = dict(imports=["tinyzoo"])
model = dict({model})
optim_wrapper = dict(optimizer=dict({optimizer}))
{rest}
"""


WRAPPER = "optim_wrapper['constructor'] = 'Scaling'"
# The config's text in each environment; None where the environment has no such config.
CONFIGS: dict[str, tuple[str | None, str | None]] = {
    "same": (config("type='Plain'"), config("type='Plain'")),
    "option": (config("type='Plain', note='a'"), config("type='Plain', note='b'", "type='SGD', lr=0.2")),
    "width": (config("type='Plain'"), config("type='Plain', width=3", rest="param_scheduler = []")),
    "growing": (config("type='Growing'"), config("type='Growing'")),
    "growing_too": (config("type='Growing'"), config("type='Growing'")),
    "noted": (config("type='Growing'"), config("type='Growing'", rest="default_scope = 'mmengine'")),
    "both": (config("type='Growing'"), config("type='Growing'", "type='SGD', lr=0.2")),
    "constructor": (config("type='Plain'", rest=WRAPPER), config("type='Plain'", rest=WRAPPER)),
    "optimizer": (config("type='Plain'", "type='Tiny'"), config("type='Plain'", "type='Tiny'")),
    "leaving": (config("type='Leaving'"), config("type='Leaving'")),
    "arriving": (config("type='Arriving'"), config("type='Arriving'")),
    "never": (config("type='Nowhere'"), config("type='Nowhere'")),
    "schedule": (
        config("type='Plain'", rest="param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11])]"),
        config("type='Plain'", rest="param_scheduler = [dict(type='MultiStepLR', milestones=[8, 12])]"),
    ),
    "gone": (config("type='Plain'"), None),
    "new": (None, config("type='Plain'")),
}
HEAD = [("model", "head.weight", "shape", [4, 2], [8, 2]), ("model", "head.bias", "shape", [4], [8])]
LR = ("config", "optim_wrapper.optimizer.lr", "", 0.1, 0.2)
CAUSES: dict[str, list[tuple[Any, ...]]] = {
    "option": [LR],
    "width": [("config", "model.width", "", None, 3)],
    "growing": HEAD,
    "growing_too": HEAD,
    "noted": HEAD,
    "both": [LR, *HEAD],
    "constructor": [
        ("constructor", "Scaling: lr_scale", "lr_scale", 0.5, 0.25),
        ("constructor", "Scaling: lr", "lr", 0.05, 0.025),
    ],
    "optimizer": [("optimizer", "momentum", "", 0.0, 0.9)],
}


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two virtual environments with all packages but mmdet and mmpretrain, each with its own version of a package."""
    root = tmp_path_factory.mktemp("environments")
    stack = root / "stack"
    stack.mkdir()
    for site in {Path(str(module.__file__)).parents[1] for module in (torch, mmengine, numpy)}:
        for entry in site.iterdir():
            if not entry.name.lower().startswith(_LEFT_OUT) and entry.suffix != ".pth":
                (stack / entry.name).symlink_to(entry)
    made = []
    for index, (version, distribution) in enumerate(zip(VERSIONS, DISTRIBUTIONS, strict=True)):
        folder = root / f"environment {index}"
        venv.create(folder, with_pip=False, symlinks=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "stack.pth").write_text(
            f"{stack}\n" + ("import coverage; coverage.process_startup()\n" if measured() else "")
        )
        zoo = site / "tinyzoo/.mim/configs"
        zoo.mkdir(parents=True)
        name, _, number = distribution.partition(" ")
        text = PACKAGE.replace("{number}", number)
        for place, value in version.items():
            text = text.replace(f"{{{place}}}", str(value))
        (site / "tinyzoo/__init__.py").write_text(text)
        record = site / f"{name.replace('-', '_')}-{number}.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        (record / "RECORD").write_text("tinyzoo/__init__.py,,\n")
        for config_name, texts in CONFIGS.items():
            if (of_version := texts[index]) is not None:
                (zoo / f"{config_name}.py").write_text(of_version)
        made.append(folder)
    # Another lrdecay, which must not run.
    other = next(made[0].glob("lib/python*/site-packages")) / "lrdecay_cli"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('the wrong lrdecay')\n")
    return made


def files(folder: Path) -> Iterator[tuple[str, int]]:
    for place, _, names in os.walk(folder):
        yield from ((name, Path(place, name).lstat().st_mtime_ns) for name in (place, *names))


@pytest.fixture(scope="module")
def reports(environments: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Compare both in every format, and check that the comparison leaves no files."""
    out = tmp_path_factory.mktemp("reports")
    before = [set(files(folder)) for folder in environments]
    outputs = [f"--output={name}={out}/{name}" for name in ("json", "csv", "markdown", "rich", "html")]
    first, second = environments
    with pytest.MonkeyPatch.context() as patch:
        for name, value in measured().items():
            patch.setenv(name, value)
        result = lrdecay_here("diff", "--stacks", first, second / "bin/python", "tinyzoo::", *outputs, cwd=out)
    assert [set(files(folder)) for folder in environments] == before
    return result, out


@pytest.mark.slow
def test_every_difference_has_its_causes(reports: tuple[Result, Path], environments: list[Path]) -> None:
    result, out = reports
    assert (result.code, result.err) == (1, "")
    document = json.loads((out / "json").read_text())
    Draft202012Validator(json.loads(lrdecay_here("schema", "diff-stacks").out)).validate(document)
    causes = {
        each["config"].removeprefix("tinyzoo::").removesuffix(".py"): [
            (cause["kind"], cause["name"], cause["aspect"], cause["before"], cause["after"])
            for cause in group["causes"]
        ]
        for group in document["groups"]
        for each in group["configs"]
    }
    built = {name: causes.pop(name) for name in ("leaving", "arriving")}
    assert causes == CAUSES
    assert all(cause["proven"] for group in document["groups"] for cause in group["causes"])
    assert built["leaving"][0][3:] == ("ok", "error: unknown model 'Leaving'") or "Leaving" in built["leaving"][0][4]
    assert built["arriving"][0][4] == "ok"
    assert [document["only_before"], document["only_after"]] == [["tinyzoo::gone.py"], ["tinyzoo::new.py"]]
    assert [each["config"] for each in document["unbuilt"]] == ["tinyzoo::never.py"]
    (others,) = [group for group in document["other_options"] if group["configs"] == ["tinyzoo::schedule.py"]]
    assert [(each["name"], each["before"], each["after"]) for each in others["options"]] == [
        ("param_scheduler[0].milestones", [8, 11], [8, 12])
    ]
    (package,) = document["packages"]
    assert package["package"] == "tinyzoo"
    assert [f"{package[side]['name']} {package[side]['version']}" for side in ("before", "after")] == DISTRIBUTIONS


@pytest.mark.slow
def test_equal_causes_are_one_entry_in_every_format(reports: tuple[Result, Path]) -> None:
    result, out = reports
    folded = "head.weight shape 4×2 → 8×2; head.bias shape 4 → 8"
    assert f"  warning: 3 configs: {folded}\n      tinyzoo::growing.py\n      tinyzoo::growing_too.py\n" in result.out
    assert "\nGroups differ by options of the config\n" in result.out
    assert "changes  2 of 2 tensors (lr 2)\n" in result.out
    summary = "different: 8 of 10 configs have different groups, 2 have a map in only one environment, 1 only before, "
    assert result.out.splitlines()[-1] == f"{summary}1 only after, 1 without a map in either environment"
    for name in ("markdown", "html"):
        assert all(word in (out / name).read_text() for word in ("3 configs", "tinyzoo::growing_too.py")), name
    rows = list(csv.DictReader(StringIO((out / "csv").read_text())))
    assert {row["config"] for row in rows if row["cause"] == "model"} == {
        f"tinyzoo::{name}.py" for name in ("growing", "growing_too", "noted", "both")
    }


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders with scans of configs with the same names, and their maps."""
    root = tmp_path_factory.mktemp("scans")
    text = (
        "model = dict(type='ToyModel')\noptim_wrapper = dict(optimizer=dict(type='SGD', lr={lr}, momentum={momentum}))"
    )
    toy = (
        "from mmengine.registry import MODELS\nfrom mmengine.testing.runner_test_case import ToyModel\n"
        "MODELS.register_module(module=ToyModel, force=True)\n"
    )
    for name, lr, momentum in (("a", 0.1, 0.9), ("b", 0.2, 0.9)):
        (root / name).mkdir()
        (root / name / "toys.py").write_text(toy)
        for config_name, of_it in (("same", 0.1), ("other", lr)):
            start = 'custom_imports = dict(imports=["toys"])\n'
            (root / name / f"{config_name}.py").write_text(start + text.format(lr=of_it, momentum=momentum))
        done = lrdecay_here(
            *("scan", "same.py", "other.py", "--maps", f"../maps-{name}", "--output", f"json=../{name}.json"),
            cwd=root / name,
        )
        assert done.code == 0, done.err + done.out
    return root


@pytest.mark.parametrize("kind", ["{}.json", "maps-{}"])
def test_scans_and_maps_are_compared_without_torch(scans: Path, kind: str) -> None:
    sides = [kind.format(name) for name in "ab"]
    result = lrdecay_here("diff", "--stacks", *sides, "--format", "json", cwd=scans)
    assert (result.code, result.err) == (1, "")
    (group,) = json.loads(result.out)["groups"]
    assert [each["config"] for each in group["configs"]] == ["other.py"]
    causes = {(cause["kind"], cause["name"], cause["before"], cause["after"]) for cause in group["causes"]}
    if kind == "maps-{}":
        assert causes == {("config", "optim_wrapper.optimizer.lr", 0.1, 0.2)}
    else:
        assert ("unknown", "lr_max", 0.1, 0.2) in causes
    assert lrdecay_here("diff", "--stacks", sides[0], sides[0], cwd=scans).code == 0
    # Numbers of a scan's record may be equal although the groups differ.
    mixed = lrdecay_here("diff", "--stacks", "a.json", "maps-b", cwd=scans)
    assert mixed.out.splitlines()[-1] == "different: 1 of 2 configs has different groups"


def test_a_digest_detects_more_than_the_record_s_numbers(scans: Path) -> None:
    scan = json.loads((scans / "a.json").read_text())
    for record in scan["records"]:
        record["digest"] = "0" * 64
    (scans / "edited.json").write_text(json.dumps(scan))
    result = lrdecay_here("diff", "--stacks", "a.json", "edited.json", cwd=scans)
    assert result.out.splitlines()[-1] == "different: 2 of 2 configs have different groups"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere", "a.json"],
            "nowhere: this path is no environment, no scan and no folder of maps; give a virtual environment (",
        ),
        (
            ["project", "a.json"],
            f"project: this path is no environment, no scan and no folder of maps; did you mean project{os.sep}.venv?",
        ),
        (
            ["project/.venv", "a.json"],
            "--stacks: there are no configs to build; give configs, for example the folder configs/ or a zoo (mmdet::)",
        ),
        (["a.json", "b.json", "mmdet::"], "mmdet:: --stacks names no environment that could build configs"),
        (
            ["a.json", "b.json", "--rtol", "1e-3"],
            "--rtol: this option needs group maps, and the JSON of a scan contains none",
        ),
        (
            ["a.json", "b.json", "--config", "a.py"],
            "--config: cannot be combined with --stacks, which compares no checkpoints",
        ),
        (
            ["project/.venv", "a.json", "mmdet::"],
            "project/.venv: a config needs torch and mmengine, which are not installed; name an environment",
        ),
        (["false", "a.json", "mmdet::"], "false: lrdecay cannot run in this environment: exit code 1; try "),
        (["a.json", "maps-a/same.json"], "maps-a/same.json: the file is not a scan: object contains unknown field"),
    ],
)
def test_a_failed_comparison_is_one_line(scans: Path, arguments: list[str], message: str) -> None:
    if not (scans / "project").exists():
        venv.create(scans / "project/.venv", with_pip=False, symlinks=True)
        (scans / "false").write_text("#!/bin/sh\nexit 1\n")
        (scans / "false").chmod(0o755)
    result = lrdecay_here("diff", "--stacks", *arguments, cwd=scans)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"lrdecay: {message}")
    assert result.err.count("\n") == 1


def test_options_of_stacks_are_refused_without_stacks(scans: Path) -> None:
    sides = ("maps-a/same.json", "maps-b/same.json")
    assert (
        "mmdet:: diff compares two sources, and this is a third one"
        in lrdecay_here("diff", *sides, "mmdet::", cwd=scans).err
    )
    assert "--jobs: needs --stacks" in lrdecay_here("diff", *sides, "--jobs", "2", cwd=scans).err


def test_a_python_that_cannot_load_lrdecays_packages_is_one_line(scans: Path, tmp_path: Path) -> None:
    """A Python of another version, for which the compiled part of msgspec does not exist."""
    from lrdecay_cli.scanning.start_elsewhere import __file__ as start

    (tmp_path / "msgspec").mkdir()
    (tmp_path / "msgspec/__init__.py").write_text("from . import _core")
    import subprocess

    done = subprocess.run(
        [sys.executable, "-S", str(start), str(Path(start).parents[2]), "msgspec", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    result = json.loads(done.stdout[8:])
    assert result["problem"].startswith("lrdecay's own msgspec cannot be imported by Python 3.")
    assert result["fix"] == f"{sys.executable} -m pip install msgspec packaging"
