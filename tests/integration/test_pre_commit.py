"""The hook, with the real pre-commit, installed from this repository into a separate repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checking.maps import decay_map, write

ROOT = Path(__file__, "../../..").resolve()
PRE_COMMIT = [sys.executable, "-m", "pre_commit"]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def hook_repository(tmp_path: Path) -> Path:
    """Return the files that a tag of this repository would contain, from the working tree."""
    folder = tmp_path / "lrdecay"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lrdecay_cli", folder / "lrdecay_cli", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a release")
    return folder


@pytest.mark.slow
def test_the_hook_judges_maps_and_nothing_else(hook_repository: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project / "maps/a.json", decay_map())
    (project / "package.json").write_text('{"name": "no map"}')
    (project / "lrdecay.toml").write_text('select = ["LRD301"]\n')
    git(project, "init", "-q")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}

    revision = git(hook_repository, "rev-parse", "HEAD").strip()
    hooks = {"repo": str(hook_repository), "rev": revision, "hooks": [{"id": "lrdecay-check", "verbose": True}]}
    (project / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [hooks]}))

    def hook() -> subprocess.CompletedProcess[str]:
        command = [*PRE_COMMIT, "run", "--all-files"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    git(project, "add", "-A")
    passed = hook()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "no findings in 1 config" in passed.stdout
    write(project / "maps/a.json", decay_map(wrong=True))
    git(project, "add", "-A")
    failed = hook()
    assert failed.returncode == 1
    assert "LRD301 scale-above-one" in failed.stdout
    assert "exit code: 1" in failed.stdout
    # No large package was installed for it.
    assert not list((tmp_path / "home").rglob("torch"))


def test_the_manifest_is_valid() -> None:
    subprocess.run([*PRE_COMMIT, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], check=True)
