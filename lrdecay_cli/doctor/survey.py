"""Find the installed packages without importing them."""

from __future__ import annotations

import importlib.util
import platform
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import msgspec

from lrdecay_cli.domain.diagnosis import Package
from lrdecay_cli.files.packages import operator_libraries

_VERSION_LINE = re.compile(r"^__version__\s*(?::\s*\w+\s*)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
# Forks query their version by the name of their distribution.
_VERSION_ASKED = re.compile(r"^__version__\s*=.*\bversion\(['\"]([\w.-]+)['\"]\)", re.MULTILINE)
_RECORDED_PACKAGE = re.compile(r"^(\w+)/__init__\.py,", re.MULTILINE)


class Survey(msgspec.Struct, frozen=True):
    """The packages that can be imported, and distributions whose files are missing."""

    packages: dict[str, Package]
    """Packages that can be imported, by import name."""
    orphans: dict[str, tuple[str, ...]]
    """Distributions that are recorded as installed although their package cannot be found, by import name."""
    path: tuple[str, ...] | None
    """The searched folders; None for the search path of this process."""

    def version(self, name: str) -> str | None:
        """Return the version of a package, or of ``python``; None if the package is missing or has no version."""
        if name == "python":
            return platform.python_version()
        package = self.packages.get(name)
        return package.version if package else None

    def __contains__(self, name: str) -> bool:
        return name == "python" or name in self.packages

    def requirement(self, name: str, of: str) -> str:
        """Return the version range of package ``of`` that the distribution of ``name`` requires; empty if none.

        For example, the result for torchvision (``name``) and torch (``of``) is ``==2.1.0``. Requirements with an
        ``extra`` marker do not count.
        """
        for distribution in self.packages[name].distributions:
            for requirement in _distribution(distribution.split()[0], self.path).requires or ():
                # Both "torch (==2.1.0)" and "torch==2.1.0 ; extra == 'all'" occur.
                found = re.fullmatch(rf"{re.escape(of)}\s*\(?([^;()\[]*)\)?\s*", requirement.partition(";")[0])
                if found and "extra" not in requirement.partition(";")[2]:
                    return found[1].strip()
        return ""

    def text(self, name: str, file: str) -> str:
        """Return the text of a file in the package's folder; empty if the file cannot be read."""
        return _read(Path(self.packages[name].location, file))


def survey(providers: dict[str, tuple[str, ...]], path: Sequence[str] | None = None) -> Survey:
    """Return the installed packages, found without importing them.

    Args:
        providers: import names with their usual distributions. Other distributions, such as renamed forks, are found by
            their files.
        path: folders to search, as in ``sys.path``; None for the path of this process, which includes editable
            installs.
    """
    packages: dict[str, Package] = {}
    orphans: dict[str, tuple[str, ...]] = {}
    others = _by_content(providers, path)
    for name, distributions in providers.items():
        usual = {}
        for distribution in distributions:
            with suppress(metadata.PackageNotFoundError, KeyError):
                if version := _distribution(distribution, path).version:
                    usual[distribution] = f"{distribution} {version}"
        recorded = tuple({**others[name], **usual}[key] for key in {**usual, **others[name]})
        spec = None
        with suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name) if path is None else PathFinder.find_spec(name, list(path))
        # A folder without a module, perhaps in the working directory, is not a package.
        if spec is not None and spec.origin is not None:
            packages[name] = _package(name, spec, recorded)
        elif recorded:
            orphans[name] = recorded
    return Survey(packages, orphans, None if path is None else tuple(path))


def public(version: str) -> str:
    """Return the version without its local label: ``2.1.0`` of ``2.1.0+cu121``."""
    return version.partition("+")[0]


def label(version: str | None) -> str | None:
    """Return the local label of a version: ``cu121`` of ``2.1.0+cu121``; None if there is none."""
    return (version or "").partition("+")[2] or None


def _package(name: str, spec: ModuleSpec, recorded: tuple[str, ...]) -> Package:
    folders = list(spec.submodule_search_locations or [])
    location = folders[0] if folders else str(spec.origin)
    version = _version(_read(Path(location, "version.py")), recorded)
    libraries = [operator_libraries(name, Path(folder)) for folder in folders]
    operators = any(libraries) if libraries and libraries[0] is not None else None
    return Package(name, version, recorded, location, label(version), operators)


def _version(text: str, recorded: tuple[str, ...]) -> str | None:
    """Return the version that ``text`` states, or else the version that pip recorded for the package's distribution.

    ``text`` is the content of the package's ``version.py``. The two versions differ if two distributions share a
    folder, or if a source checkout hides an installed package.
    """
    if stated := _VERSION_LINE.search(text):
        return stated[1]
    versions = {_normal(name): version for name, _, version in (each.partition(" ") for each in recorded)}
    if (asked := _VERSION_ASKED.search(text)) and _normal(asked[1]) in versions:
        return versions[_normal(asked[1])]
    return next(iter(versions.values()), None)


def _by_content(names: Iterable[str], path: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """Return for each package the distributions that install it: ``{"mmcv": {"mmcv-lite": "mmcv-lite 2.1.0"}}``.

    The inner keys are the normalised names of the distributions.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for distribution in metadata.distributions() if path is None else metadata.distributions(path=list(path)):
        top = distribution.read_text("top_level.txt")
        # Some build backends do not write it.
        record = "" if top else distribution.read_text("RECORD") or ""
        brought = {*(top or "").split(), *_RECORDED_PACKAGE.findall(record)}.intersection(found)
        # Read metadata only for these, since it takes time. The files of an interrupted pip have no metadata.
        if not brought or not (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")):
            continue
        own_name = distribution.metadata["Name"]
        for name in brought:
            # The first one on the path hides others of the same name.
            found[name].setdefault(_normal(own_name), f"{own_name} {distribution.version}")
    return found


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _distribution(name: str, path: Sequence[str] | None) -> metadata.Distribution:
    if path is None:
        return metadata.distribution(name)
    found = next(iter(metadata.distributions(name=name, path=list(path))), None)
    if found is None:
        raise metadata.PackageNotFoundError(name)
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
