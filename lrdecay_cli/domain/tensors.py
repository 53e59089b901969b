"""A tensor of a model and the group that holds it: the records of a group map about single tensors.

A parameter is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from lrdecay_cli.domain.display import Brief
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Module, Trait
from lrdecay_cli.text.counting import count

TensorState = Literal["grouped", "frozen_in_group", "frozen", "missing", "duplicate"]
"""Where a tensor is and whether it trains.

===============  =====================================================================
state            the tensor
===============  =====================================================================
grouped          is in a group and trains
frozen_in_group  is in a group, but ``requires_grad`` is False
frozen           is in no group, and ``requires_grad`` is False
missing          is trainable but in no group: no optimizer updates it
duplicate        is listed under another name: this is a further name
===============  =====================================================================

``requires_grad`` is its value in the first iteration: ``model.train()`` may change it after the optimizer is built.
"""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter in no group: frozen, or missing although it is trainable."""

    name: str
    shape: tuple[int, ...]
    numel: int


class GroupedParameter(Parameter, frozen=True, forbid_unknown_fields=True):
    """A parameter in a group."""

    requires_grad: bool
    """False for a frozen parameter: the constructor put it into a group, or ``train()`` froze it later."""
    provenance: Provenance | None
    """Why it is in its group by lrdecay's rules, for comparison with the real group; null if it was only observed."""
    foreign: bool = False
    """True if the optimizer has it from elsewhere: the model does not register it, and the group gives its name."""


class Duplicate(Parameter, frozen=True, forbid_unknown_fields=True):
    """A further name of a tensor that is listed under its first name."""

    of: str
    """The first name."""


class ParameterGroup(Brief, frozen=True, forbid_unknown_fields=True):
    """One entry of ``optimizer.param_groups``, in the optimizer's order."""

    name: str
    layer_id: int | None
    lr_scale: float | None
    """As the constructor recorded it, else lr over base lr; null without a base lr."""
    lr: float | None
    weight_decay: float | None
    options: Mapping[str, Any]
    """Every other option of the group (betas, eps, momentum, custom keys)."""
    parameters: tuple[GroupedParameter, ...]
    optimizer: str = ""
    """Name of its optimizer, if there are several; it is the prefix of the group's name."""
    named: bool = True
    """True if the constructor named it; else its name is its number."""
    precisions: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Precision of numbers with less than double precision, by key: ``float32``, ``float16``, ``bfloat16``.

    Unset if all are doubles.
    """

    def headline(self) -> str:
        """Name of the group, number of tensors, and their lr and weight decay."""
        numbers = (("layer", self.layer_id), ("lr scale", self.lr_scale), ("lr", self.lr))
        known = [
            f"{label} {value:.4g}"
            for label, value in (*numbers, ("weight decay", self.weight_decay))
            if value is not None
        ]
        return f"{self.name}: {', '.join([count(len(self.parameters), 'tensor'), *known])}"

    def precision(self, key: str) -> str | None:
        """Return the precision of one of the group's numbers; None for the double precision of Python floats."""
        return self.precisions.get(key) if self.precisions else None

    def has_lr(self, lr: float) -> bool:
        """True if ``lr``, a Python float, equals the group's lr within rounding."""
        return self.lr is not None and alike(self.lr, lr, self.precision("lr"))


class Tensor(Brief, frozen=True):
    """One name of a tensor with everything that the map knows about it: a row of :meth:`GroupMap.tensors`."""

    name: str
    shape: tuple[int, ...]
    numel: int
    state: TensorState
    module: Module | None
    """The module that registers it; None for a foreign tensor, and for a checkpoint that is read without a config."""
    position: int
    """Its index in the model's order of tensors; one after the last if no module registers it."""
    seen: str
    """Its name for mmengine's constructors, which unwrap a model inside ``.module``; empty if they do not see it."""
    group: ParameterGroup | None = None
    """None if it is in no group."""
    provenance: Provenance | None = None
    foreign: bool = False
    """True if the optimizer has it from elsewhere: the model does not register it."""
    of: str = ""
    """For a duplicate: the first name."""
    times: int = 1
    """How often groups hold it at the same time: several times in one group, or by several optimizers that all step."""
    by_train: bool = False
    """True if ``model.train()`` changed its ``requires_grad`` after the optimizer was built."""
    averaged: bool = False
    """True if its module is a moving average of another module: no optimizer has to hold it."""
    later: tuple[tuple[ParameterGroup, Provenance | None], ...] = ()
    """Its groups in other optimizers that take turns, each with its provenance there."""

    @property
    def lr(self) -> float | None:
        """The lr of its group; None without a group."""
        return self.group.lr if self.group else None

    @property
    def lr_scale(self) -> float | None:
        """The lr scale of its group; None without a group."""
        return self.group.lr_scale if self.group else None

    @property
    def weight_decay(self) -> float | None:
        """The weight decay of its group; None without a group."""
        return self.group.weight_decay if self.group else None

    @property
    def layer_id(self) -> int | None:
        """The layer id of its group; None without a group."""
        return self.group.layer_id if self.group else None

    def headline(self) -> str:
        """Name and shape of the tensor, its state, and the group with its numbers."""
        shape = "×".join(map(str, self.shape)) or "scalar"
        further = f" of {self.of}" if self.of else ""
        group = f" in {self.group.headline()}" if self.group else ""
        return f"{self.name} ({shape}): {self.status}{further}{group}"

    def row(self) -> dict[str, Any]:
        """Return the tensor as a row of a data frame: numbers, strings, and the shape as a list."""
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
        """Yield the tensor once for each of its groups in alternately stepped optimizers."""
        yield self
        for group, provenance in self.later:
            yield msgspec.structs.replace(self, group=group, provenance=provenance)

    @property
    def trainable(self) -> bool:
        """True if the tensor requires a gradient. False for a duplicate: see the entry of its first name."""
        return self.state in ("grouped", "missing")

    @property
    def frozen_by_train(self) -> bool:
        """True if ``model.train()`` froze it."""
        return self.by_train and not self.trainable

    @property
    def status(self) -> str:
        """The label with the effect of ``train()``: ``frozen by train()``."""
        if not self.by_train:
            return self.label
        return f"{self.label}, thawed by train()" if self.trainable else f"{self.label} by train()"

    @property
    def label(self) -> str:
        """The state in reports: ``frozen``, in a group or not."""
        return "frozen" if self.state == "frozen_in_group" else self.state

    @property
    def traits(self) -> tuple[Trait, ...]:
        """The traits of its module."""
        return self.module.traits if self.module else ()

    @property
    def module_type(self) -> str:
        """The module's class name; empty where no module registers it."""
        return self.module.type if self.module else ""

    @property
    def path(self) -> str:
        """The module's path for a constructor; empty for the model itself."""
        return self.seen.rpartition(".")[0]

    @property
    def own(self) -> str:
        """The tensor's name within the module: ``weight``."""
        return self.name.rpartition(".")[2]
