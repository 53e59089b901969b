"""Install commands that are safe in a working environment: none of them replaces an installed torch."""

from __future__ import annotations

import re

from lrdecay_cli.doctor.known import LIBRARIES, PROVIDERS
from lrdecay_cli.doctor.survey import Survey, label, public
from lrdecay_cli.doctor.versions import release
from lrdecay_cli.files.packages import fitting_torchvision

NEW_ENVIRONMENT = 'in a new virtual environment: pip install "lrdecay-cli[stack]"'
_TORCH_INDEX = "https://download.pytorch.org/whl"
_MMCV_INDEX = "https://download.openmmlab.com/mmcv/dist"


def complete_stack(found: Survey) -> str:
    """Everything at once, in pinned versions; only beside an environment that has something of its own."""
    own = {"torch", "mmengine", "mmcv", *LIBRARIES}.intersection(found.packages)
    return NEW_ENVIRONMENT if own else 'pip install "lrdecay-cli[stack]"'


def install(found: Survey, *requirements: str, options: str = "") -> str:
    """Install something new with what it needs; torch and numpy are named as they are, so that pip keeps them.

    Without that, a package that asks for torchvision or for a newer numpy has pip replace both.
    """
    kept = []
    for name in ("torch", "numpy"):
        version = found.version(name)
        if version and not any(_names(requirement, name) for requirement in requirements):
            kept.append(f"{name}=={public(version)}")
    # What comes from a repository is built against the installed torch, which an environment of its own would not see.
    isolation = "--no-build-isolation" if any("git+" in requirement for requirement in requirements) else ""
    return _pip([*requirements, *kept], options or isolation)


def change(requirement: str, options: str = "") -> str:
    """Exchange the version of one package and leave everything else alone."""
    return _pip([requirement], " ".join(filter(None, ["--no-deps", options])))


def exchange(found: Survey, package: str, requirement: str, options: str = "") -> str:
    """Exchange the version of a package; what brings its folder under another name is taken away first.

    Two distributions in one folder overwrite each other, and what removes either breaks the other: both have to go.
    """
    there = distributions(found, package)
    step = change(requirement, options)
    fits = all(_names(requirement, name) for name in there)
    return step if fits else f"pip uninstall -y {' '.join(there)} && {step}"


def distributions(found: Survey, package: str) -> list[str]:
    """Names of the distributions that bring a package."""
    return [one.split()[0] for one in found.packages[package].distributions]


def usual(found: Survey, package: str) -> str:
    """Name of the distribution to install for a package: the one that brings it, unless that is a fork."""
    known = PROVIDERS[package]
    return next((name for name in distributions(found, package) if name in known), known[0])


def mmcv(found: Survey, within: str) -> str:
    """An mmcv in a range for the one that is there: with operators where that has them, from wheels for this torch."""
    if not found.packages["mmcv"].operators:
        return exchange(found, "mmcv", f"mmcv-lite{within}")
    return exchange(found, "mmcv", f"mmcv{within}", mmcv_index(found))


def mmcv_index(found: Survey) -> str:
    """Option of pip for the wheels of mmcv that fit the installed torch."""
    torch = found.version("torch")
    numbers = release(torch)[:2]
    build = label(torch)
    # Where there is no label (macOS, conda) pip compiles it, which also gives an mmcv that fits.
    return f"-f {_MMCV_INDEX}/{build}/torch{numbers[0]}.{numbers[1]}/index.html" if build and len(numbers) == 2 else ""


def torchvision(found: Survey) -> str:
    """The torchvision that belongs to the installed torch, from the place that torch came from."""
    return install(found, fitting_torchvision(found.version("torch")), options=_torch_index(found))


def same_torchvision(found: Survey) -> str:
    """The torchvision that is there, built as torch is; pip by itself holds the two builds for one and the same."""
    version = public(found.version("torchvision") or "")
    return change(f"torchvision=={version}", " ".join(filter(None, ["--force-reinstall", _torch_index(found)])))


def _torch_index(found: Survey) -> str:
    build = label(found.version("torch"))
    return f"--index-url {_TORCH_INDEX}/{build}" if build else ""


def _pip(requirements: list[str], options: str) -> str:
    quoted = [f'"{one}"' if any(mark in one for mark in "<>=!~*[ ") else one for one in requirements]
    return " ".join(["pip install", *filter(None, [options]), *quoted])


def _names(requirement: str, package: str) -> bool:
    return requirement.startswith(package) and not re.match(r"[\w.-]", requirement[len(package) :])
