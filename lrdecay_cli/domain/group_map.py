"""The group map: which parameter the optimizer holds in which group, and what is in none.

A parameter here is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
Learning rates are absolute, per step, as the optimizer starts with them; ``lr_scale`` is that over the base lr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.stack import Distribution
from lrdecay_cli.domain.training import (
    Batch,
    Checkpoint,
    Constructor,
    Model,
    Module,
    Optimizer,
    Training,
    Trait,
    Wrapping,
    takes_turn,
)

SCHEMA_VERSION = 2
"""Beside the texts of schema 1 it has the facts in them as fields: ``foreign``, ``optimizer``, ``named``, ``types``,
and ``basis``, ``cause`` and ``expression`` of a formula. Maps of schema 1 are lifted as they are read."""
READABLE = (1, SCHEMA_VERSION)

TensorState = Literal["grouped", "frozen_in_group", "frozen", "missing", "duplicate"]
"""Where a tensor is and whether it trains: the one enumeration for the whole project.

===============  =====================================================================
state            the tensor
===============  =====================================================================
grouped          is in a group and trains
frozen_in_group  is in a group, but ``requires_grad`` is False
frozen           is in no group, and ``requires_grad`` is False
missing          is in no group although it is trainable: no optimizer updates it
duplicate        is accounted for under another name: this is a further one
===============  =====================================================================

``requires_grad`` is what the first iteration meets: ``model.train()`` may change it after the optimizer is built.
"""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter that is in no group: frozen, or missing although it is trainable."""

    name: str
    shape: tuple[int, ...]
    numel: int


class GroupedParameter(Parameter, frozen=True, forbid_unknown_fields=True):
    """A parameter that the optimizer holds."""

    requires_grad: bool
    """False for a frozen parameter: the constructor put it in a group, or ``train()`` froze it later."""
    provenance: Provenance | None
    """Why it is in its group by our own rules, to be held against the real group; null where it was observed only."""
    foreign: bool = False
    """Whether the optimizer has it from elsewhere: it is no parameter of the model, and its name is the group's."""


class Duplicate(Parameter, frozen=True, forbid_unknown_fields=True):
    """A further name of a tensor that is accounted for under its first name."""

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
    optimizer: str = ""
    """Name of the optimizer that holds it, where there are several; it is in front of the group's name."""
    named: bool = True
    """Whether the constructor named it; else its name is its number."""
    precisions: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    """By key, that of each number kept below Python's: ``float32``, ``float16``, ``bfloat16``. Unset for none."""

    def precision(self, key: str) -> str | None:
        """The precision of one of its numbers; None for Python's own."""
        return self.precisions.get(key) if self.precisions else None

    def has_lr(self, lr: float) -> bool:
        """Whether ``lr``, a Python float, is its lr, but for rounding."""
        return self.lr is not None and alike(self.lr, lr, self.precision("lr"))


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


class StandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was missing or cannot run here, and what was put in its place."""

    name: str
    reason: str


class Tensor(msgspec.Struct, frozen=True):
    """A name of a tensor with all that the map knows of it: a row of :meth:`GroupMap.tensors`."""

    name: str
    shape: tuple[int, ...]
    numel: int
    state: TensorState
    module: Module | None
    """The module that registers it; None for a foreign tensor, and for all of a checkpoint that is read alone."""
    position: int
    """Its place in the model's order of tensors; one behind the last where no module registers it."""
    seen: str
    """Its name to mmengine's constructors, which unwrap a model inside ``.module``; empty where they do not meet it."""
    group: ParameterGroup | None = None
    """None for what is in no group."""
    provenance: Provenance | None = None
    foreign: bool = False
    """Whether the optimizer has it from elsewhere: it is no parameter of the model."""
    of: str = ""
    """The first name, of a duplicate."""
    times: int = 1
    """How often the groups hold it at once: more than once in one group, or by several optimizers that all step."""
    by_train: bool = False
    """Whether ``model.train()`` changed its ``requires_grad``, after the optimizer was built."""
    averaged: bool = False
    """Whether it is in a module that is a moving average of another one: no optimizer has to hold it."""
    later: tuple[tuple[ParameterGroup, Provenance | None], ...] = ()
    """Its groups in optimizers that take turns with the first one's, each with its provenance there."""

    def in_groups(self) -> Iterator[Tensor]:
        """Itself, and once more with each group that it has in another turn."""
        yield self
        for group, provenance in self.later:
            yield msgspec.structs.replace(self, group=group, provenance=provenance)

    @property
    def trainable(self) -> bool:
        """Whether it takes a gradient; False for a duplicate, whose first name tells."""
        return self.state in ("grouped", "missing")

    @property
    def frozen_by_train(self) -> bool:
        """Whether ``model.train()`` froze it."""
        return self.by_train and not self.trainable

    @property
    def status(self) -> str:
        """The label with what ``train()`` has to do with it: ``frozen by train()``."""
        if not self.by_train:
            return self.label
        return f"{self.label}, thawed by train()" if self.trainable else f"{self.label} by train()"

    @property
    def label(self) -> str:
        """The state as reports name it: ``frozen``, in a group or not."""
        return "frozen" if self.state == "frozen_in_group" else self.state

    @property
    def traits(self) -> tuple[Trait, ...]:
        """Those of its module."""
        return self.module.traits if self.module else ()

    @property
    def module_type(self) -> str:
        """The module's class name; empty where no module registers it."""
        return self.module.type if self.module else ""

    @property
    def path(self) -> str:
        """The module's path to a constructor; empty for the model itself."""
        return self.seen.rpartition(".")[0]

    @property
    def own(self) -> str:
        """Its name within the module: ``weight``."""
        return self.name.rpartition(".")[2]


class GroupMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What the config's own constructor built, with every model parameter accounted for exactly once.

    A parameter is in one group; of optimizers that take turns (``optimizer.turns``), in one of each.
    """

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
    wrapping: Wrapping | msgspec.UnsetType = msgspec.UNSET
    """Where the config names a wrapper for the model; the groups are those of the model without it."""
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """Not there where nothing depends on the batch, and in a map of an lrdecay that did not look."""
    distributions: Mapping[str, Distribution] | msgspec.UnsetType = msgspec.UNSET
    """That of each package of ``stack``, but for unknown ones. Unset for a checkpoint, or if lrdecay did not look."""

    def tensors(self) -> tuple[Tensor, ...]:
        """Every name of the map, each once: grouped ones in the optimizer's order, frozen, missing, duplicates."""
        return self._tensors

    def memberships(self) -> tuple[Tensor, ...]:
        """The same, but a tensor once for each of the optimizers that take turns with it."""
        if not self.optimizer.turns:
            return self._tensors
        return tuple(held for tensor in self._tensors for held in tensor.in_groups())

    def names(self, *, duplicates: bool = False) -> list[str]:
        """The name of every parameter, in the order of :meth:`tensors`; further names too if ``duplicates``."""
        return [tensor.name for tensor in self._tensors if duplicates or tensor.state != "duplicate"]

    def grouped(self) -> Iterator[tuple[ParameterGroup, GroupedParameter]]:
        """Every grouped parameter with its group, in the optimizer's order; again for each further turn."""
        for group in self.groups:
            for parameter in group.parameters:
                yield group, parameter

    @property
    def lr_factor(self) -> float:
        """What ``auto_scale_lr`` multiplied every lr by: lr = base lr × lr scale × this. 1 where it is off."""
        return (self.batch.lr_factor if self.batch else None) or 1.0

    @property
    def is_wrapped(self) -> bool:
        """Whether the model holds another one as ``.module``, which mmengine's constructors then take in its place."""
        return any(path == "module" or path.startswith("module.") for path in self.modules)

    @cached_property
    def registered(self) -> Mapping[str, Module]:
        """Every name that a module registers, in the model's order, with its module; none of a checkpoint alone."""
        return {
            f"{path}.{own}" if path else own: module
            for path, module in self.modules.items()
            for own in module.parameters
        }

    # Cached in ``__dict__``, which neither comparing nor encoding sees: a map of 50,000 tensors is asked often.
    @cached_property
    def _tensors(self) -> tuple[Tensor, ...]:
        prefix = "module." if self.is_wrapped else ""
        train_mode = self.training.train_mode
        by_train = {*train_mode.freezes, *train_mode.thaws} if train_mode else ()
        positions = {name: position for position, name in enumerate(self.registered)}
        averages = tuple(f"{path}." for path in self.model.averages or ())
        found: dict[str, Tensor] = {}
        for parameter, state, group in self._states():
            name = parameter.name
            provenance = parameter.provenance if isinstance(parameter, GroupedParameter) else None
            if name in found:
                first = found[name]
                holders = [held.optimizer for held in (first.group, *(held for held, _ in first.later)) if held]
                if group and holders and takes_turn(self.optimizer.turns or (), holders, group.optimizer):
                    found[name] = msgspec.structs.replace(first, later=(*first.later, (group, provenance)))
                else:
                    # A tensor that a second group holds is a duplicate of its own name: the first time counts.
                    found[name] = msgspec.structs.replace(first, times=first.times + 1)
                continue
            module = self.registered.get(name)
            found[name] = Tensor(
                name,
                parameter.shape,
                parameter.numel,
                state,
                module,
                positions.get(name, len(positions)),
                seen=name[len(prefix) :] if module is not None and name.startswith(prefix) else "",
                group=group,
                provenance=provenance,
                foreign=isinstance(parameter, GroupedParameter) and parameter.foreign,
                of=parameter.of if isinstance(parameter, Duplicate) else "",
                by_train=name in by_train,
                averaged=name.startswith(averages),
            )
        return tuple(found.values())

    def _states(self) -> Iterator[tuple[Parameter, TensorState, ParameterGroup | None]]:
        for group, grouped in self.grouped():
            yield grouped, "grouped" if grouped.requires_grad else "frozen_in_group", group
        yield from ((parameter, "frozen", None) for parameter in self.frozen)
        yield from ((parameter, "missing", None) for parameter in self.missing)
        yield from ((parameter, "duplicate", None) for parameter in self.duplicates)
