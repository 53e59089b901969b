"""The group map: which parameter the optimizer holds in which group, and what is in none.

A parameter here is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
Learning rates are absolute, per step, as the optimizer starts with them; ``lr_scale`` is that over the base lr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lrdecay_cli.domain.checkpoint import Checkpoint
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Module, Training

SCHEMA_VERSION = 1


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter that is in no group: frozen, or missing although it is trainable."""

    name: str
    shape: tuple[int, ...]
    numel: int


class GroupedParameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter that the optimizer holds."""

    name: str
    shape: tuple[int, ...]
    numel: int
    requires_grad: bool
    """False for a frozen parameter that the constructor put into a group all the same."""
    provenance: Provenance | None
    """Why it is in its group by our own rules, to be held against the real group; null where it was observed only."""


class Duplicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further name of a tensor that is accounted for under its first name."""

    name: str
    shape: tuple[int, ...]
    numel: int
    of: str
    """The first name."""


class ParameterGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of ``optimizer.param_groups``, in the optimizer's order."""

    name: str
    layer_id: int | None
    lr_scale: float | None
    """What the constructor recorded, else lr over base lr; null where there is no base lr."""
    lr: float | None
    weight_decay: float | None
    options: Mapping[str, Any]
    """Every other option of the group (betas, eps, momentum, custom keys)."""
    parameters: tuple[GroupedParameter, ...]


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lrdecay that made the map."""

    name: str
    version: str


class ConfigSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the map came from."""

    path: str
    """As it was given on the command line."""
    sha256: str
    """Of the config's resolved text: bases merged, overrides applied, keys sorted. Of a checkpoint's pickle, which is
    all of it but the tensors."""
    overrides: Mapping[str, Any]
    """``--cfg-options`` as given."""


class Constructor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer wrapper constructor that built the groups."""

    type: str
    options: Mapping[str, Any]
    """Its ``paramwise_cfg``."""


class Optimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer that holds the groups."""

    type: str
    wrapper: str
    """The optimizer wrapper that the config names."""
    options: Mapping[str, Any]
    """The config's other options of the optimizer."""


class Totals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model's parameters add up: every one is counted once, under its first name."""

    tensors: int
    parameters: int
    grouped_tensors: int
    grouped_parameters: int
    frozen_tensors: int
    frozen_parameters: int
    missing_tensors: int
    missing_parameters: int
    duplicate_names: int


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model that was built."""

    type: str
    backbone: str | None
    totals: Totals


class StandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was missing or cannot run here, and what was put in its place."""

    name: str
    reason: str


class GroupMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the config's own constructor built, with every model parameter accounted for exactly once."""

    schema_version: int
    tool: Tool
    stack: Mapping[str, str]
    """Version by import name of every package that took part."""
    device: str
    config: ConfigSource
    constructor: Constructor
    optimizer: Optimizer
    base_lr: float | None
    base_weight_decay: float | None
    model: Model
    groups: tuple[ParameterGroup, ...]
    frozen: tuple[Parameter, ...]
    missing: tuple[Parameter, ...]
    duplicates: tuple[Duplicate, ...]
    stand_ins: tuple[StandIn, ...]
    modules: Mapping[str, Module]
    """Every module that registers parameters, by its path, in the model's order."""
    training: Training
    checkpoint: Checkpoint | None
    """What it was read from, where that is a checkpoint and not a config."""

    def names(self) -> list[str]:
        """The name of every parameter: grouped ones in the optimizer's order, then frozen and missing ones."""
        outside = (parameter.name for parameter in (*self.frozen, *self.missing))
        return [*(parameter.name for _, parameter in self.grouped()), *outside]

    def grouped(self) -> Iterator[tuple[ParameterGroup, GroupedParameter]]:
        """Every grouped parameter with its group, in the optimizer's order."""
        for group in self.groups:
            for parameter in group.parameters:
                yield group, parameter
