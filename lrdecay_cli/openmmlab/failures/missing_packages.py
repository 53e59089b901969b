"""Find the package, version or project module whose absence caused an error, and the command that installs it."""

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
from lrdecay_cli.files.distributions import distributions_bringing
from lrdecay_cli.files.packages import (
    MMCV_RANGE,
    ZOOS,
    distribution_of,
    distributions_of,
    fitting_torchvision,
    is_otherwise_named,
)
from lrdecay_cli.text.printing import message_of
from lrdecay_cli.text.spelling import nearest

# Versions that work with mmdet 3.3, mmpretrain 1.2 and mmengine 0.10: newer releases removed names they import.
_KNOWN_VERSIONS = {
    "transformers": (">=4.40", "<4.46"),
    "setuptools": ("", "<81"),
    "numpy": ("", "<2"),
    # 0.26 removed cached_download, which diffusers below 0.29 imports.
    "huggingface_hub": ("", "<0.26"),
    # mmdet 3.0's own configs import it; without a bound pip installs a version built on mmcv 1.
    "mmcls": (">=1.0.0rc0", ""),
}
_SOURCES = {
    "detectron2": "git+https://github.com/facebookresearch/detectron2.git",
    "clip": "git+https://github.com/openai/CLIP.git",
    "panopticapi": "git+https://github.com/cocodataset/panopticapi.git",
    "latent-diffusion": "git+https://github.com/CompVis/stable-diffusion.git",
}
_MULTIMODAL = ("transformers", "pycocotools")

# Packages with another name on PyPI, or builds that pip does not choose.
_REQUIREMENTS = {"mmcv": f"mmcv-lite{MMCV_RANGE}"}
# Packages without wheels, which pip alone cannot build.
_BUILT_BY_HAND = {
    "MinkowskiEngine": "https://github.com/NVIDIA/MinkowskiEngine",
    "torchsparse": "https://github.com/mit-han-lab/torchsparse",
    # PyPI has an unrelated package with this name.
    "apex": "https://github.com/NVIDIA/apex",
    "DCNv3": "https://github.com/OpenGVLab/InternImage (ops_dcnv3)",
    "DCNv4": "https://github.com/OpenGVLab/DCNv4",
    "MultiScaleDeformableAttention": "https://github.com/fundamentalvision/Deformable-DETR (models/ops)",
}
# The mmcv versions that mmcls 1.0.0rc6 and mmdet 3.0 and 3.1 assert.
_OLDER_MMCV = ">=2.0.0rc4,<2.1.0"

# Many modules import these packages, but few need the older version. So an error counts only if it names the package.
_NAMED_ALONE = ("numpy", "huggingface_hub")

_SOURCE = re.compile(r"pip install [\"'`]*(git\+https://\S+?/([\w.-]+?)(?:\.git)?)(?=[\s\"'`)]|\.?$)")
"""Matches ``pip install git+https://…`` in a message. Group 1 is the address, group 2 the name of the package."""
_ASKS = (
    re.compile(r"requires the (\w+) library but it was not found"),
    re.compile(r"(?:pip|mim) install (?:-U |--upgrade )?[\"'`]*([A-Za-z][\w.-]*\w(?:\[\w+\])?)"),
    re.compile(r"[Pp]lease install (\w+) first"),
    re.compile(r"[Pp]lease follow \S+ to install (\w+(?: Engine)?)"),
    re.compile(r"^(\w+) is not installed, please install"),
)
# mmseg 1.2.2. Its wheel lacks requirements/optional.txt, which lists the package that VPD imports as ldm.
_VPD = re.compile(r"To use (?:VPD model|UNetWrapper), please install required")
_FAILED_IMPORTS = (
    re.compile(r"[Nn]o module named '(\w+)"),
    re.compile(r"import of (\w+)\S* halted"),
    re.compile(r"cannot import name '\w+' from (?:partially initialized module )?'(\w+)"),
)
# Version assertions between OpenMMLab packages at import.
_INCOMPATIBLE = re.compile(
    r"^(?P<name>\w+)(?:==| )\S+ is (?:used but )?incompatible\b"
    r".*\bPlease (?:install|use) \w+ ?(?P<range>[<>=].*?)(?: instead)?\.?$"
)
_ASSERTED_AS = {"mmdetection": "mmdet", "mmclassification": "mmcls"}
# mmrazor 1.0.0, after an import from torch.ao failed.
_RAZOR = "`torch>=1.13` is not installed properly"
# pandas 3, if another package required an older NumPy.
_TOO_OLD = re.compile(r"Please upgrade (?P<name>\w+) to >= (?P<version>[\d.]+\d) to use this (?P<by>\w+) version")
_NUMPY_2 = re.compile(
    r"removed in the NumPy 2|NumPy 1\.x cannot be run in|numpy\.dtype size changed|numpy\.core\.multiarray"
)


@dataclass(frozen=True)
class Need:
    """A package that is missing, or whose installed version does not work."""

    package: str
    installed: str | None
    """The installed version; None if the package is missing."""
    source: str = ""
    """Address of a repository to install the package from; empty to install the package from the package index."""
    within: str = ""
    """The versions that the importing package accepts: ``>=2.0.0rc4,<2.2.0``; empty if it does not check versions."""
    cause: str = ""
    """A more exact message than the general messages of :attr:`problem`; empty if there is no such message."""

    @property
    def name(self) -> str:
        """The package. If its installed version does not work, the versions that work follow: ``numpy<2``."""
        bound = self.within or _KNOWN_VERSIONS.get(self.package, ("", ""))[1]
        return f"{self.package}{bound}" if self.installed or self.package == "setuptools" else self.package

    @property
    def problem(self) -> str:
        """The message for the user, for example ``timm is not installed``."""
        if self.cause:
            return self.cause
        if self.installed:
            return f"{self.package} {self.installed} is installed, but does not work with the other installed packages"
        return f"{self.package} is not installed"

    @property
    def fix(self) -> str:
        """The instruction that installs a working version, usually a command."""
        if self.package in _BUILT_BY_HAND:
            return f"it has no wheel: build it from {_BUILT_BY_HAND[self.package]}"
        if self.package == "torch":
            return f'in a separate environment: pip install "torch{self.within}"'
        if self.within:
            return _exchange(self.package, self.within)
        if self.package == "mmcls":
            return _exchange("mmcls", _KNOWN_VERSIONS["mmcls"][0])
        bounds = ",".join(filter(None, _KNOWN_VERSIONS.get(self.package, ())))
        wanted = self.source or _SOURCES.get(self.package) or _REQUIREMENTS.get(self.package, f"{self.package}{bounds}")
        if self.package == "torchvision" and (torch := _version("torch")):
            # With any other version pip replaces torch.
            wanted = f"{fitting_torchvision(torch)} torch=={torch.partition('+')[0]}"
        return f'pip install "{wanted}"' if {*"<>"} & {*wanted} else f"pip install {wanted}"


def needed_package(error: BaseException) -> Need | None:
    """Return the missing, too old or too new package that caused ``error``; None if the error has another reason."""
    for cause in chain(error):
        text = message_of(cause)
        if (source := _SOURCE.search(text)) and not _importable(source.group(2).lower()):
            return Need(source.group(2), None, source=source.group(1))
        if (asserted := _INCOMPATIBLE.search(text)) and isinstance(cause, AssertionError):
            name = asserted["name"].lower()
            package = _ASSERTED_AS.get(name, name)
            return Need(package, _version_of(package), within=asserted["range"].replace(" ", ""))
        if _RAZOR in text and (torch := _version("torch")):
            lacking = "torch.ao.quantization.fuser_method_mappings.reverse2"
            return Need(
                "torch", torch, within=">=1.13,<2", cause=f"torch {torch} lacks {lacking}, which mmrazor imports"
            )
        if (old := _TOO_OLD.search(text)) and (installed := _version(old["name"])):
            by = f"{old['by']} {_version(old['by']) or ''}".strip()
            problem = f"{old['name']} {installed} is installed, but {by} needs a newer version"
            return Need(old["name"], installed, within=f">={old['version']}", cause=problem)
        if _VPD.search(text) and not _importable("ldm"):
            return Need("latent-diffusion", None)
        if _NUMPY_2.search(text) and (installed := _version("numpy")):
            return Need("numpy", installed)
        for pattern in (*_ASKS, *_FAILED_IMPORTS):
            if (asked := pattern.search(text)) and (need := _need(asked.group(1), certain=pattern in _ASKS)):
                return need
        if need := _fails_to_import(cause):
            return need
    return None


def _need(asked: str, *, certain: bool) -> Need | None:
    """Return the package that an error message names; None if this package is installed and works.

    ``certain`` is True if the message asks to install the package. It is False if the message only says that an import
    from the package failed: possibly, no version of the package contains the imported name.
    """
    if asked == "mmpretrain[multimodal]":
        asked = next((package for package in _MULTIMODAL if _version(package) is None), "transformers")
    asked = asked.partition("[")[0].replace(" ", "")
    # Some messages use the project's spelling: SentencePiece, Detectron2.
    as_written = _importable(asked) or asked in _BUILT_BY_HAND or is_otherwise_named(asked)
    asked = asked if as_written else asked.lower()
    package = distribution_of(asked)
    installed, importable = _version(package), _importable(asked)
    dropped = package != asked and not importable
    if package in _KNOWN_VERSIONS and (certain or dropped or not installed or _too_new(package, installed)):
        return Need(package, installed)
    return None if installed or importable else Need(package, None)


def _fails_to_import(error: BaseException) -> Need | None:
    """Return an installed package that is too new for the module that failed to import; None if there is none.

    For example, a module of an installed package imports ``transformers``, and the installed transformers is too new.
    """
    modules = [frame.f_code for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
    file = Path(modules[-1].co_filename if modules else "")
    if not {"site-packages", "dist-packages"} & {*file.parts}:
        return None
    source = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for package in _KNOWN_VERSIONS:
        imported = re.search(rf"^\s*(?:import|from) {package}\b", source, re.M)
        if (
            imported
            and (installed := _version(package))
            and package not in _NAMED_ALONE
            and _too_new(package, installed)
        ):
            return Need(package, installed)
    return None


def _too_new(package: str, installed: str) -> bool:
    return not _fits(installed, _KNOWN_VERSIONS[package][1])


def _fits(version: str, within: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(within).contains(version, prereleases=True)


def _exchange(package: str, within: str) -> str:
    """Return the command that installs another version of a package without its dependencies.

    If a fork of the package is installed, the command first uninstalls the fork, because the package and the fork use
    the same folder.
    """
    gone, wanted = [], []
    for name, bounds in [(package, within), *([("mmcv", _OLDER_MMCV)] if _takes_older_mmcv(package, within) else [])]:
        there, known = distribution_in_use(name), distributions_of(name)
        # Installing mmcv itself would compile it.
        keep = "mmcv-lite" if name == "mmcv" and there != "mmcv" else there if there in known else known[0]
        gone += [there] if there not in ("", keep) else []
        wanted.append(f'"{keep}{bounds}"')
    step = f"pip install --no-deps {' '.join(wanted)}"
    return f"pip uninstall -y {' '.join(gone)} && {step}" if gone else step


def _takes_older_mmcv(package: str, within: str) -> bool:
    """True if the installed mmcv is too new for a package in the version range ``within``."""
    older = package == "mmcls" or (package == "mmdet" and not _fits("3.2.0", within))
    mmcv = _version_of("mmcv")
    return older and mmcv is not None and not _fits(mmcv, _OLDER_MMCV)


def distribution_in_use(package: str) -> str:
    """Return the installed distribution of an import name: ``mmcv-lite`` for ``mmcv``. Empty if there is none."""
    names = distributions_bringing(package)
    return next((name for name in distributions_of(package) if name in names), next(iter(names), ""))


def _version_of(package: str) -> str | None:
    """Return the installed version of a package, by its import name; None if the package is not installed."""
    name = distribution_in_use(package)
    return _version(name) if name else None


def _version(package: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _importable(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then its causes from the outermost to the innermost."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


_PACKAGES = (*ZOOS, "mmcls", "mmcv", "mmdeploy", "timm", "transformers", "einops")


def is_own_module(module: str, listed: Sequence[str]) -> bool:
    """True if a missing module belongs to the user's project.

    This is the case if ``custom_imports`` lists the module, and no package that lrdecay knows has the same name. For
    such a module, lrdecay does not suggest ``pip install``, because the name comes from a config.
    """
    known = module in _PACKAGES or module in _BUILT_BY_HAND or module in _SOURCES
    return not known and any(name.partition(".")[0] == module for name in listed)


def suggest_own_module(module: str, config: str) -> str:
    """Return a fix that makes a module of the user's project importable.

    If a folder above the config or above the working directory contains the module, the fix names this folder.
    """
    file = config_path(config)
    above = file.absolute().parents if file is not None else ()
    # A project's code is in its root or below ``src``.
    for folder in (place / source for place in (*above, *Path.cwd().parents) for source in ("", "src")):
        with suppress(OSError):
            if (folder / f"{module}.py").is_file() or any((folder / module).glob("*.py")):
                return f"set PYTHONPATH={shlex.quote(os.path.relpath(folder))}, as for training"
    return f"run lrdecay in the folder that contains {module}, add this folder to PYTHONPATH, or install its project"


def suggest_submodule(missing: str) -> str:
    """Return a fix for a missing submodule of an installed package; empty if the package is not installed.

    The fix names the submodule with the most similar name. If no name is similar, the fix names the package's folder.
    """
    package, _, name = missing.rpartition(".")
    spec = importlib.util.find_spec(package) if package and _importable(package) else None
    if spec is None or spec.submodule_search_locations is None:
        return ""
    places = list(spec.submodule_search_locations)
    names = [module.name for module in pkgutil.iter_modules(places)]
    like = nearest(name, names, likeness=0.6)
    return f"did you mean {package}.{like}?" if like else f"{package} is imported from {next(iter(places), 'here')}"
