"""What rules look at: one group map, with what several of them would otherwise work out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from lrdecay_cli.analysis.patterns import Universe
from lrdecay_cli.analysis.selection import Entry, entries
from lrdecay_cli.decay import Family, find_family
from lrdecay_cli.decay.constructors.custom_keys import KeyMatches, custom_key_matches
from lrdecay_cli.decay.constructors.multipliers import Multiplier, multipliers_set
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Module
from lrdecay_cli.rules.parameter_kinds import Kind, kind_of
from lrdecay_cli.rules.project_word import NOTHING_SAID, ProjectWord
from lrdecay_cli.rules.schedulers import Scheduler, schedulers_of

MMDET_DECAY = "LearningRateDecayOptimizerConstructor"
MMPRETRAIN_DECAY = "LearningRateDecayOptimWrapperConstructor"
DEFAULT = "DefaultOptimWrapperConstructor"
LRDECAY = "LayerDecayOptimWrapperConstructor"

PARAMWISE = "optim_wrapper.paramwise_cfg"
"""Where the constructor's options stand in a config."""


class Subject:
    """A group map, and the views of it that rules share. Nothing here needs torch.

    Args:
        group_map: what was built.
        word: what the project itself says about it.
        place: what findings are about where it is not the map's config: a settings file.
    """

    def __init__(self, group_map: GroupMap, word: ProjectWord = NOTHING_SAID, *, place: str | None = None) -> None:
        self.group_map = group_map
        self.word = word
        self.place = place or group_map.config.path

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

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """What the parameters are for, where weight decay cares."""
        found: dict[str, Kind] = {}
        for name, entry in self.entries.items():
            module = self.module(name)
            kind = kind_of(name, module, entry.parameter.shape) if module else None
            if kind:
                found[name] = kind
        return found

    @cached_property
    def weight_decays(self) -> Mapping[str, float]:
        """Weight decay of every trainable parameter that is in a group with one."""
        return {
            parameter.name: group.weight_decay
            for group, parameter in self.group_map.grouped()
            if parameter.requires_grad and group.weight_decay is not None
        }

    @cached_property
    def has_exemptions(self) -> bool:
        """Whether some trainable parameters are decayed and others are not."""
        return {bool(weight_decay) for weight_decay in self.weight_decays.values()} == {True, False}

    @cached_property
    def custom_keys(self) -> Mapping[str, KeyMatches]:
        """What became of every custom key, where the constructor is known to read them."""
        try:
            return custom_key_matches(self.group_map)
        except DecayError:  # an lr that is no number
            return {}

    @cached_property
    def multipliers(self) -> tuple[Multiplier, ...]:
        """The ``*_mult`` options that are set, where the constructor is known to read them."""
        return multipliers_set(self.constructor, self.options)

    @cached_property
    def switched_off(self) -> frozenset[str]:
        """Parameters that an option or a custom key with a decay multiplier loses to a custom key."""
        found: set[str] = set()
        for matches in self.custom_keys.values():
            for option, names in matches.switches_off.items():
                if option.endswith("decay_mult"):
                    found.update(names)
            if "decay_mult" in matches.settings:
                found.update(matches.loses)
        return frozenset(found)

    @cached_property
    def schedulers(self) -> tuple[Scheduler, ...]:
        """The config's schedulers of the lr."""
        return schedulers_of(self.group_map)
