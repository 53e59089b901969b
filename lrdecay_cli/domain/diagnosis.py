"""Records of the command ``doctor``: installed packages, problems of the environment, and their fixes."""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import Stub, Tool

DIAGNOSIS_SCHEMA_VERSION = 2

Severity = Literal["error", "warning", "info"]
"""``error``: no config can be inspected, or an installed library cannot be imported. ``warning``: some configs do not
build. ``info``: all configs build, but a result may be unexpected.
"""


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package, as Python imports it in this environment."""

    name: str
    """The import name of the package."""
    version: str | None
    """The version in the package's ``version.py``; if there is no such file, the version in the installed metadata."""
    distributions: tuple[str, ...]
    """``NAME VERSION`` of every installed distribution that contains the package. Several distributions may have
    overwritten each other's files.
    """
    location: str
    """The folder or file from which Python imports the package."""
    build: str | None = None
    """The platform that the package was compiled for: ``cpu``, ``cu130``, ``rocm6.0``; null if unknown."""
    operators: bool | None = None
    """True if the installed package has compiled operators; null for a package that never has operators."""


class Issue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A problem of the environment, with its consequence and the command that fixes it."""

    severity: Severity
    package: str
    """Import name of the package that the fix changes."""
    problem: str
    why: str
    """The consequence of the problem, for example that some configs do not build."""
    command: str | None
    """The command that fixes the problem without replacing an installed torch; null if no such command exists."""

    def line(self) -> str:
        """Return the problem and its consequence as one line."""
        return f"{self.problem}: {self.why}"


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A missing package without which some published configs of a library do not build."""

    package: str
    zoo: str
    """The library whose configs need the package, for example ``mmdet``."""
    folders: tuple[str, ...]
    """Folders of the library with configs that need the package."""
    which: str
    """The configs that need the package, in words; empty if all configs in ``folders`` need it."""
    command: str


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device of this machine that the option ``--device`` accepts."""

    name: str
    description: str


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a test import or test build that ``doctor`` ran in a child process."""

    subject: str
    """The module that was imported, or the config that was built."""
    ok: bool
    outcome: str
    """The result of the test, or its error in one line."""


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All results of the command ``doctor``."""

    schema_version: int
    tool: Tool
    usable: bool
    """True if no issue has the severity ``error``."""
    python: str
    platform: str
    packages: tuple[Package, ...]
    stubs: tuple[Stub, ...]
    """The stubs that replace missing compiled operators. Without ``--full``, lrdecay infers them from versions."""
    issues: tuple[Issue, ...]
    needs: tuple[Need, ...]
    devices: tuple[Device, ...] | None
    """The devices of this machine. Null without ``--full``, because only torch can list the devices."""
    trials: tuple[Trial, ...] | None
    """The results of test imports and test builds. Null without ``--full``."""
