"""Parts of a group map: the records of one tensor and of one parameter group.

A parameter is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from lrdecay_cli.domain.display import Brief
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Module, Trait
from lrdecay_cli.text.counting import count

TensorState = Literal["grouped", "frozen_in_group", "frozen", "missing", "duplicate"]
"""Whether a tensor is in a group, and whether it trains.

===============  ==========================================================================
state            the tensor
===============  ==========================================================================
grouped          is in a group and trains
frozen_in_group  is in a group, but ``requires_grad`` is False
frozen           is in no group, and ``requires_grad`` is False
missing          is trainable but in no group: no optimizer updates it
duplicate        is shared, and this is a further name: the map lists it by its first name
===============  ==========================================================================

``requires_grad`` is the value in the first iteration: ``model.train()`` may change it after the optimizer is built.
"""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter in no group: frozen, or missing although it is trainable."""

    name: str
    shape: tuple[int, ...]
    numel: int


class GroupedParameter(Parameter, frozen=True, forbid_unknown_fields=True):
    """A parameter in a group."""

    requires_grad: bool
    """False if the parameter was frozen before the constructor grouped it, or if ``model.train()`` froze it later."""
    provenance: Provenance | None
    """The formulas for the numbers of the group, and their results. Null if lrdecay does not know the formulas."""
    foreign: bool = False
    """True if the optimizer updates the tensor but the model does not register it. Its name comes from the group."""


class Duplicate(Parameter, frozen=True, forbid_unknown_fields=True):
    """Another name of a shared tensor, which the map lists under its first name."""

    of: str
    """The name under which the map lists the tensor: the first of its names in the model's order."""


HIGHEST_LAYER_ID = 1_000_000
"""Highest layer id of a group map; the lowest is its negative. The id of a real layer is far below."""
LayerId = Annotated[int, msgspec.Meta(ge=-HIGHEST_LAYER_ID, le=HIGHEST_LAYER_ID)]


class ParameterGroup(Brief, frozen=True, forbid_unknown_fields=True):
    """One entry of ``optimizer.param_groups``, in the optimizer's order."""

    name: str
    layer_id: LayerId | None
    lr_scale: float | None
    """The lr scale that the constructor recorded in the group. If it recorded none: lr divided by base lr, or null if
    there is no base lr.
    """
    lr: float | None
    weight_decay: float | None
    options: Mapping[str, Any]
    """All options of the group that have no field here, for example betas, eps, momentum and custom keys."""
    parameters: tuple[GroupedParameter, ...]
    optimizer: str = ""
    """Name of the optimizer, which is also the prefix of the group's name. Empty if there is only one optimizer."""
    named: bool = True
    """True if the constructor named the group. False if ``name`` is only its number, such as ``group_0``."""
    precisions: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    """The precision of each number that the group does not store in double precision, by key: ``{"lr": "float16"}``.

    A precision is ``float32``, ``float16`` or ``bfloat16``. Unset if all numbers are double precision.
    """

    def headline(self) -> str:
        """Return name, number of tensors, layer id, lr and weight decay of the group in one line."""
        numbers = (("layer", self.layer_id), ("lr scale", self.lr_scale), ("lr", self.lr))
        known = [
            f"{label} {value:.4g}"
            for label, value in (*numbers, ("weight decay", self.weight_decay))
            if value is not None
        ]
        return f"{self.name}: {', '.join([count(len(self.parameters), 'tensor'), *known])}"

    def precision(self, key: str) -> str | None:
        """Return the precision of the number ``key``, such as ``lr``; None for double precision (a Python float)."""
        return self.precisions.get(key) if self.precisions else None

    def has_lr(self, lr: float) -> bool:
        """True if ``lr`` equals the group's lr, except for rounding."""
        return self.lr is not None and alike(self.lr, lr, self.precision("lr"))


class Tensor(Brief, frozen=True):
    """Everything that a map contains about one name of a tensor. :meth:`GroupMap.tensors` returns these objects."""

    name: str
    shape: tuple[int, ...]
    numel: int
    state: TensorState
    module: Module | None
    """The module that registers the tensor. None for a foreign tensor, and for a checkpoint that was read without a
    config.
    """
    position: int
    """Index in the model's order of tensors. A tensor that no module registers comes after all others."""
    seen: str
    """The name of the tensor for mmengine's constructors: without the prefix ``module.`` of a model wrapper.

    Empty if the constructors do not get this tensor.
    """
    group: ParameterGroup | None = None
    """The group that contains the tensor. None if it is in no group."""
    provenance: Provenance | None = None
    foreign: bool = False
    """True if the optimizer updates the tensor but the model does not register it."""
    of: str = ""
    """For a further name of a shared tensor: the tensor's first name in the model. Otherwise empty."""
    times: int = 1
    """How many times groups list the tensor.

    A number above 1 means: a group lists the tensor twice, or several optimizers update it in the same iteration.
    """
    by_train: bool = False
    """True if ``model.train()`` changed ``requires_grad`` after the optimizer was built."""
    averaged: bool = False
    """True if the tensor is in a moving average of another module. Such a tensor needs no optimizer."""
    later: tuple[tuple[ParameterGroup, Provenance | None], ...] = ()
    """If several optimizers update the tensor alternately: its groups besides ``group``, each with its formulas."""

    @property
    def lr(self) -> float | None:
        """The lr of the tensor's group. None if the tensor is in no group."""
        return self.group.lr if self.group else None

    @property
    def lr_scale(self) -> float | None:
        """The lr scale of the tensor's group. None if the tensor is in no group."""
        return self.group.lr_scale if self.group else None

    @property
    def weight_decay(self) -> float | None:
        """The weight decay of the tensor's group. None if the tensor is in no group."""
        return self.group.weight_decay if self.group else None

    @property
    def layer_id(self) -> int | None:
        """The layer id of the tensor's group. None if the tensor is in no group."""
        return self.group.layer_id if self.group else None

    def headline(self) -> str:
        """Return the tensor's name, its shape, its state (such as ``frozen``) and its group, in one line."""
        shape = "×".join(map(str, self.shape)) or "scalar"
        further = f" of {self.of}" if self.of else ""
        group = f" in {self.group.headline()}" if self.group else ""
        return f"{self.name} ({shape}): {self.status}{further}{group}"

    def row(self) -> dict[str, Any]:
        """Return the tensor as a row of a data frame. Values are numbers and strings; the shape is a list."""
        return {
            "name": self.name,
            "state": self.state,
            "group": self.group.name if self.group else None,
            "layer_id": self.layer_id,
            "lr_scale": self.lr_scale,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "shape": list(self.shape),
            "numel": self.numel,
            "module": self.name.rpartition(".")[0],
            "module_type": self.module_type or None,
            "optimizer": self.group.optimizer or None if self.group else None,
            "duplicate_of": self.of or None,
        }

    def in_groups(self) -> Iterator[Tensor]:
        """Yield the tensor once for each of its groups.

        A tensor has more than one group only if several optimizers update it alternately.
        """
        yield self
        for group, provenance in self.later:
            yield msgspec.structs.replace(self, group=group, provenance=provenance)

    @property
    def trainable(self) -> bool:
        """True if the tensor requires a gradient. Always False for a duplicate: use the tensor's first name instead."""
        return self.state in ("grouped", "missing")

    @property
    def frozen_by_train(self) -> bool:
        """True if ``model.train()`` froze the tensor."""
        return self.by_train and not self.trainable

    @property
    def status(self) -> str:
        """The tensor's state as reports show it: ``frozen``, ``grouped``, ``missing`` or ``duplicate``.

        If ``model.train()`` changed ``requires_grad``, the text says so: ``grouped, unfrozen by train()``.
        """
        if not self.by_train:
            return self.label
        return f"{self.label}, unfrozen by train()" if self.trainable else f"{self.label} by train()"

    @property
    def label(self) -> str:
        """The tensor's state in one word: ``grouped``, ``frozen``, ``missing`` or ``duplicate``.

        A frozen tensor is always ``frozen``, even if it is in a group.
        """
        return "frozen" if self.state == "frozen_in_group" else self.state

    @property
    def traits(self) -> tuple[Trait, ...]:
        """The traits of the tensor's module, for example ``("norm",)``. Empty if no module registers the tensor."""
        return self.module.traits if self.module else ()

    @property
    def module_type(self) -> str:
        """Class name of the module that registers the tensor. Empty if no module registers it."""
        return self.module.type if self.module else ""

    @property
    def path(self) -> str:
        """The path of the tensor's module in the model that mmengine's constructors get: ``backbone.norm3``.

        Empty for a parameter of the model itself, and for a tensor that the constructors do not get.
        """
        return self.seen.rpartition(".")[0]

    @property
    def own(self) -> str:
        """The name of the tensor within its module: ``weight``."""
        return self.name.rpartition(".")[2]
