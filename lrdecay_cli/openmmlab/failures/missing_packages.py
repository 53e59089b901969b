"""What the stack needs and lacks: a package with the version that works, or code of one's own; and how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pkgutil
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from lrdecay_cli.files.config_path import config_path
from lrdecay_cli.files.packages import MMCV_RANGE, ZOOS, distribution_of, fitting_torchvision
from lrdecay_cli.text.printing import said_by
from lrdecay_cli.text.spelling import nearest

# Bounds within which mmdet 3.3, mmpretrain 1.2 and mmengine 0.10 work: newer releases dropped what they import.
_KNOWN_VERSIONS = {
    "transformers": (">=4.40", "<4.46"),
    "setuptools": ("", "<81"),
    "numpy": ("", "<2"),
    # mmdet 3.0's own configs import it; without a bound pip takes one that is built on mmcv 1.
    "mmcls": (">=1.0.0rc0", ""),
}
_SOURCES = {"detectron2": "git+https://github.com/facebookresearch/detectron2.git"}
_MULTIMODAL = ("transformers", "pycocotools")

# A package of another name, or a build that pip would not choose.
_REQUIREMENTS = {"mmcv": f"mmcv-lite{MMCV_RANGE}"}

_SOURCE = re.compile(r"pip install [\"'`]*(git\+https://\S+?/([\w.-]+?)(?:\.git)?)(?=[\s\"'`)]|\.?$)")
"""An address of sources, and the name of the package."""
_ASKS = (
    re.compile(r"requires the (\w+) library but it was not found"),
    re.compile(r"(?:pip|mim) install (?:-U |--upgrade )?[\"'`]*([A-Za-z][\w.-]*\w(?:\[\w+\])?)"),
    re.compile(r"[Pp]lease install (\w+) first"),
)
_FAILED_IMPORTS = (
    re.compile(r"[Nn]o module named '(\w+)"),
    re.compile(r"import of (\w+)\S* halted"),
    re.compile(r"cannot import name '\w+' from (?:partially initialized module )?'(\w+)"),
)
_NUMPY_2 = re.compile(
    r"removed in the NumPy 2|NumPy 1\.x cannot be run in|numpy\.dtype size changed|numpy\.core\.multiarray"
)


@dataclass(frozen=True)
class Need:
    """A package that is missing, or that is there in a version that does not work."""

    package: str
    installed: str | None
    """The version that is there."""
    source: str = ""
    """Where it is installed from; empty for the package index."""

    @property
    def name(self) -> str:
        """The package, with the bound that it has to keep where it is there and does not work."""
        bound = _KNOWN_VERSIONS.get(self.package, ("", ""))[1]
        return f"{self.package}{bound}" if self.installed or self.package == "setuptools" else self.package

    @property
    def problem(self) -> str:
        """What is wrong, as the end of a sentence."""
        if self.installed:
            return f"{self.package} {self.installed} is installed, and the stack does not work with it"
        return f"{self.package} is not installed"

    @property
    def remedy(self) -> str:
        """The command that installs what works."""
        bounds = ",".join(filter(None, _KNOWN_VERSIONS.get(self.package, ())))
        wanted = self.source or _SOURCES.get(self.package) or _REQUIREMENTS.get(self.package, f"{self.package}{bounds}")
        if self.package == "torchvision" and (torch := _version("torch")):
            # Any other one has pip replace torch.
            wanted = f"{fitting_torchvision(torch)} torch=={torch.partition('+')[0]}"
        return f'pip install "{wanted}"' if {*"<>"} & {*wanted} else f"pip install {wanted}"


def needed_package(error: BaseException) -> Need | None:
    """The package that ``error``, or what led to it, is for want of; None if it is about something else."""
    for cause in chain(error):
        text = said_by(cause)
        if (source := _SOURCE.search(text)) and not _importable(source.group(2).lower()):
            return Need(source.group(2), None, source=source.group(1))
        if _NUMPY_2.search(text) and (installed := _version("numpy")):
            return Need("numpy", installed)
        for pattern in (*_ASKS, *_FAILED_IMPORTS):
            if (asked := pattern.search(text)) and (need := _need(asked.group(1), certain=pattern in _ASKS)):
                return need
        if need := _fails_to_import(cause):
            return need
    return None


def _need(asked: str, *, certain: bool) -> Need | None:
    """What a message asks for; unless that is ``certain``, it may be about a module that the package never had."""
    if asked == "mmpretrain[multimodal]":
        asked = next((package for package in _MULTIMODAL if _version(package) is None), "transformers")
    asked = asked.partition("[")[0]
    # Some are named as in a sentence: SentencePiece, Detectron2.
    asked = asked if _importable(asked) else asked.lower()
    package = distribution_of(asked)
    installed, importable = _version(package), _importable(asked)
    dropped = package != asked and not importable
    if package in _KNOWN_VERSIONS and (certain or dropped or not installed or _too_new(package, installed)):
        return Need(package, installed)
    return None if installed or importable else Need(package, None)


def _fails_to_import(error: BaseException) -> Need | None:
    """A package that is too new, where a module of the stack that uses it dies while it is imported."""
    modules = [frame.f_code for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
    file = Path(modules[-1].co_filename if modules else "")
    if not {"site-packages", "dist-packages"} & {*file.parts}:
        return None
    source = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for package in _KNOWN_VERSIONS:
        imported = re.search(rf"^\s*(?:import|from) {package}\b", source, re.M)
        if imported and (installed := _version(package)) and package != "numpy" and _too_new(package, installed):
            return Need(package, installed)
    return None


def _too_new(package: str, installed: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return not SpecifierSet(_KNOWN_VERSIONS[package][1]).contains(installed, prereleases=True)


def _version(package: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _importable(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, the innermost last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


_PACKAGES = (*ZOOS, "mmcls", "mmcv", "mmdeploy", "timm", "transformers", "einops")


def is_own(module: str, listed: Sequence[str]) -> bool:
    """Whether a missing module is one that ``custom_imports`` lists itself, and of no package that is known.

    Nobody is advised to install whatever name stands in a config.
    """
    return module not in _PACKAGES and any(name.partition(".")[0] == module for name in listed)


def own_remedy(module: str, config: str) -> str:
    """How to make code of one's own importable: with its folder, where that is found above the config or from here."""
    file = config_path(config)
    above = file.absolute().parents if file is not None else ()
    # A project's code is in its root or below ``src``.
    for folder in (place / source for place in (*above, *Path.cwd().parents) for source in ("", "src")):
        with suppress(OSError):
            if (folder / f"{module}.py").is_file() or any((folder / module).glob("*.py")):
                return f"set PYTHONPATH={shlex.quote(os.path.relpath(folder))}, as for training"
    return f"run lrdecay in the folder that holds {module}, put that on PYTHONPATH, or install it if it is a package"


def submodule_remedy(missing: str) -> str:
    """What may be meant by ``package.module``, whose package is there and has no such module; empty for any other."""
    package, _, name = missing.rpartition(".")
    spec = importlib.util.find_spec(package) if package and _importable(package) else None
    if spec is None or spec.submodule_search_locations is None:
        return ""
    places = list(spec.submodule_search_locations)
    names = [module.name for module in pkgutil.iter_modules(places)]
    like = nearest(name, names, likeness=0.6)
    return f"did you mean {package}.{like}?" if like else f"{package} is {next(iter(places), 'here')}"
