"""What ``diff --stacks`` says: which configs have other parameter groups in another environment, and why."""

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
constructor  the constructor, or what it gives   its module, or a layer id, a scale, an lr, a weight decay
optimizer    an option of the groups             its value
build        empty                               the status of each side, with its problem where there is no map
unknown      a field of a scan's record          its value: a scan without maps has no more
===========  ==================================  ==============================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the groups of a config differ."""

    kind: CauseKind
    name: str
    before: Any
    after: Any
    aspect: str = ""
    """What differs of a parameter, as in :data:`lrdecay_cli.domain.change.Aspect`; empty for other kinds."""
    proven: bool = False
    """Whether a build shows it: the second environment with the first config's options."""


class ChangedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config whose groups differ, and how much."""

    config: str
    tensors: int | None
    """How many parameters differ; null where one side has no map."""
    of: int | None
    """Of how many."""
    aspects: Mapping[str, int]
    """Parameters by aspect."""


class CauseGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All configs that differ by the same causes."""

    causes: tuple[Cause, ...]
    configs: tuple[ChangedConfig, ...]


class OptionGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Configs that have the same groups, and other options of the training."""

    options: tuple[Cause, ...]
    configs: tuple[str, ...]


class Unbuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config that has a map on neither side."""

    config: str
    before: str
    """Its status."""
    after: str
    problem: str
    """The first side's."""


class StackDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that ``diff --stacks --format json`` writes."""

    schema_version: int
    tool: Tool
    before: str
    """As it was named on the command line."""
    after: str
    identical: bool
    """Whether both sides have the same configs, and the same groups of each."""
    compared: int
    """Configs with a map on both sides."""
    packages: tuple[PackageChange, ...]
    """Of those that maps of both sides were made with."""
    groups: tuple[CauseGroup, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    other_options: tuple[OptionGroup, ...]
    unbuilt: tuple[Unbuilt, ...]
