"""Records of the packages with which two group maps were built, and of the reason why the maps differ."""

from __future__ import annotations

from typing import Literal

import msgspec


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The installed distribution of a package. The package ``mmdet`` may come from ``mmdet``, ``onedl-mmdetection`` or
    a fork.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PackageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that has another distribution or version in the second map."""

    package: str
    """Import name of the package, also used as the distribution name if a map does not record the distribution."""
    before: Distribution
    after: Distribution


Cause = Literal["stack", "zoo", "config", "config or stack"]
"""Why the maps of two configs differ.

===============  ======================================================================================
cause            what differs
===============  ======================================================================================
stack            the packages; the resolved config is the same
zoo              the packages, and the config ``mmdet::…``, which is part of a package
config           the config or its overrides; the packages are the same
config or stack  config and packages; the config may inherit from a package, so either may be the cause
===============  ======================================================================================
"""
