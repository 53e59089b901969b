"""The packages that two group maps were made with, and whether they are why the maps differ."""

from __future__ import annotations

from typing import Literal

import msgspec


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was installed: the package ``mmdet`` comes from ``mmdet``, ``onedl-mmdetection`` or another fork."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PackageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that both maps were made with, from two distributions or in two versions."""

    package: str
    """Its import name; also the name of a distribution that the map does not know."""
    before: Distribution
    after: Distribution


Cause = Literal["stack", "zoo", "config", "config or stack"]
"""Why two maps of configs differ.

===============  ======================================================================================
cause            what differs
===============  ======================================================================================
stack            the packages; the resolved config is the same
zoo              the packages, and with them the config of that name that they bring (``mmdet::…``)
config           the config or its overrides; the packages are the same
config or stack  both: a base of the config may be a package's, so that either may be why
===============  ======================================================================================
"""
