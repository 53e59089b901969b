"""Optimizers of tiny parameters, in groups that are equal to the real ones: what schedulers are run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.openmmlab.config_values import number


class _Groups(torch.optim.Optimizer):  # type: ignore[misc]
    """An optimizer that holds groups and never steps."""

    def step(self, closure: Any = None) -> None:
        """Do nothing."""


class StubOptimizer:
    """A stub for one optimizer of the config, in mmengine's own wrapper.

    Groups that are equal in their options are of one kind, and held once.

    Args:
        base: its own lr and weight decay.
        groups: what it holds.
        no_matter: options that groups may differ in and be of one kind; None to hold each group by itself.
        stacked: hold all kinds as one group whose options are arrays, a number for each kind. mmengine's schedulers
            compute with these as with numbers, bit for bit the same: they only add, subtract, multiply and divide.
    """

    def __init__(
        self,
        base: Mapping[str, float | None],
        groups: Sequence[ParameterGroup],
        no_matter: Sequence[str] | None,
        *,
        stacked: bool,
    ) -> None:
        alike: dict[str, list[ParameterGroup]] = {}
        for group in groups:
            options = {key: value for key, value in _values(group).items() if key not in (no_matter or ())}
            key = group.name if no_matter is None else repr(sorted(options.items()))
            alike.setdefault(key, []).append(group)
        self._members = [tuple(group.name for group in members) for members in alike.values()]
        kinds = [_values(members[0]) for members in alike.values()]
        self._stacked = stacked
        held = [_stacked(kinds)] if stacked else kinds
        defaults = {**kinds[0], **{key: value for key, value in base.items() if value is not None}}
        # mmengine keeps base settings beside the groups where there are several of these.
        further = [kinds[0]] if len(held) == 1 and len(groups) > 1 else []
        optimizer = _Groups([{"params": [_parameter()], **options} for options in [*held, *further]], defaults)
        self.wrapper = OptimWrapper(optimizer)
        del optimizer.param_groups[len(held) :]

    def holders(self) -> Iterator[tuple[list[tuple[str, ...]], dict[str, Any]]]:
        """The options that schedulers change, with the groups of each kind; mmengine's base settings are of none."""
        held = self.wrapper.optimizer.param_groups
        if self._stacked:
            yield self._members, held[0]
        else:
            yield from (([groups], options) for groups, options in zip(self._members, held, strict=True))
        if (base := getattr(self.wrapper, "base_param_settings", None)) is not None:
            yield [()], base


def _values(group: ParameterGroup) -> dict[str, Any]:
    return {"lr": group.lr, "weight_decay": group.weight_decay, **group.options}


def _parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(()))


def _stacked(kinds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options that have a value for each kind of group as an array where these differ."""
    return {key: _stacked_value([kind.get(key) for kind in kinds]) for key in kinds[0]}


def _stacked_value(values: Sequence[Any]) -> Any:
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, (int, float)) for value in values):
        return numpy.array(values, dtype=float)
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        # Betas.
        return [_stacked_value(each) for each in zip(*values, strict=True)]
    # A name, or whatever else no scheduler computes with.
    return first


def stub_optimizers(
    config: Config, group_map: GroupMap, no_matter: Sequence[str] | None, *, stacked: bool
) -> dict[str, StubOptimizer]:
    """A stub for each optimizer, by name; one without a name is under the empty string."""
    wrapper: Mapping[str, Any] = config.optim_wrapper
    named = {name: own for name, own in wrapper.items() if isinstance(own, Mapping) and "optimizer" in own}
    of = {name: [group for group in group_map.groups if group.optimizer == name] for name in named}
    if named and sum(map(len, of.values())) == len(group_map.groups) and all(of.values()):
        return {
            name: StubOptimizer(_base(named[name]["optimizer"]), groups, no_matter, stacked=stacked)
            for name, groups in of.items()
        }
    base = {"lr": group_map.base_lr, "weight_decay": group_map.base_weight_decay}
    return {"": StubOptimizer(base, group_map.groups, no_matter, stacked=stacked)}


def _base(optimizer: Mapping[str, Any]) -> dict[str, float | None]:
    return {key: number(optimizer.get(key)) for key in ("lr", "weight_decay")}
