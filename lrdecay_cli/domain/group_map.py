"""The group map: it lists the parameter groups of an optimizer, and the parameters in no group.

A parameter is a tensor that the model registers (``nn.Module.named_parameters``). ``numel`` counts its elements.
Learning rates are the optimizer's absolute values per step, at the start of the training. ``lr_scale`` is the lr
divided by the base lr.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from lrdecay_cli.domain.display import Displayed, render
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.live import LiveOptimizer
from lrdecay_cli.domain.stack import Distribution
from lrdecay_cli.domain.tensors import Duplicate, GroupedParameter, Parameter, ParameterGroup, Tensor, TensorState
from lrdecay_cli.domain.training import (
    Batch,
    Checkpoint,
    Constructor,
    Model,
    Module,
    Optimizer,
    Training,
    Wrapping,
    takes_turn,
)
from lrdecay_cli.text.counting import count

if TYPE_CHECKING:
    import os

SCHEMA_VERSION = 2
"""Version of the JSON format. Schema 1 has some facts only inside texts. Schema 2 adds them as fields: ``foreign``,
``optimizer``, ``named``, ``types``, and ``basis``, ``cause`` and ``expression`` of a formula. Maps of schema 1 are
converted when they are read.
"""
READABLE = (1, SCHEMA_VERSION)

__all__ = [
    "READABLE",
    "SCHEMA_VERSION",
    "ConfigSource",
    "Duplicate",
    "GroupMap",
    "GroupedParameter",
    "Parameter",
    "ParameterGroup",
    "Stub",
    "Tensor",
    "TensorState",
    "Tool",
    "UnknownName",
]


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version of lrdecay that made the map."""

    name: str
    version: str


class ConfigSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The source of a group map: a config, a checkpoint or a running program."""

    path: str
    """Path of the source, as given on the command line."""
    sha256: str
    """SHA-256 of the config's resolved text: bases merged, overrides applied, keys sorted. For a checkpoint, SHA-256 of
    its pickle, which contains everything except the tensors.
    """
    overrides: Mapping[str, Any]
    """The values of ``--cfg-options``, as given on the command line."""


class Stub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stub with which lrdecay replaces a missing or unusable dependency."""

    name: str
    reason: str


class UnknownName(LrdecayError, KeyError):  # noqa: N818
    """Raised for the name of a parameter or group that is not in the map."""

    # KeyError shows its message as repr.
    def __str__(self) -> str:
        return self.line()


class GroupMap(Displayed, frozen=True, forbid_unknown_fields=True, dict=True):
    """The parameter groups that the config's own constructor built. Every parameter of the model is listed once.

    Each parameter is in one group, is frozen, or is missing from all groups. If optimizers step alternately
    (``optimizer.turns``), a parameter may be in one group of each optimizer.

    ``group_map["backbone.norm3.weight"]`` returns a :class:`Tensor`. ``in`` and ``for`` use parameter names. ``print``
    shows the output of ``lrdecay inspect``.
    """

    schema_version: int
    tool: Tool
    stack: Mapping[str, str]
    """Version of every package that took part in the build, by import name."""
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
    stubs: tuple[Stub, ...] = msgspec.field(name="stand_ins")
    """Replacements for missing dependencies. In JSON, the field has its name from schema 1: ``stand_ins``."""
    modules: Mapping[str, Module]
    """Every module that registers parameters, by its path, in the model's order."""
    training: Training
    checkpoint: Checkpoint | None
    """The checkpoint that the map was read from; null for a config."""
    wrapping: Wrapping | msgspec.UnsetType = msgspec.UNSET
    """The effect of the model wrapper, if the config names one. ``groups`` are the groups of the unwrapped model."""
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    """Batch size and number of GPUs. Unset if the groups depend on neither, and in maps of older lrdecay versions."""
    distributions: Mapping[str, Distribution] | msgspec.UnsetType = msgspec.UNSET
    """Installed distribution of each package in ``stack``, if known.

    Unset for a checkpoint, and in maps of older lrdecay versions.
    """

    live: LiveOptimizer | msgspec.UnsetType = msgspec.UNSET
    """Facts about the program's optimizers, if the groups come from a running program without a config."""

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors. A shared tensor has one entry for each of its names.

        The order is: tensors in groups, in the optimizer's order; frozen tensors; trainable tensors in no group;
        further names of shared tensors.
        """
        return self._tensors

    def memberships(self) -> tuple[Tensor, ...]:
        """Return one entry for each tensor and group, in the order of :meth:`tensors`.

        A tensor has more than one entry only if several optimizers step it alternately.
        """
        if not self.optimizer.turns:
            return self._tensors
        return tuple(held for tensor in self._tensors for held in tensor.in_groups())

    def names(self, *, duplicates: bool = False) -> list[str]:
        """Return the name of every parameter, in the order of :meth:`tensors`.

        With ``duplicates``, the further names of shared tensors are included.
        """
        return [tensor.name for tensor in self._tensors if duplicates or tensor.state != "duplicate"]

    def grouped(self) -> Iterator[tuple[ParameterGroup, GroupedParameter]]:
        """Yield every parameter in a group, together with the group, in the optimizer's order.

        If several optimizers step a parameter alternately (``optimizer.turns``), yield it once for each optimizer.
        """
        for group in self.groups:
            for parameter in group.parameters:
                yield group, parameter

    def headline(self) -> str:
        """Return config, optimizer, number of groups and tensors, and the range of lrs in one line."""
        totals = self.model.totals
        lrs = sorted(group.lr for group in self.groups if group.lr is not None)
        span = [f"lr {span_of(lrs)}"] if lrs else []
        missing = [f"{totals.missing_tensors:,} missing"] if totals.missing_tensors else []
        held = (
            f"{count(len(self.groups), 'group')} with {totals.grouped_tensors:,} of {count(totals.tensors, 'tensor')}"
        )
        return f"{self.config.path}: {', '.join([self.model.type, self.optimizer.type, held, *span, *missing])}"

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor with this name. A shared tensor is found under each of its names.

        Raises:
            KeyError: no parameter has this name. The message suggests similar names.
        """
        found = self._by_name.get(name)
        if found is None:
            raise _unknown("parameter", name, self._by_name, self.config.path)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def group(self, name: str) -> ParameterGroup:
        """Return the group with this name, such as ``layer_3_decay``.

        Raises:
            KeyError: no group has this name. The message suggests similar names.
        """
        found = {group.name: group for group in self.groups}
        if name not in found:
            raise _unknown("group", name, found, self.config.path)
        return found[name]

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each parameter in the model's order, for ``pandas.DataFrame(group_map.rows())``.

        If several optimizers step a tensor alternately, it has one row for each group. ``numel`` counts elements.
        """
        return [tensor.row() for tensor in sorted(self.memberships(), key=lambda tensor: tensor.position)]

    def plot(self, ax: Any = None) -> Any:
        """Draw the lr of every group, and return the matplotlib axes.

        Args:
            ax: axes to draw on; a new figure if None.

        Raises:
            LrdecayError: matplotlib is not installed.
        """
        return render("plot", self, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the map as JSON atomically, in the format of ``lrdecay inspect --format json``.

        Raises:
            LrdecayError: the file cannot be written or does not end with ``.json``, or the map contains a NaN or an
                infinity, which JSON does not support.
        """
        render("save", self, path)

    @property
    def lr_factor(self) -> float:
        """The factor of ``auto_scale_lr``: lr = base lr × lr scale × factor. 1 if ``auto_scale_lr`` is off."""
        return (self.batch.lr_factor if self.batch else None) or 1.0

    @property
    def is_wrapped(self) -> bool:
        """True if the model only wraps the real model, ``model.module``. mmengine's constructors use the real model."""
        return any(path == "module" or path.startswith("module.") for path in self.modules)

    @cached_property
    def registered(self) -> Mapping[str, Module]:
        """The module that registers each parameter, by parameter name, in the model's order.

        Empty for a checkpoint that was read without a config.
        """
        return {
            f"{path}.{own}" if path else own: module
            for path, module in self.modules.items()
            for own in module.parameters
        }

    @cached_property
    def _by_name(self) -> Mapping[str, Tensor]:
        return {tensor.name: tensor for tensor in self._tensors}

    # Cached in ``__dict__``, which comparison and encoding ignore: a map of 50,000 tensors is queried often.
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
                    # A tensor that is also in a second group is listed once, under the first group.
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


def span_of(values: Sequence[float]) -> str:
    """Return the range of ascending numbers as text, rounded to three digits: ``1e-05 to 0.0001``.

    If both ends have the same text, the result is a single number.
    """
    ends = [f"{value:.3g}" for value in (values[0], values[-1])]
    return " to ".join(dict.fromkeys(ends))


def _unknown(kind: str, name: object, names: Iterable[str], where: str) -> UnknownName:
    # Imported late: regular expressions slow down a cached result.
    from lrdecay_cli.text.spelling import did_you_mean

    return UnknownName(f"no {kind} {name!r}", where=where, fix=did_you_mean(str(name), names))
