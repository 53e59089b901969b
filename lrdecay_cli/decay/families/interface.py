"""The interface of a backbone family: the supported names, and the rule from a parameter name to a layer id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Protocol

from lrdecay_cli.decay.options import DecayError, DecayType
from lrdecay_cli.decay.parameter_kinds import kind_of
from lrdecay_cli.domain.provenance import FALLBACK, Formula, arrow, by_name

BACKBONE_PREFIX = "backbone."
_RENAME = "a name under this module must have an integer there"


class LayerRule(Protocol):
    """From a parameter name to its layer id, with the rule that matched.

    The ``cause`` of the formula is the pattern that matched. A pattern of the backbone starts with the prefix and has
    as many dotted parts as the rule checks.

    Raises:
        DecayError: the name looks like a block of the family, but has no layer.
    """

    def __call__(
        self, name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX
    ) -> Formula:
        """Return the layer id from 0 (the stem) to ``num_layers + 1`` (everything outside the backbone)."""
        ...


Placement = Callable[[str, DecayType, int, tuple[int, ...], str], Formula | None]
"""Returns the layer id of norm layers, tokens and position embeddings to which a layer rule gives the head's id; None
for all other names. Arguments: name, decay type, ``num_layers``, depths and prefix."""

Depths = Callable[[Iterable[str], str], tuple[int, ...]]
"""Blocks per stage from parameter names and the backbone's prefix; ``()`` without any block."""


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The backbone classes that a family supports, by name."""

    names: tuple[str, ...]
    within: bool = False
    """True to also match class names that contain one of the names."""

    def match(self, class_name: str) -> bool:
        """True if the family supports a class of this name."""
        if self.within:
            return any(name in class_name for name in self.names)
        return class_name in self.names

    def __str__(self) -> str:
        return ", ".join(f"*{name}*" if self.within else name for name in self.names)


@dataclass(frozen=True, slots=True)
class Family:
    """Backbones with the same parameter names."""

    name: str
    classes: ClassNames
    rules: Mapping[DecayType, LayerRule]
    """The supported decay types and their rules."""
    depths: Depths
    fitting_num_layers: Callable[[tuple[int, ...]], int]
    """The ``num_layers`` that gives layer ids without a gap or an overlap, for given depths in ``layer_wise``."""
    must_fit: bool = True
    """True if another ``num_layers`` is an error. mmdet accepts any number, so its own families do too."""
    placement: Placement | None = None
    """Tried before the rules, unless the config requires mmdet's and mmpretrain's own ids."""
    stages: int | None = None
    """Number of stages that the rules expect; None for any number."""
    added: tuple[str, ...] = ()
    """Modules and parameters of the backbone that are not pretrained: they train with the head."""
    output_norms: bool = False
    """True if each output stage has a ``norm<i>``; classifiers, which provide the pretrained weights, only output the
    last stage."""

    def fitting(self, decay_type: DecayType, depths: tuple[int, ...]) -> int:
        """Return the ``num_layers`` without a gap or an overlap: by layer, or one id per stage."""
        return len(depths) if decay_type == "stage_wise" else self.fitting_num_layers(depths)


def depths_by(pattern: str, first_stage: int = 0) -> Depths:
    """Return a function that reads depths by a regular expression for a block's name after the prefix.

    Its groups are the stage, if the backbone has any, and the block. The highest block index counts, not the number of
    names: PyTorch lists a tensor shared by several blocks only under the first one, and a block may have no parameters.
    The first stage without a block ends the depths; ``(3, 3, 9, 3)`` for ConvNeXt-T, ``(12,)`` for ViT-B.
    """

    def depths(names: Iterable[str], prefix: str) -> tuple[int, ...]:
        matcher = re.compile(re.escape(prefix) + pattern, re.ASCII)
        found: dict[int, int] = {}
        for name in names:
            if match := matcher.match(name):
                *stages, block = map(int, match.groups())
                stage = stages[0] if stages else first_stage
                found[stage] = max(found.get(stage, 0), block + 1)
        rising = takewhile(found.__contains__, count(first_stage))
        return tuple(found[stage] for stage in rising)

    return depths


def with_the_stem(name: str, prefix: str) -> Formula | None:
    """Return layer id 0 for a token or position embedding that the backbone itself registers."""
    own = name.removeprefix(prefix) if name.startswith(prefix) else "."
    if "." not in own and kind_of(own, None, ()) in ("token", "position", "query"):
        return by_name(name, "0", "0", 0)
    return None


def with_the_head(num_layers: int) -> Formula:
    """Return the highest layer id, for parameters outside the backbone."""
    inputs = {"num_layers": num_layers}
    return arrow("fallback", FALLBACK, "num_layers + 1", f"{num_layers} + 1", num_layers + 1, inputs)


def index_part(name: str, parts: list[str], position: int, what: str) -> int:
    """Return the integer at a position of a dotted name, parsed by ``int()``: ``-1`` and ``1_0`` are integers.

    ``parts`` follow the backbone's prefix; ``what`` names the integer in errors: ``stage``, ``block``.

    Raises:
        DecayError: the part is missing or not an integer.
    """
    after = ".".join(parts[:position])
    if position >= len(parts):
        raise DecayError(f"the name ends where a {what} index belongs, after {after!r}", where=name, fix=_RENAME)
    try:
        return int(parts[position])
    except ValueError:
        raise DecayError(
            f"{parts[position]!r} after {after!r} is not a {what} index", where=name, fix=_RENAME
        ) from None


def outside(name: str, what: str, index: int, count: int, first: int = 0) -> DecayError:
    """Return the error for an index outside ``count`` values from ``first`` on."""
    allowed = f"allowed: {what} {first} to {first + count - 1}"
    return DecayError(f"{what} {index} has no layer id", where=name, fix=allowed)
