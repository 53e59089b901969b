"""A tensor of a model, and the group that holds it: the records of a group map that are about single tensors.

A parameter here is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
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


class ParameterGroup(Brief, frozen=True, forbid_unknown_fields=True):
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

    def headline(self) -> str:
        """Its name, how many tensors it holds, and their numbers."""
        numbers = (("layer", self.layer_id), ("lr scale", self.lr_scale), ("lr", self.lr))
        told = [
            f"{label} {value:.4g}"
            for label, value in (*numbers, ("weight decay", self.weight_decay))
            if value is not None
        ]
        return f"{self.name}: {', '.join([count(len(self.parameters), 'tensor'), *told])}"

    def precision(self, key: str) -> str | None:
        """The precision of one of its numbers; None for Python's own."""
        return self.precisions.get(key) if self.precisions else None

    def has_lr(self, lr: float) -> bool:
        """Whether ``lr``, a Python float, is its lr, but for rounding."""
        return self.lr is not None and alike(self.lr, lr, self.precision("lr"))


class Tensor(Brief, frozen=True):
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

    @property
    def lr(self) -> float | None:
        """That of its group; None in no group."""
        return self.group.lr if self.group else None

    @property
    def lr_scale(self) -> float | None:
        """That of its group; None in no group."""
        return self.group.lr_scale if self.group else None

    @property
    def weight_decay(self) -> float | None:
        """That of its group; None in no group."""
        return self.group.weight_decay if self.group else None

    @property
    def layer_id(self) -> int | None:
        """That of its group; None in no group."""
        return self.group.layer_id if self.group else None

    def headline(self) -> str:
        """Its name and shape, its state, and the group with its numbers."""
        shape = "×".join(map(str, self.shape)) or "scalar"
        further = f" of {self.of}" if self.of else ""
        group = f" in {self.group.headline()}" if self.group else ""
        return f"{self.name} ({shape}): {self.status}{further}{group}"

    def row(self) -> dict[str, Any]:
        """Its values as a row of a data frame: numbers, strings, and the shape as a list."""
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
