"""The distribution that installed a package, compared with ``importlib.metadata`` and with pip's records."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

from lrdecay_cli.domain.stack import Distribution
from lrdecay_cli.files.distributions import distribution_behind, distributions_bringing

NAMES = ("typer", "rich", "msgspec", "packaging", "pytest", "hypothesis")


def record(site: Path, name: str, version: str, package: str = "mmdet", *, top: bool = True, **files: str) -> None:
    """Files that pip leaves behind: the folder has the normalised name, METADATA the given name."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    listing = {"top_level.txt": f"{package}\n"} if top else {"RECORD": f"a.py,,\n{package}/__init__.py,sha256=0,1\n"}
    for file, text in {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **listing}.items():
        (folder / file).write_text(text)
    for file, text in files.items():
        (folder / f"{file}.json").write_text(text)


@pytest.fixture(scope="module")
def brought() -> Mapping[str, list[str]]:
    """Return distributions by import name, as importlib does."""
    return metadata.packages_distributions()


def test_distributions_of_a_package_equal_those_of_importlib(brought: Mapping[str, list[str]]) -> None:
    packages = [*NAMES, "mmdet", "mmcv", "torch", "yaml", "pkg_resources", "six", "typing_extensions", "google", "none"]
    for package in packages:
        assert {*distributions_bringing(package)} == {*brought.get(package, ())}, package


@pytest.mark.parametrize("package", NAMES)
def test_agrees_with_importlib(package: str, brought: Mapping[str, list[str]]) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    (name,) = set(brought[package])
    expected = Distribution(metadata.metadata(name)["Name"], metadata.version(name))
    assert distribution_behind(package, Path(spec.origin).parent, expected.version) == expected
    assert distribution_behind(package, Path(spec.origin).parent, "0.0.0") is None


OFFICIAL, FORK = ("mmdet", "3.3.0", "mmdet"), ("onedl-mmdetection", "3.5.1", "mmdet")
# Recorded (name, version, package), the version in the files of mmdet, and the result.
SITES = {
    "official": ([OFFICIAL], "3.3.0", "mmdet 3.3.0"),
    "fork": ([FORK, ("mmdeploy", "3.5.1", "mmdeploy")], "3.5.1", "onedl-mmdetection 3.5.1"),
    "fork over the official": ([OFFICIAL, FORK], "3.5.1", "onedl-mmdetection 3.5.1"),
    "official over the fork": ([OFFICIAL, FORK], "3.3.0", "mmdet 3.3.0"),
    "local label of the record": ([("mmdet", "3.3.0+cpu", "mmdet")], "3.3.0", "mmdet 3.3.0+cpu"),
    "local label of the files": ([OFFICIAL], "3.3.0+cu130", "mmdet 3.3.0"),
    "another version": ([("mmdet", "3.2.0", "mmdet")], "3.3.0", None),
    "another package": ([("mmdeploy", "3.3.0", "mmdeploy")], "3.3.0", None),
    "no record": ([], "3.3.0", None),
}  # fmt: skip


@pytest.mark.parametrize("top", [True, False], ids=["top_level.txt", "RECORD"])
@pytest.mark.parametrize(("records", "version", "expected"), SITES.values(), ids=SITES)
def test_records(
    records: list[tuple[str, str, str]], version: str, expected: str | None, top: bool, tmp_path: Path
) -> None:
    for each in records:
        record(tmp_path, *each, top=top)
    found = distribution_behind("mmdet", tmp_path / "mmdet", version)
    assert (found and str(found)) == expected


@pytest.mark.parametrize(("editable", "expected"), [(True, "mmdet 3.3.0"), (False, None)])
def test_editable_install(
    editable: bool, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout on the search path is another distribution than the version that is installed as well."""
    checkout, site = tmp_path / "a checkout", tmp_path / "site-packages"
    (checkout / "mmdet").mkdir(parents=True)
    source = {"url": checkout.as_uri(), "dir_info": {"editable": editable}}
    record(site, "mmdet", "3.3.0", direct_url=json.dumps(source))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(site)])
    found = distribution_behind("mmdet", checkout / "mmdet", "3.3.0")
    assert (found and str(found)) == expected
    assert distribution_behind("mmdet", tmp_path / "other" / "mmdet", "3.3.0") is None


def test_checkout_of_setuptools(tmp_path: Path) -> None:
    folder = tmp_path / "onedl_mmdetection.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: onedl-mmdetection\nVersion: 3.5.1\n")
    (folder / "top_level.txt").write_text("mmdet\n")
    assert distribution_behind("mmdet", tmp_path / "mmdet", "3.5.1") == Distribution("onedl-mmdetection", "3.5.1")
    assert distribution_behind("mmdet", tmp_path / "mmdet", "3.6.0") is None
