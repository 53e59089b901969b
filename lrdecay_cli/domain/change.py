"""Records of the commands ``diff`` (differences of two group maps) and ``baseline`` (results for baseline files)."""

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
"""The aspects of a parameter that can differ between two maps, in the order of reports.

============  ==============================================  ====================================================
aspect        before and after                                reported for
============  ==============================================  ====================================================
added         None, the tensor's state                        a name that only the second model has
removed       the tensor's state, None                        a name that only the first model has
renamed       the old name, the new name                      a module that moved with all its parameters unchanged
state         ``grouped``, ``grouped twice``, ``frozen``,     ``frozen`` and ``missing`` tensors are in
              ``missing``, ``duplicate``                      no group, ``duplicate`` is another name of a tensor
frozen        True if ``requires_grad`` is False              every tensor, in a group or not
shape         the tensor's shape                              every tensor, in a group or not
group         the group's name; ``group_*`` for a numbered    a tensor in a group in both maps; the same applies to
              group, because numbers are arbitrary            all rows below
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
"""Why one of the two compared maps has no value of a setting.

``absent``: the config does not set the value. ``not recorded``: the map or checkpoint does not record the value.
"""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A difference of one parameter between two maps, in one aspect such as the lr."""

    parameter: str
    """The parameter's name in the first map; for an added parameter, the name in the second map."""
    aspect: Aspect
    before: Any
    after: Any


class FoldedChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same change of several parameters, with a name pattern that matches exactly these parameters."""

    pattern: str
    aspect: Aspect
    before: Any
    """The value in the first map. For the aspect ``renamed``: the old name pattern, equal to ``pattern``."""
    after: Any
    """The value in the second map. For the aspect ``renamed``: the new name pattern."""
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
    """A setting of the whole run, such as the base lr, that differs between two maps.

    Such a setting may be the reason why the lr or weight decay of single parameters differs.
    """

    name: str
    """The setting's path in the map, for example ``constructor.options.decay_rate``."""
    before: Any
    after: Any
    before_option: Option | msgspec.UnsetType = msgspec.UNSET
    """The option in the first config that sets the value; for a dict, the first entry that differs.

    Unset if unknown.
    """
    after_option: Option | msgspec.UnsetType = msgspec.UNSET
    """The option in the second config that sets the value; for a dict, the first entry that differs."""
    before_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """Why the first map has no value (``before`` is null). Unset if the first map has a value, even if it is null."""
    after_unset: Unset | msgspec.UnsetType = msgspec.UNSET
    """Why the second map has no value (``after`` is null). Unset if the second map has a value, even if it is null."""

    @property
    def option(self) -> str:
        """The setting's path in the config, for example ``optim_wrapper.paramwise_cfg.decay_rate``."""
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
    """All differences in one layer or module: a row of ``diff --by layer`` or ``diff --by module``.

    ``lr_before`` is the mean lr in the first map, and ``lr_after`` in the second map. Both means use only tensors that
    are trainable and in a group in both maps, weighted by the number of elements. Both means are null if there is no
    such tensor, or if one of these tensors has no lr.
    """

    name: str
    """The module's path, or the layer id. For example, ``3 → 4`` if the layer id differs between the two maps."""
    tensors: int
    """Number of tensors in the first map, the second map or both."""
    parameters: int
    """Number of elements of these tensors."""
    changed: int
    """Number of tensors that differ in any compared aspect, including tensors that only one map has."""
    only_before: int
    """Number of tensors that only the first map has, or that only the first map has in a group."""
    only_after: int
    """Number of tensors that only the second map has, or that only the second map has in a group."""
    aspects: Mapping[str, int]
    """For each aspect: number of tensors that differ in this aspect."""
    lr_before: float | None
    lr_after: float | None
    factor: float | None
    """``lr_after`` divided by ``lr_before``."""
    lowest_factor: float | None
    """The lowest factor (second lr ÷ first lr) of a single tensor."""
    highest_factor: float | None
    """The highest factor (second lr ÷ first lr) of a single tensor."""


class Difference(Displayed, frozen=True, forbid_unknown_fields=True):
    """All differences between two maps, as ``diff --format json`` writes them."""

    schema_version: int
    tool: Tool
    before: ConfigSource
    after: ConfigSource
    identical: bool
    """True if all parameters, and all lrs that schedulers will set after a checkpoint, are equal in both maps.

    Settings that change no parameter are ignored.
    """
    settings: tuple[SettingChange, ...]
    changes: tuple[FoldedChange, ...]
    coming: Coming | None = None
    """The values that the schedulers will set after the checkpoint; null without a config or without a checkpoint."""
    packages: tuple[PackageChange, ...] = ()
    """Packages that differ between the two maps' environments; empty if a checkpoint is compared."""
    cause: Cause | None = None
    """Why the maps of two configs differ; null if the maps are identical or no cause is found."""
    before_source: str = ""
    """The first config, map or checkpoint, as the user named it.

    For an exported map, ``before.path`` is instead the config from which the map was built.
    """
    after_source: str = ""
    """The second config, map or checkpoint, as the user named it."""
    summary: tuple[str, ...] = ()
    """Up to three sentences: what differs, what only one of the two maps contains, and why the maps differ."""
    only_before: int = 0
    """Number of tensors that only the first map has, or that only the first map has in a group.

    With ``--only``, a tensor counts only if the second map has no value to compare, for example no lr.
    """
    only_after: int = 0
    """Number of tensors that only the second map has, or that only the second map has in a group.

    With ``--only``, a tensor counts only if the first map has no value to compare, for example no lr.
    """
    by: Grouping = "parameter"
    parts: tuple[ChangedPart, ...] = ()
    """Layers or modules with differences, in the model's order. Empty if ``by`` is ``parameter``."""

    def headline(self) -> str:
        """Return a line with the two compared sources, the number of tensors that differ, and the changed aspects."""
        sides = f"{self.before_source or self.before.path} → {self.after_source or self.after.path}"
        if self.identical:
            return f"{sides}: identical"
        names = {name for change in self.changes for name in change.parameters}
        aspects = ", ".join(dict.fromkeys(change.aspect for change in self.changes))
        return f"{sides}: {count(len(names), 'tensor')} differ{f' ({aspects})' if aspects else ''}"


BASELINE_SCHEMA_VERSION = 1

State = Literal["written", "updated", "unchanged", "missing", "outdated"]
"""Result for a baseline file. ``missing`` and ``outdated`` occur only with ``--check``, which writes no file."""


class BaselineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of the command ``baseline`` for one config."""

    config: str
    file: str
    state: State
    changes: int | None
    """Number of parameters that differ from the earlier content of the file. Null for a new file."""


class BaselineResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The results of one run of the command ``baseline``."""

    schema_version: int
    tool: Tool
    baselines: tuple[BaselineRecord, ...]
    unjudged: tuple[Skipped, ...]
    """Configs that could not be built; their baselines are unchanged."""
