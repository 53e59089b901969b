"""A project for tests of the Python API."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import lrdecay_cli

# Registers lrdecay's constructor, so that configs are built in forks of this process, which has torch and mmdet
# imported.
import lrdecay_cli.openmmlab.audit
from lrdecay_cli.checking.baseline_text import to_text

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="session")
def toy_map(tmp_path_factory: pytest.TempPathFactory) -> lrdecay_cli.GroupMap:
    """Return the group map of the project's config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PROJECT)
        return lrdecay_cli.audit("config.py")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_map: lrdecay_cli.GroupMap) -> Path:
    """Copy the project, with its baseline as a map and as text, and make it the working directory."""
    shutil.copy(PROJECT / "config.py", tmp_path)
    (tmp_path / "baselines").mkdir()
    toy_map.save(tmp_path / "baselines" / "map.json")
    (tmp_path / "baselines" / "config.txt").write_text(to_text(toy_map))
    monkeypatch.chdir(tmp_path)
    return tmp_path
