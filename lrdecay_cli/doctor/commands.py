"""Build pip commands that are safe in a working environment: no command replaces an installed torch."""

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
    """Return the command that installs the whole stack (torch and the OpenMMLab packages) in pinned versions.

    If this environment already has one of these packages, the command is for a new environment.
    """
    own = {"torch", "mmengine", "mmcv", *LIBRARIES}.intersection(found.packages)
    return NEW_ENVIRONMENT if own else 'pip install "lrdecay-cli[stack]"'


def install(found: Survey, *requirements: str, options: str = "") -> str:
    """Return the command that installs a new package with its dependencies.

    The command also names torch and numpy with their installed versions, so that pip keeps these versions. Otherwise
    pip would replace torch or numpy if the package depends on torchvision or on a newer numpy.
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
    """Return the command that changes the version of one package and leaves everything else unchanged."""
    return _pip([requirement], " ".join(filter(None, ["--no-deps", options])))


def exchange(found: Survey, package: str, requirement: str, options: str = "") -> str:
    """Return the command that installs a version of a package, in place of every installed distribution of the package.

    For example, the distributions mmcv and mmcv-lite contain the same package, so removing one breaks the other. If a
    distribution is installed that ``requirement`` does not name, the command first removes all installed distributions.
    """
    there = distributions(found, package)
    step = change(requirement, options)
    fits = all(_names(requirement, name) for name in there)
    return step if fits else f"pip uninstall -y {' '.join(there)} && {step}"


def distributions(found: Survey, package: str) -> list[str]:
    """Return the names of the installed distributions that contain a package."""
    return [each.split()[0] for each in found.packages[package].distributions]


def usual(found: Survey, package: str) -> str:
    """Return the name of the distribution to install for a package, for example ``mmcv-lite`` for mmcv.

    This is the distribution that is already installed. If only a fork is installed, this is the original distribution.
    """
    known = PROVIDERS[package]
    return next((name for name in distributions(found, package) if name in known), known[0])


def mmcv(found: Survey, within: str) -> str:
    """Return the command that installs mmcv in a version of the range ``within``.

    If the installed mmcv has compiled operators, the command installs a wheel with operators for the installed torch.
    Otherwise the command installs mmcv-lite.
    """
    if not found.packages["mmcv"].operators:
        return exchange(found, "mmcv", f"mmcv-lite{within}")
    return exchange(found, "mmcv", f"mmcv{within}", mmcv_index(found))


def mmcv_index(found: Survey) -> str:
    """Return pip's option for the index of mmcv wheels that fit the installed torch; empty if there is no such
    index.
    """
    torch = found.version("torch")
    numbers = release(torch)[:2]
    build = label(torch)
    # Without a label (macOS, conda) pip compiles mmcv, which fits as well.
    return f"-f {_MMCV_INDEX}/{build}/torch{numbers[0]}.{numbers[1]}/index.html" if build and len(numbers) == 2 else ""


def torchvision(found: Survey) -> str:
    """Return the command that installs the torchvision version that fits the installed torch.

    The wheel comes from PyTorch's index for the build of the installed torch, for example ``cu121``.
    """
    return install(found, fitting_torchvision(found.version("torch")), options=_torch_index(found))


def same_torchvision(found: Survey) -> str:
    """Return the command that reinstalls torchvision in the same version, but built for the installed torch.

    The command needs ``--force-reinstall``, because pip treats both builds as the same version.
    """
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
