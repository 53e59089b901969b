"""Installed packages, as Python would import them, not as they are recorded."""

from __future__ import annotations

import shutil
import sys
import types
from importlib import metadata
from pathlib import Path

import pytest

from lrdecay_cli.doctor.known import PROVIDERS
from lrdecay_cli.doctor.survey import survey
from tests.doctor.environments import Installed, environment, record


def test_this_environment() -> None:
    found = survey(PROVIDERS)
    import mmcv
    import torch

    assert (found.version("torch"), found.version("mmcv")) == (torch.__version__, mmcv.__version__)
    assert found.packages["torch"].location == str(Path(torch.__file__).parent)
    assert found.packages["mmcv"].distributions == (f"mmcv-lite {metadata.version('mmcv-lite')}",)
    assert found.packages["mmcv"].operators is False
    assert found.packages["torchvision"].operators is True
    assert found.requirement("torchvision", "torch").lstrip("=") == metadata.version("torch").partition("+")[0]


def test_files_have_the_last_word(tmp_path: Path) -> None:
    (path,) = environment(tmp_path / "site", {"mmdet": "3.3.0", "mmcv": Installed("2.1.0", "mmcv-lite")})
    (clone,) = environment(tmp_path / "clone", {"mmdet": "3.2.0"})
    record(tmp_path / "site", "mmcv", "2.2.0")
    found = survey(PROVIDERS, [clone, path])
    assert found.packages["mmdet"].version == "3.2.0"
    assert found.packages["mmdet"].location == str(tmp_path / "clone" / "mmdet")
    assert found.packages["mmcv"].version == "2.1.0"
    assert found.packages["mmcv"].distributions == ("mmcv 2.2.0", "mmcv-lite 2.1.0")


def test_a_plain_folder_is_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "mmdet" / "configs").mkdir(parents=True)
    found = survey(PROVIDERS, [str(tmp_path)])
    assert (found.packages, found.orphans) == ({}, {})


def test_an_unrecorded_package(tmp_path: Path) -> None:
    path = environment(tmp_path, {"mmdet": "3.3.0", "numpy": "1.26.4"})
    for info in tmp_path.glob("*.dist-info"):
        shutil.rmtree(info)
    (tmp_path / "numpy" / "version.py").write_text("from ._version import __version__\n")
    found = survey(PROVIDERS, path)
    assert found.packages["mmdet"].version == "3.3.0"
    assert (found.packages["numpy"].version, found.packages["numpy"].distributions) == (None, ())


def test_requirements_of_extras_are_ignored(tmp_path: Path) -> None:
    requires = ("torchaudio (==2.0.1)", "torch (==1.0) ; extra == 'old'", "torch<3,>=2.0 ; python_version >= '3'")
    path = environment(tmp_path, {"torchvision": Installed("0.15.2", requires=requires)})
    assert survey(PROVIDERS, path).requirement("torchvision", "torch") == "<3,>=2.0"


def test_packages_of_a_distribution_with_any_name(tmp_path: Path) -> None:
    """With top_level.txt, as setuptools writes it, and without, as other build backends do."""
    path = environment(tmp_path, {"mmcv": Installed("2.3.6", "onedl-mmcv"), "mmengine": Installed("0.10.12", "fork")})
    info = tmp_path / "fork-0.10.12.dist-info"
    (info / "top_level.txt").unlink()
    (info / "RECORD").write_text("mmengine/__init__.py,,\nmmengine/mmdet/__init__.py,,\n")
    # Files that an interrupted pip leaves behind.
    (tmp_path / "~mcv-2.1.0.dist-info").mkdir()
    (tmp_path / "~mcv-2.1.0.dist-info" / "top_level.txt").write_text("mmcv\n")
    for name in ("mmcv", "mmengine"):
        (tmp_path / name / "version.py").write_text("from importlib.metadata import version\n__version__ = version(0)")
    found = survey(PROVIDERS, path)
    assert {name: (package.version, package.distributions) for name, package in found.packages.items()} == {
        "mmcv": ("2.3.6", ("onedl-mmcv 2.3.6",)),
        "mmengine": ("0.10.12", ("fork 0.10.12",)),
    }


def test_a_handmade_module_is_not_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stubs that a user's conftest registers for packages that are not installed."""
    monkeypatch.setitem(sys.modules, "mmcls", types.ModuleType("mmcls"))
    assert "mmcls" not in survey(PROVIDERS)
