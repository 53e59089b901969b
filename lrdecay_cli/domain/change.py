"""The differences between two group maps, and the results for baseline files."""

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
"""What can differ about a parameter, in the order of reports.

============  ==============================================  ====================================================
aspect        before and after                                reported for
============  ==============================================  ====================================================
added         None, its state                                 a name that only the second model has
removed       its state, None                                 a name that only the first model has
renamed       the old name, the new name                      a module that moved with all its parameters unchanged
state         ``grouped``, ``grouped twice``, ``frozen``,     ``frozen`` and ``missing`` tensors are in
              ``missing``, ``duplicate``                      no group, ``duplicate`` is a further name of one
frozen        True if it takes no gradient                    ``requires_grad``, in a group or not
shape         the tensor's shape                              every state
group         the group's name, ``group_*`` for a numbered    grouped on both sides, likewise all that follow
              one (numbers are arbitrary)
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
"""Aspects that only a tensor in a group has."""

Unset = Literal["absent", "not recorded"]
"""Why a side has no value of a setting: its config does not set it (``absent``), or the map or checkpoint does not
record it (``not recorded``).
"""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One aspect of one parameter that differs."""

    parameter: str
    """The parameter's name in the first map; for an added parameter, the name in the second map."""
    aspect: Aspect
    before: Any
    after: Any


class FoldedChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same change of several parameters; the pattern matches exactly these."""

    pattern: str
    aspect: Aspect
    before: Any
    """The value before; for a rename the old pattern, equal to ``pattern``."""
    after: Any
    """The value after; for a rename the new pattern."""
    parameters: tuple[str, ...]
    factor: float | None = None
    """For a changed lr: the second lr divided by the first.

    Null for other aspects, or if the first lr is 0 or not a number.
    """

    @property
    def tensors(self) -> int:
        """Number of parameters with this change."""
        return len(self.parameters)


class SettingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting of the whole run that differs. It may cause changes of parameters."""

    name: str
    """Its path in the map: ``base_lr``, ``constructor.options.decay_rate``."""
    before: Any
    after: Any
    before_option: Option | msgspec.UnsetType = msgspec.UNSET
    """The option in the first config that sets the value; for a dict, the first entry that differs.

    Unset if unknown.
    """
    after_option: Option | msgspec.UnsetType = msgspec.UNSET
    """The same for the second config."""
    before_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """If the first side has no value (``before`` is null): why. Unset if there is a value, null included."""
    after_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """The same for ``after``."""

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
"""The unit of a row in a table of differences."""


class ChangedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layer or a module with all its differences, as ``diff --by`` groups them.

    Both lrs are means, weighted by elements, over the tensors that train in a group on both sides. Both are null if no
    such tensor exists, or if one of these tensors has no lr.
    """

    name: str
    """The module's path, or the layer id; ``3 → 4`` if the id differs."""
    tensors: int
    """Number of tensors on either side."""
    parameters: int
    """Number of elements of these tensors."""
    changed: int
    """Tensors that differ in any compared aspect, including those on one side only."""
    only_before: int
    """Tensors that only the first side has, or has in a group."""
    only_after: int
    """The same for the second side."""
    aspects: Mapping[str, int]
    """Number of tensors by the aspect that differs."""
    lr_before: float | None
    lr_after: float | None
    factor: float | None
    """``lr_after`` divided by ``lr_before``."""
    lowest_factor: float | None
    """The lowest factor of any tensor."""
    highest_factor: float | None
    """The highest factor of any tensor."""


class Difference(Displayed, frozen=True, forbid_unknown_fields=True):
    """All differences between two maps, as ``diff --format json`` writes them."""

    schema_version: int
    tool: Tool
    before: ConfigSource
    after: ConfigSource
    identical: bool
    """True if no parameter and no future lr differs. A setting that changes no parameter does not count."""
    settings: tuple[SettingChange, ...]
    changes: tuple[FoldedChange, ...]
    coming: Coming | None = None
    """The values that the schedulers will set after the checkpoint; null without a config or without a checkpoint."""
    packages: tuple[PackageChange, ...] = ()
    """Packages that differ between the two maps' environments; empty if a checkpoint is compared."""
    cause: Cause | None = None
    """Why the maps of two configs differ; null if they are identical or none of the causes applies."""
    before_source: str = ""
    """The first side as the user named it; ``before.path`` of an exported map is the config that it was built from."""
    after_source: str = ""
    """The same for the second side."""
    summary: tuple[str, ...] = ()
    """Up to three sentences: what changed, what exists on one side only, and why."""
    only_before: int = 0
    """Tensors that only the first side has, or has in a group; with ``--only``, those without a compared value."""
    only_after: int = 0
    """The same for the second side."""
    by: Grouping = "parameter"
    parts: tuple[ChangedPart, ...] = ()
    """Layers or modules with differences, in the model's order; empty for ``parameter``."""

    def headline(self) -> str:
        """Both sides, and the number of tensors that differ by aspect."""
        sides = f"{self.before_source or self.before.path} → {self.after_source or self.after.path}"
        if self.identical:
            return f"{sides}: identical"
        names = {name for change in self.changes for name in change.parameters}
        aspects = ", ".join(dict.fromkeys(change.aspect for change in self.changes))
        return f"{sides}: {count(len(names), 'tensor')} differ{f' ({aspects})' if aspects else ''}"


BASELINE_SCHEMA_VERSION = 1

State = Literal["written", "updated", "unchanged", "missing", "outdated"]
"""The result for a file; ``missing`` and ``outdated`` occur with ``--check``, which writes nothing."""


class BaselineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baseline of one config."""

    config: str
    file: str
    state: State
    changes: int | None
    """Parameters that differ from the earlier content of the file; null for a new file."""


class BaselineResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The results of one run of ``baseline``."""

    schema_version: int
    tool: Tool
    baselines: tuple[BaselineRecord, ...]
    unjudged: tuple[Skipped, ...]
    """Configs that could not be built; their baselines are unchanged."""
