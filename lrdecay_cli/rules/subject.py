"""What rules look at: one group map, with what several of them would otherwise work out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from lrdecay_cli.analysis.patterns import Universe
from lrdecay_cli.analysis.selection import Entry, entries
from lrdecay_cli.decay import Family, find_family
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Module

MMDET_DECAY = "LearningRateDecayOptimizerConstructor"
MMPRETRAIN_DECAY = "LearningRateDecayOptimWrapperConstructor"
DEFAULT = "DefaultOptimWrapperConstructor"
LRDECAY = "LayerDecayOptimWrapperConstructor"

PARAMWISE = "optim_wrapper.paramwise_cfg"
"""Where the constructor's options stand in a config."""


class Subject:
    """A group map, and the views of it that rules share. Nothing here needs torch."""

    def __init__(self, group_map: GroupMap) -> None:
        self.group_map = group_map

    @property
    def constructor(self) -> str:
        """Class name of the constructor, without its registry scope."""
        return self.group_map.constructor.type.rpartition(".")[2]

    @property
    def options(self) -> Mapping[str, Any]:
        """The constructor's ``paramwise_cfg``."""
        return self.group_map.constructor.options

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every parameter by name, in the model's order: grouped, frozen or missing."""
        found = {entry.parameter.name: entry for entry in entries(self.group_map)}
        return {name: found[name] for name in sorted(found, key=lambda name: self._positions.get(name, len(found)))}

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        names = (
            f"{path}.{name}" if path else name
            for path, module in self.group_map.modules.items()
            for name in module.parameters
        )
        return {name: position for position, name in enumerate(names)}

    def in_model_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names, each once, as the model has them; unknown ones last."""
        return tuple(sorted(dict.fromkeys(names), key=lambda name: self._positions.get(name, len(self._positions))))

    def module(self, parameter: str) -> Module | None:
        """The module that registers a parameter; None for one that is not the model's."""
        return self.group_map.modules.get(parameter.rpartition(".")[0])

    @cached_property
    def universe(self) -> Universe:
        """All names, to fold some of them."""
        return Universe([*self.entries, *(duplicate.name for duplicate in self.group_map.duplicates)])

    @cached_property
    def decay_rate(self) -> float | None:
        """The factor from a layer to the one below it, where the constructor has one."""
        rate = self.options.get("layer_decay_rate" if self.constructor == MMPRETRAIN_DECAY else "decay_rate")
        return float(rate) if isinstance(rate, (int, float)) and not isinstance(rate, bool) else None

    @cached_property
    def prefix(self) -> str:
        """What stands before the backbone's parameters: ``backbone.``, or more where a wrapper holds the model."""
        for name in self.entries:
            before, found, _ = f".{name}".partition(".backbone.")
            if found:
                return f"{before}.backbone.".removeprefix(".")
        return "backbone."

    @cached_property
    def family(self) -> Family | None:
        """The family of backbones that the model's is of, None if lrdecay knows none."""
        backbone = self.group_map.model.backbone
        return find_family(backbone) if backbone else None

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage of the backbone, read off the names; ``()`` where that cannot be done."""
        return self.family.depths(self.entries, self.prefix) if self.family else ()

    @cached_property
    def fitting_num_layers(self) -> int | None:
        """The ``num_layers`` that fits the backbone's depths, None where lrdecay does not know."""
        return self.family.fitting_num_layers(self.depths) if self.family and self.depths else None
