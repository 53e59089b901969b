"""Find the installed distribution of a package in the metadata folders beside it (``*.dist-info``, ``*.egg-info``).

``importlib.metadata`` would read the metadata of every installed distribution. This module reads only the metadata of
distributions with the package's version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from lrdecay_cli.domain.stack import Distribution

if TYPE_CHECKING:
    from importlib.metadata import Distribution as ImportlibDistribution

_RECORD = re.compile(r"[^-]+-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
# A checkout installed in place by setuptools: its record's name has no version.
_IN_PLACE = ".egg-info"


def distribution_behind(package: str, folder: Path, version: str) -> Distribution | None:
    """Return the distribution that installed a package; None for a checkout that no installer has recorded.

    If several distributions share the package's folder (mmdet and onedl-mmdetection), the version selects one.

    Args:
        package: import name of the package: ``mmdet``.
        folder: folder of the package: ``…/site-packages/mmdet``.
        version: ``__version__`` of the package, with or without a local label (``2.13.0+cpu``).

    Source: the Python packaging user guide (2026) for core metadata and direct_url.json, setuptools 80 for
    ``.egg-info``.
    """
    for record in _records(folder.parent, version):
        if _contains_package(record, package):
            return _named(record, version)
    for path in sys.path:
        for record in _records(Path(path), version):
            if _is_editable(record, folder):
                return _named(record, version)
    return None


def distributions_bringing(package: str) -> list[str]:
    """Return the names of the installed distributions that contain a package, in the order of ``sys.path``.

    Faster than ``importlib.metadata.packages_distributions()[package]`` (Python 3.11), which parses all metadata of all
    distributions. ``package`` is an import name.
    """
    import importlib.metadata

    module = re.compile(rf"^{re.escape(package)}(?:/.*)?\.py(?:,|$)", re.MULTILINE)
    found = []
    for distribution in importlib.metadata.distributions():
        top = distribution.read_text("top_level.txt") or ""
        if package in top.split() if top else module.search(_files_of(distribution)):
            found.append(distribution.metadata["Name"])
    return found


def _files_of(distribution: ImportlibDistribution) -> str:
    return distribution.read_text("RECORD") or distribution.read_text("SOURCES.txt") or ""


def _records(site: Path, version: str) -> list[Path]:
    """Return the metadata folders of distributions with this version, sorted by name."""
    try:
        entries = list(site.iterdir())
    except OSError:
        return []
    return sorted(entry for entry in entries if _has_version(entry.name, version))


def _has_version(record: str, version: str) -> bool:
    if not record.endswith("-info"):
        return False
    found = _RECORD.fullmatch(record)
    return _same(found[1], version) if found else record.endswith(_IN_PLACE)


def _contains_package(record: Path, package: str) -> bool:
    top = _read(record / "top_level.txt")
    # Some build backends do not write top_level.txt.
    return package in top.split() if top else f"\n{package}/__init__.py," in f"\n{_read(record / 'RECORD')}"


def _is_editable(record: Path, folder: Path) -> bool:
    """True if ``record`` is the metadata folder of an editable install whose checkout contains ``folder``."""
    try:
        source = msgspec.json.decode(_read(record / "direct_url.json"), type=_Source)
    except msgspec.DecodeError:
        return False
    checkout = Path(unquote(urlsplit(source.url).path)).resolve()
    return source.dir_info.editable and checkout in folder.resolve().parents


def _named(record: Path, version: str) -> Distribution | None:
    """Return the distribution of a metadata folder; None if the metadata has another version or no name.

    The name comes from the metadata, because the name of the folder is normalised.
    """
    metadata = _read(record / "METADATA") or _read(record / "PKG-INFO")
    name, own = (re.search(rf"^{key}: *(\S+)", metadata, re.MULTILINE) for key in ("Name", "Version"))
    return Distribution(name[1], own[1]) if name and own and _same(own[1], version) else None


def _same(version: str, other: str) -> bool:
    return version.partition("+")[0] == other.partition("+")[0]


def _read(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class _DirInfo(msgspec.Struct):
    editable: bool = False


class _Source(msgspec.Struct):
    """Content of ``direct_url.json``."""

    url: str
    dir_info: _DirInfo = msgspec.field(default_factory=_DirInfo)
