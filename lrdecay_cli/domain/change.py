"""What differs between two group maps, and what became of the files of a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from lrdecay_cli.domain.display import Displayed
from lrdecay_cli.domain.finding import Skipped
from lrdecay_cli.domain.group_map import ConfigSource, Tool
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.domain.resuming import Coming
from lrdecay_cli.domain.stack import Cause, PackageChange
from lrdecay_cli.text.counting import count

DIFFERENCE_SCHEMA_VERSION = 1

Aspect = Literal[
    "added",
    "removed",
    "renamed",
    "state",
    "frozen",
    "shape",
    "group",
    "layer_id",
    "lr_scale",
    "lr",
    "weight_decay",
    "optimizer",
    "options",
]
"""What can differ about a parameter, in the order in which it is told.

============  ==============================================  ====================================================
aspect        before and after                                reported for
============  ==============================================  ====================================================
added         None, its state                                 a name that only the second model has
removed       its state, None                                 a name that only the first model has
renamed       the old name, the new name                      a module that moved with all its parameters unchanged
state         ``grouped``, ``grouped twice``, ``frozen``,     what became of it: ``frozen`` and ``missing`` are in
              ``missing``, ``duplicate``                      no group, ``duplicate`` is a tensor's further name
frozen        True where it takes no gradient                 ``requires_grad``, in a group or not
shape         the tensor's shape                              every state
group         the group's name, ``group_*`` for a numbered    grouped on both sides, likewise all that follow
              one (its number says nothing)
layer_id      a number or None
lr_scale      a number or None
lr            a number or None
weight_decay  a number or None
optimizer     the optimizer's type
options       the group's other options that differ
============  ==============================================  ====================================================
"""

ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
IN_GROUPS: tuple[Aspect, ...] = ("group", "layer_id", "lr_scale", "lr", "weight_decay", "optimizer", "options")
"""What only a tensor in a group has."""

Unset = Literal["absent", "not recorded"]
"""Why a side has no value of a setting: its config does not set it (``absent``), or the map or checkpoint does not hold
what its config set (``not recorded``)."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One aspect of one parameter that differs."""

    parameter: str
    """Its name in the first map; in the second for one that was added."""
    aspect: Aspect
    before: Any
    after: Any


class FoldedChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same change of several parameters, by a pattern that matches these and no others."""

    pattern: str
    aspect: Aspect
    before: Any
    """As in the changes; of a rename the old pattern, which is ``pattern``."""
    after: Any
    """As in the changes; of a rename the new pattern."""
    parameters: tuple[str, ...]
    factor: float | None = None
    """Of a changed lr, the second over the first; null for other aspects, and where the first is 0 or no number."""

    @property
    def tensors(self) -> int:
        """How many parameters changed so."""
        return len(self.parameters)


class SettingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting of the whole run that differs: why parameters changed, but no change to any parameter by itself."""

    name: str
    """Its path in the map: ``base_lr``, ``constructor.options.decay_rate``."""
    before: Any
    after: Any
    before_option: Option | msgspec.UnsetType = msgspec.UNSET
    """The option of the first config behind it, of a dict the first entry that differs. Unset where none is known."""
    after_option: Option | msgspec.UnsetType = msgspec.UNSET
    """That of the second config."""
    before_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """Why ``before`` is null although no null is set; unset where there is a value."""
    after_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """The same of ``after``."""

    @property
    def option(self) -> str:
        """Its path in the config: ``optim_wrapper.paramwise_cfg.decay_rate``."""
        for prefix, path in _OPTIONS.items():
            if self.name == prefix or (prefix.endswith(".") and self.name.startswith(prefix)):
                return path + self.name.removeprefix(prefix)
        return self.name


_OPTIONS = {
    "constructor.options.": "optim_wrapper.paramwise_cfg.",
    "constructor.type": "optim_wrapper.constructor",
    "optimizer.options.": "optim_wrapper.optimizer.",
    "optimizer.type": "optim_wrapper.optimizer.type",
    "optimizer.wrapper": "optim_wrapper.type",
    "base_lr": "optim_wrapper.optimizer.lr",
    "base_weight_decay": "optim_wrapper.optimizer.weight_decay",
    "batch.lr_factor": "auto_scale_lr",
    "batch.gpus": "auto_scale_lr",
    "model.backbone": "model.backbone.type",
}


Grouping = Literal["parameter", "layer", "module"]
"""What a row of a difference stands for."""


class ChangedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layer or a module with all that differs in it, as ``diff --by`` groups changes.

    Both lrs are means over the parameters (elements) of the tensors that train in a group on both sides; null where no
    tensor does, or where one has no lr.
    """

    name: str
    """The module's path; of a layer its id, ``3 → 4`` where that differs."""
    tensors: int
    """How many there are on either side."""
    parameters: int
    """Elements of these."""
    changed: int
    """Tensors that differ in any compared aspect, those of one side included."""
    only_before: int
    """Tensors that the first side alone has, or has in a group."""
    only_after: int
    """The same of the second side."""
    aspects: Mapping[str, int]
    """Tensors by the aspect in which they differ."""
    lr_before: float | None
    lr_after: float | None
    factor: float | None
    """``lr_after`` over ``lr_before``."""
    lowest_factor: float | None
    """The lowest factor of a single tensor."""
    highest_factor: float | None
    """The highest."""


class Difference(Displayed, frozen=True, forbid_unknown_fields=True):
    """Everything that differs between two maps, as ``diff --format json`` writes it."""

    schema_version: int
    tool: Tool
    before: ConfigSource
    after: ConfigSource
    identical: bool
    """Whether there are no changes, and what is to come is the same; a setting that changes no parameter is no
    difference."""
    settings: tuple[SettingChange, ...]
    changes: tuple[FoldedChange, ...]
    coming: Coming | None = None
    """What the schedulers will set from a checkpoint on; null where no config or no checkpoint is compared."""
    packages: tuple[PackageChange, ...] = ()
    """What differs in the packages that the maps were made with; none where a checkpoint is compared."""
    cause: Cause | None = None
    """Why the maps of two configs differ; null where they are identical, and where none of these differs."""
    before_source: str = ""
    """The first side as the user named it: ``before.path`` of an exported map is the config that it was made of."""
    after_source: str = ""
    """The second side."""
    summary: tuple[str, ...] = ()
    """What changed, what is on one side only, and why: up to three sentences."""
    only_before: int = 0
    """Tensors that the first side alone has, or has in a group; with ``--only`` those that lack a compared value."""
    only_after: int = 0
    """The same of the second side."""
    by: Grouping = "parameter"
    parts: tuple[ChangedPart, ...] = ()
    """Layers or modules with differences, in the model's order; none for ``parameter``."""

    def headline(self) -> str:
        """Both sides, and how many tensors differ in which aspect."""
        sides = f"{self.before_source or self.before.path} → {self.after_source or self.after.path}"
        if self.identical:
            return f"{sides}: identical"
        names = {name for change in self.changes for name in change.parameters}
        aspects = ", ".join(dict.fromkeys(change.aspect for change in self.changes))
        return f"{sides}: {count(len(names), 'tensor')} differ{f' ({aspects})' if aspects else ''}"


BASELINE_SCHEMA_VERSION = 1

State = Literal["written", "updated", "unchanged", "missing", "outdated"]
"""What became of a file; ``missing`` and ``outdated`` are for ``--check``, which writes nothing."""


class BaselineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baseline of one config."""

    config: str
    file: str
    state: State
    changes: int | None
    """Parameters that differ from what the file said before; null where there was nothing to compare with."""


class BaselineResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that one run of ``baseline`` did."""

    schema_version: int
    tool: Tool
    baselines: tuple[BaselineRecord, ...]
    unjudged: tuple[Skipped, ...]
    """Configs that could not be built, and have the baseline that they had."""
