"""The wheel, installed without extras into an empty environment: it checks maps without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from lrdecay_cli import __version__
from tests.checking.maps import decay_map, write

ROOT = Path(__file__, "../../..").resolve()
Run = Callable[..., "subprocess.CompletedProcess[str]"]
# Command, exit code, and expected output.
JUDGED = {
    "check right.json --select LRD301": (0, "no findings in 1 config"),
    "check wrong.json --select LRD301": (1, "LRD301 scale-above-one"),
    "diff right.json right.json": (0, "same: 6 tensors"),
    "diff right.json wrong.json": (1, "different: 3 of 6 tensors"),
    "explain right.json backbone.*": (0, "layer"),
    "rule LRD301": (0, "scale-above-one"),
    "schema": (0, "$schema"),
    "inspect right.json --format html": (2, "pip install"),
    "inspect config.py": (2, "config.py: no such config"),
    "schedule mmdet::a.py": (2, "package 'mmdet' is not installed; pip install mmdet"),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scripts folder of a new virtual environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    scripts = folder / "venv" / "bin"
    subprocess.run([*pip_for(scripts), "install", "--quiet", wheel], check=True, cwd=folder)
    return scripts


def pip_for(scripts: Path) -> list[str]:
    """Use the tests' pip in that environment, because installing a pip there takes as long as everything else."""
    return [sys.executable, "-m", "pip", "--python", str(scripts / "python")]


@pytest.fixture
def run_there(environment: Path, tmp_path: Path) -> Run:
    write(tmp_path / "right.json", decay_map())
    write(tmp_path / "wrong.json", decay_map(wrong=True))
    outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*(pip_for(environment) if name == "pip" else [str(environment / name)]), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)

    return run


def test_few_small_packages_are_installed(run_there: Run) -> None:
    listed = json.loads(run_there("pip", "list", "--format", "json").stdout)
    versions = {package["name"]: package["version"] for package in listed}
    assert versions["lrdecay-cli"] == __version__
    assert set(versions) & {"typer", "rich", "msgspec", "packaging"} == {"typer", "rich", "msgspec", "packaging"}
    assert not set(versions) & {"torch", "numpy", "mmengine", "mmdet", "pydantic", "Jinja2"}
    assert run_there("pip", "check").returncode == 0


@pytest.mark.parametrize("command", JUDGED)
def test_maps_are_checked(run_there: Run, command: str) -> None:
    code, message = JUDGED[command]
    done = run_there("lrdecay", *command.split())
    assert done.returncode == code, done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_config_names_its_needs(run_there: Run, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("model = dict(type='RetinaNet')\n")
    done = run_there("lrdecay", "inspect", "config.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "torch" in done.stderr
    assert "pip install" in done.stderr
