"""What a backbone family is: the names it serves, and how a parameter name becomes a layer id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from lrdecay_cli.decay.options import DecayType
from lrdecay_cli.domain.provenance import Formula

BACKBONE_PREFIX = "backbone."


class LayerRule(Protocol):
    """From a parameter name to its layer id, with the rule that matched.

    The ``cause`` of the formula is the pattern that matched. A pattern of the backbone starts with the prefix and has
    as many dotted parts as the rule looks at.

    Raises:
        DecayError: the name belongs to the family's blocks, but has no place among them.
    """

    def __call__(
        self, name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX
    ) -> Formula:
        """Layer id from 0 (the stem) to ``num_layers + 1`` (everything that is not the backbone's)."""
        ...


class Placement(Protocol):
    """Where those norm layers, tokens and position embeddings belong that a layer rule leaves with the head."""

    def __call__(
        self, name: str, decay_type: DecayType, num_layers: int, depths: tuple[int, ...], prefix: str
    ) -> Formula | None:
        """The step for such a parameter, None for one about which the layer rule decides."""
        ...


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The backbone classes that a family serves, by name."""

    names: tuple[str, ...]
    within: bool = False
    """True: a class name that merely contains one of the names is served too."""

    def match(self, class_name: str) -> bool:
        """Whether the family serves a class of this name."""
        if self.within:
            return any(name in class_name for name in self.names)
        return class_name in self.names

    def __str__(self) -> str:
        return ", ".join(f"*{name}*" if self.within else name for name in self.names)


@dataclass(frozen=True, slots=True)
class Family:
    """Backbones that name their parameters alike."""

    name: str
    classes: ClassNames
    rules: Mapping[DecayType, LayerRule]
    """The decay types that the family knows."""
    depths: Callable[[Iterable[str], str], tuple[int, ...]]
    """Blocks per stage from parameter names and the backbone's prefix; ``()`` where no block is found."""
    fitting_num_layers: Callable[[tuple[int, ...]], int]
    """The ``num_layers`` that makes layer ids rise without a gap or an overlap, for given depths in ``layer_wise``."""
    must_fit: bool = True
    """Whether another ``num_layers`` is an error. mmdet takes any, so its own families do."""
    placement: Placement | None = None
    """Asked before the rules, unless the config wants mmdet's and mmpretrain's own ids."""
    stages: int | None = None
    """How many stages the rules are made for; None if any number will do."""

    def fitting(self, decay_type: DecayType, depths: tuple[int, ...]) -> int:
        """The ``num_layers`` without a gap or an overlap: by layer, or one id for each stage."""
        return len(depths) if decay_type == "stage_wise" else self.fitting_num_layers(depths)
