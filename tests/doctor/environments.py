"""Folders that look like site-packages to readers of metadata: packages without code, in the versions of a test."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lrdecay_cli.doctor.known import PROVIDERS

LIMITS = """\
mmcv_minimum_version = '2.0.0rc4'
mmcv_maximum_version = '2.2.0'
mmengine_minimum_version = '0.7.1'
mmengine_maximum_version = '1.0.0'
"""


class Installed(msgspec.Struct, frozen=True):
    """One package of an environment."""

    version: str
    distribution: str = ""
    """Its distribution, if that is not the first known one."""
    code: str = ""
    """Text of its ``__init__.py``."""
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Further files in its folder."""


def environment(folder: Path, packages: dict[str, Installed | str]) -> list[str]:
    """Create the packages in ``folder`` and return it as a search path; a plain string is a version."""
    for name, given in packages.items():
        package = Installed(given) if isinstance(given, str) else given
        home = folder / name
        home.mkdir(parents=True, exist_ok=True)
        (home / "__init__.py").write_text(package.code)
        (home / "version.py").write_text(f"__version__ = {package.version!r}\n")
        for file in package.files:
            (home / file).touch()
        distribution = package.distribution or PROVIDERS[name][0]
        record(folder, distribution, package.version, *package.requires, top_level=name)
    return [str(folder)]


def record(folder: Path, distribution: str, version: str, *requires: str, top_level: str = "") -> None:
    """Record a distribution as installed, as pip does: without the local version label that its files may have.

    ``top_level`` is the package that it installs, which setuptools records.
    """
    info = folder / f"{distribution.replace('-', '_')}-{version.partition('+')[0]}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version.partition('+')[0]}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {require}" for require in requires)]) + "\n")
    if top_level:
        (info / "top_level.txt").write_text(f"{top_level}\n")


GOOD: dict[str, Installed | str] = {
    "torch": "2.1.2+cu121",
    "torchvision": Installed("0.16.2+cu121", requires=("numpy", "torch (==2.1.2)"), files=("_C.so",)),
    "numpy": "1.26.4",
    "mmengine": "0.10.7",
    "mmcv": Installed("2.1.0", files=("_ext.so",)),
    "mmdet": Installed("3.3.0", code=LIMITS),
    "mmpretrain": Installed("1.2.0", code=LIMITS.replace("2.2.0", "2.4.0").replace("0.7.1", "0.8.3")),
    "pkg_resources": "80.10.2",
}
"""An environment in which all packages fit together."""
