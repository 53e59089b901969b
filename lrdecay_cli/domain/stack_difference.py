"""Records of ``diff --stacks``: configs that get other parameter groups in a second environment, and the causes."""

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
config       an option: ``optim_wrapper.type``   its value; null if the option is not set
model        a pattern of parameters             a shape, a state or a name, by ``aspect``
constructor  the constructor, or one of its numbers  its module, or a layer id, a scale, an lr, a weight decay
optimizer    an option of the groups             its value
build        empty                               the status of each side, with the problem of a side without a map
unknown      a field of a scan's record          its value: a scan without maps records nothing else
===========  ==================================  ==============================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cause of the difference between the groups of a config in two environments."""

    kind: CauseKind
    name: str
    before: Any
    after: Any
    aspect: str = ""
    """For ``model``: the aspect of a parameter that differs, as in :data:`lrdecay_cli.domain.change.Aspect`."""
    proven: bool = False
    """True if a build in the second environment with the first environment's options proves the cause."""


class ChangedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config with different groups in the two environments, and the number of parameters that differ."""

    config: str
    tensors: int | None
    """Number of parameters that differ. Null if one side has no map."""
    of: int | None
    """Number of all parameters."""
    aspects: Mapping[str, int]
    """Number of differing parameters by aspect."""


class CauseGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All configs with the same causes of their differences."""

    causes: tuple[Cause, ...]
    configs: tuple[ChangedConfig, ...]


class OptionGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Configs with equal groups in both environments, but different training options."""

    options: tuple[Cause, ...]
    configs: tuple[str, ...]


class Unbuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that builds in neither of the two environments."""

    config: str
    before: str
    """The status of the config in the first environment. ``after`` is the status in the second."""
    after: str
    problem: str
    """The error in the first environment."""


class StackDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole result of ``diff --stacks``, as its JSON format writes it."""

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
    """Packages that differ between the environments."""
    groups: tuple[CauseGroup, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    other_options: tuple[OptionGroup, ...]
    unbuilt: tuple[Unbuilt, ...]
