"""The result of ``diff --stacks``: configs with other parameter groups in another environment, and the causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.stack import PackageChange

STACKS_SCHEMA_VERSION = 1

CauseKind = Literal["config", "model", "constructor", "optimizer", "build", "unknown"]
"""What makes the groups of a config differ.

===========  ==================================  ==============================================================
kind         name                                before and after
===========  ==================================  ==============================================================
config       an option: ``optim_wrapper.type``   its value; null where the option is not set
model        a pattern of parameters             a shape, a state or a name, by ``aspect``
constructor  the constructor, or one of its numbers  its module, or a layer id, a scale, an lr, a weight decay
optimizer    an option of the groups             its value
build        empty                               the status of each side, with its problem where there is no map
unknown      a field of a scan's record          its value: a scan without maps holds nothing else
===========  ==================================  ==============================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reason for a config's different groups."""

    kind: CauseKind
    name: str
    before: Any
    after: Any
    aspect: str = ""
    """The aspect of a parameter that differs, as in :data:`lrdecay_cli.domain.change.Aspect`; empty for other kinds."""
    proven: bool = False
    """True if a build proves the cause: the second environment with the options of the first config."""


class ChangedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config with different groups, and the size of the difference."""

    config: str
    tensors: int | None
    """Number of parameters that differ; null if one side has no map."""
    of: int | None
    """Number of all parameters."""
    aspects: Mapping[str, int]
    """Number of parameters by aspect."""


class CauseGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All configs with the same causes."""

    causes: tuple[Cause, ...]
    configs: tuple[ChangedConfig, ...]


class OptionGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Configs with the same groups but other training options."""

    options: tuple[Cause, ...]
    configs: tuple[str, ...]


class Unbuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config without a map on either side."""

    config: str
    before: str
    """The status of the config."""
    after: str
    problem: str
    """The problem on the first side."""


class StackDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that ``diff --stacks --format json`` writes."""

    schema_version: int
    tool: Tool
    before: str
    """The first side, as named on the command line."""
    after: str
    identical: bool
    """True if both sides have the same configs with the same groups."""
    compared: int
    """Number of configs with a map on both sides."""
    packages: tuple[PackageChange, ...]
    """Packages behind the maps of both sides."""
    groups: tuple[CauseGroup, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    other_options: tuple[OptionGroup, ...]
    unbuilt: tuple[Unbuilt, ...]
