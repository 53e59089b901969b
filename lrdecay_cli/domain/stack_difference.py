"""Records of ``diff --stacks``: configs that get other parameter groups in a second environment, and the causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.stack import PackageChange

STACKS_SCHEMA_VERSION = 1

CauseKind = Literal["config", "model", "constructor", "optimizer", "build", "unknown"]
"""What makes the groups of a config differ between the two environments.

===========  =========================================  ==============================================================
kind         ``name``                                   ``before`` and ``after``
===========  =========================================  ==============================================================
config       an option, such as ``optim_wrapper.type``  the value of the option; null if the option is not set
model        a name pattern of parameters               the state, shape or name of the parameters; see ``aspect``
constructor  the constructor's class                    the module of the class
constructor  the class and a number: ``Class: lr``      the value of this number in a group
optimizer    an option of the groups                    the value of the option
build        empty                                      the status of the build, with the error if the build failed
unknown      a field in the JSON of a scan              the value of the field, if the scan contains no group map
===========  =========================================  ==============================================================
"""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason why a config gets different groups in the two environments."""

    kind: CauseKind
    name: str
    before: Any
    after: Any
    aspect: str = ""
    """What differs in the parameters, for example ``shape``: one of :data:`lrdecay_cli.domain.change.Aspect`."""
    proven: bool = False
    """True if a build in the second environment with the first environment's options proves the cause."""


class ChangedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config with different groups in the two environments, and the number of parameters that differ."""

    config: str
    tensors: int | None
    """Number of parameters that differ. Null if one of the two environments has no group map of the config."""
    of: int | None
    """Number of all parameters of the model. Null if ``tensors`` is null."""
    aspects: Mapping[str, int]
    """For each aspect, such as ``lr``: the number of parameters with a different value."""


class CauseGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All configs whose groups differ between the environments for the same causes."""

    causes: tuple[Cause, ...]
    configs: tuple[ChangedConfig, ...]


class OptionGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Configs that have the same groups in both environments, but different training options."""

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
    """The first environment, as named on the command line."""
    after: str
    identical: bool
    """True if both environments have the same configs with the same groups."""
    compared: int
    """Number of configs that were built in both environments."""
    packages: tuple[PackageChange, ...]
    """Packages that differ between the environments."""
    groups: tuple[CauseGroup, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    other_options: tuple[OptionGroup, ...]
    unbuilt: tuple[Unbuilt, ...]
