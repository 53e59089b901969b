"""The optimizers of a group map, with their groups and the measured effects of lr and weight decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.optimizer_effects import OptimizerEffects


class MeasuredOptimizer(NamedTuple):
    """An optimizer of a group map, with the measured effects of lr and weight decay in its class."""

    effects: OptimizerEffects
    groups: tuple[ParameterGroup, ...]
    """Groups with at least one trainable tensor."""

    @property
    def label(self) -> str:
        """The optimizer's class with its package and version, for example ``Rprop (torch 2.13.0)``."""
        return self.effects.label

    @property
    def lrs(self) -> list[float]:
        """Distinct lrs of the groups, ascending."""
        return sorted({group.lr for group in self.groups if group.lr is not None})

    @property
    def decays(self) -> list[float]:
        """Distinct weight decays of the groups, ascending. A group without weight decay counts as 0."""
        return sorted({group.weight_decay or 0.0 for group in self.groups})

    def moves_at_zero(self, group: ParameterGroup) -> bool:
        """Return True if the optimizer updates the tensors of a group whose lr is 0."""
        at_zero = self.effects.at_zero
        return at_zero == "trains" or (at_zero == "decays" and bool(group.weight_decay))


def measured_optimizers(group_map: GroupMap) -> Iterator[MeasuredOptimizer]:
    """Yield those optimizers of the group map for which the effects of lr and weight decay were measured."""
    for name, effects in group_map.optimizer.effects.items():
        groups = tuple(
            group
            for group in group_map.groups
            if group.optimizer == name and any(parameter.requires_grad for parameter in group.parameters)
        )
        yield MeasuredOptimizer(effects, groups)


def trained_names(*groups: ParameterGroup) -> list[str]:
    """Return the names of all trainable tensors in the groups."""
    return [parameter.name for group in groups for parameter in group.parameters if parameter.requires_grad]
