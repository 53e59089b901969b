"""What ``doctor`` finds out about an environment: what is installed, what does not fit, and what mends it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lrdecay_cli.domain.group_map import StandIn, Tool

DIAGNOSIS_SCHEMA_VERSION = 1

Severity = Literal["error", "warning", "info"]
"""``error``: nothing can be inspected, or an installed library does not load. ``warning``: some configs do not build.
``info``: it works, but not as one might think."""


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that Python would import here."""

    name: str
    """Its import name."""
    version: str | None
    """What its own ``version.py`` says, else the recorded one."""
    distributions: tuple[str, ...]
    """``NAME VERSION`` of every installed distribution that brings it; two that overwrite each other are possible."""
    location: str
    """The folder or file that would be imported."""
    build: str | None = None
    """What it was compiled for: ``cpu``, ``cu130``, ``rocm6.0``; null where that is not recorded."""
    operators: bool | None = None
    """Whether it has compiled operators; null for a package that has none by nature."""


class Issue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that does not fit, in one line, and what to do about it."""

    severity: Severity
    package: str
    """Import name of the package that is to be changed."""
    problem: str
    why: str
    """What comes of it."""
    command: str | None
    """What mends it and leaves an installed torch as it is; null where no command can."""

    def line(self) -> str:
        """Problem and consequence as one line."""
        return f"{self.problem}: {self.why}"


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that is not installed and that some configs of a zoo cannot be built without."""

    package: str
    zoo: str
    """The library whose configs they are."""
    folders: tuple[str, ...]
    """Folders of the zoo with configs that need it."""
    which: str
    """Which configs of these, empty for all."""
    command: str


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that ``--device`` takes."""

    name: str
    description: str


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was really done in a process of its own."""

    subject: str
    """A module that was imported, or a config that was built."""
    ok: bool
    outcome: str
    """What came of it, or the error in one line."""


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that ``doctor`` found out."""

    schema_version: int
    tool: Tool
    usable: bool
    """Whether there is no error."""
    python: str
    platform: str
    packages: tuple[Package, ...]
    stand_ins: tuple[StandIn, ...]
    """What is put in the place of compiled operators; as far as versions tell, unless trials were made."""
    issues: tuple[Issue, ...]
    needs: tuple[Need, ...]
    devices: tuple[Device, ...] | None
    """Null unless trials were made: only torch knows."""
    trials: tuple[Trial, ...] | None
    """Null unless asked for (``--full``)."""
