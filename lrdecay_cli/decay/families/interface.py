"""The interface of a backbone family: the supported classes, and the rules that map a parameter name to a layer id."""

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
_RENAME = "give the module a name with an integer index"


class LayerRule(Protocol):
    """A function that maps a parameter name to its layer id.

    The function returns a :class:`Formula`. The ``result`` of the formula is the layer id. The ``cause`` is a pattern
    that the name matches, for example ``backbone.layers.<block>``. It contains only the dotted parts of the name that
    the function checks. For names in the backbone, the pattern starts with the backbone's prefix.

    Raises:
        DecayError: the name looks like a block of the family, but has no layer id.
    """

    def __call__(
        self, name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX
    ) -> Formula:
        """Return the layer id of a parameter: 0 in the stem, ``num_layers + 1`` outside the backbone."""
        ...


Placement = Callable[[str, DecayType, int, tuple[int, ...], str], Formula | None]
"""Function that returns the layer id of a parameter for which the layer rule is wrong; None for all other parameters.

For example, mmdet's layer rule gives the norm after a stage (``norm3``) the head's layer id. The function returns the
layer id of the last block in this stage. Arguments: name, decay type, ``num_layers``, depths and prefix.
"""

Depths = Callable[[Iterable[str], str], tuple[int, ...]]
"""Maps parameter names and the backbone's prefix to the number of blocks per stage; ``()`` if there are no blocks."""


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The names of the backbone classes that a family supports."""

    names: tuple[str, ...]
    within: bool = False
    """True: the family supports every class whose name contains one of ``names``. False: only the classes ``names``."""

    def match(self, class_name: str) -> bool:
        """True if the family supports a class with this name."""
        if self.within:
            return any(name in class_name for name in self.names)
        return class_name in self.names

    def __str__(self) -> str:
        return ", ".join(f"*{name}*" if self.within else name for name in self.names)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of backbone classes with the same parameter names, and the rules for the layer ids of these names."""

    name: str
    classes: ClassNames
    rules: Mapping[DecayType, LayerRule]
    """The layer rule for each supported decay type."""
    depths: Depths
    fitting_num_layers: Callable[[tuple[int, ...]], int]
    """Maps the number of blocks per stage to the ``num_layers`` that fits ``layer_wise`` decay.

    With this number, layer ids have no gap and no overlap, see :meth:`fitting`.
    """
    must_fit: bool = True
    """True if a ``num_layers`` that does not fit is an error. False for mmdet's families, because mmdet accepts any
    number.
    """
    placement: Placement | None = None
    """Called before the layer rule, but not with ``strict_compat=True``.

    With this option, layer ids are the same as in mmdet and mmpretrain.
    """
    stages: int | None = None
    """Number of stages that the rules expect; None for any number."""
    added: tuple[str, ...] = ()
    """Modules and parameters of the backbone that are not pretrained. They get the head's layer id."""
    output_norms: bool = False
    """True if the backbone has one norm layer for each output stage.

    For example, a detector's ConvNeXt has ``norm0`` to ``norm3``. A classifier's ConvNeXt has only ``norm3``.
    """

    def fitting(self, decay_type: DecayType, depths: tuple[int, ...]) -> int:
        """Return the ``num_layers`` that fits a backbone.

        With this number, no layer id between stem and head is unused (a gap), and no two different layers get the same
        layer id (an overlap). For ``stage_wise`` layer decay, ``num_layers`` is the number of stages.
        """
        return len(depths) if decay_type == "stage_wise" else self.fitting_num_layers(depths)


def depths_by(pattern: str, first_stage: int = 0) -> Depths:
    """Return a function that finds the number of blocks per stage in parameter names.

    ``pattern`` is a regular expression for the name of a block's parameter, without the backbone's prefix. Its first
    group matches the index of the stage, if the backbone has stages. Its last group matches the index of the block.

    The number of blocks is the highest block index plus 1. A block is therefore counted even if no parameter name
    contains its index: it may have no parameters, or share all of them with an earlier block. The first stage without a
    block ends the search. The result is, for example, ``(3, 3, 9, 3)`` for ConvNeXt-T and ``(12,)`` for ViT-B.
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
    """Return layer id 0 for a token or position embedding directly in the backbone, such as ``backbone.cls_token``.

    Return None for all other names.
    """
    own = name.removeprefix(prefix) if name.startswith(prefix) else "."
    if "." not in own and kind_of(own, None, ()) in ("token", "position", "query"):
        return by_name(name, "0", "0", 0)
    return None


def with_the_head(num_layers: int) -> Formula:
    """Return the head's layer id, the highest one, for parameters outside the backbone."""
    inputs = {"num_layers": num_layers}
    return arrow("fallback", FALLBACK, "num_layers + 1", f"{num_layers} + 1", num_layers + 1, inputs)


def index_part(name: str, parts: list[str], position: int, unit: str) -> int:
    """Return the integer at a position of a dotted name. ``int()`` parses it, so ``-1`` and ``1_0`` are integers.

    Args:
        name: the full name, for errors.
        parts: the parts of the name after the backbone's prefix.
        position: index of the integer in ``parts``.
        unit: the word for the integer in errors: ``stage``, ``block``.

    Raises:
        DecayError: the part is missing or not an integer.
    """
    after = ".".join(parts[:position])
    if position >= len(parts):
        raise DecayError(f"the name has no {unit} index after {after!r}", where=name, fix=_RENAME)
    try:
        return int(parts[position])
    except ValueError:
        raise DecayError(
            f"{parts[position]!r} after {after!r} is not a {unit} index", where=name, fix=_RENAME
        ) from None


def outside(name: str, unit: str, index: int, count: int, first: int = 0) -> DecayError:
    """Return the error for an index outside the allowed range, which has ``count`` values and starts at ``first``."""
    allowed = f"allowed: {unit} {first} to {first + count - 1}"
    return DecayError(f"{unit} {index} has no layer id", where=name, fix=allowed)
