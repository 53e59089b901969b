"""Install commands that are safe in a working environment: none replaces an installed torch."""

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
    """Install everything in pinned versions; in a new environment if this one already has packages of the stack."""
    own = {"torch", "mmengine", "mmcv", *LIBRARIES}.intersection(found.packages)
    return NEW_ENVIRONMENT if own else 'pip install "lrdecay-cli[stack]"'


def install(found: Survey, *requirements: str, options: str = "") -> str:
    """Install a new package with its dependencies; torch and numpy are named in their versions, so that pip keeps them.

    Without them, a package that depends on torchvision or on a newer numpy makes pip replace both.
    """
    kept = []
    for name in ("torch", "numpy"):
        version = found.version(name)
        if version and not any(_names(requirement, name) for requirement in requirements):
            kept.append(f"{name}=={public(version)}")
    # A package from a repository is built against the installed torch, which an isolated build would not see.
    isolation = "--no-build-isolation" if any("git+" in requirement for requirement in requirements) else ""
    return _pip([*requirements, *kept], options or isolation)


def change(requirement: str, options: str = "") -> str:
    """Change the version of one package and leave everything else unchanged."""
    return _pip([requirement], " ".join(filter(None, ["--no-deps", options])))


def exchange(found: Survey, package: str, requirement: str, options: str = "") -> str:
    """Change the version of a package; other distributions with the same folder are removed first.

    Two distributions in one folder overwrite each other, and removing either breaks the other: both have to go.
    """
    there = distributions(found, package)
    step = change(requirement, options)
    fits = all(_names(requirement, name) for name in there)
    return step if fits else f"pip uninstall -y {' '.join(there)} && {step}"


def distributions(found: Survey, package: str) -> list[str]:
    """Names of the distributions that contain a package."""
    return [each.split()[0] for each in found.packages[package].distributions]


def usual(found: Survey, package: str) -> str:
    """The distribution to install for a package: the installed one, unless it is a fork."""
    known = PROVIDERS[package]
    return next((name for name in distributions(found, package) if name in known), known[0])


def mmcv(found: Survey, within: str) -> str:
    """Install an mmcv in a range: with operators if the present one has them, from wheels for this torch."""
    if not found.packages["mmcv"].operators:
        return exchange(found, "mmcv", f"mmcv-lite{within}")
    return exchange(found, "mmcv", f"mmcv{within}", mmcv_index(found))


def mmcv_index(found: Survey) -> str:
    """pip's option for the mmcv wheels that fit the installed torch."""
    torch = found.version("torch")
    numbers = release(torch)[:2]
    build = label(torch)
    # Without a label (macOS, conda) pip compiles mmcv, which gives a fitting one too.
    return f"-f {_MMCV_INDEX}/{build}/torch{numbers[0]}.{numbers[1]}/index.html" if build and len(numbers) == 2 else ""


def torchvision(found: Survey) -> str:
    """Install the torchvision that belongs to the installed torch, from the same index."""
    return install(found, fitting_torchvision(found.version("torch")), options=_torch_index(found))


def same_torchvision(found: Survey) -> str:
    """Reinstall the torchvision version as built for torch; pip alone treats the two builds as the same."""
    version = public(found.version("torchvision") or "")
    return change(f"torchvision=={version}", " ".join(filter(None, ["--force-reinstall", _torch_index(found)])))


def _torch_index(found: Survey) -> str:
    build = label(found.version("torch"))
    return f"--index-url {_TORCH_INDEX}/{build}" if build else ""


def _pip(requirements: list[str], options: str) -> str:
    quoted = [f'"{each}"' if any(mark in each for mark in "<>=!~*[ ") else each for each in requirements]
    return " ".join(["pip install", *filter(None, [options]), *quoted])


def _names(requirement: str, package: str) -> bool:
    return requirement.startswith(package) and not re.match(r"[\w.-]", requirement[len(package) :])
