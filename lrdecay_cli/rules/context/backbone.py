"""The blocks of a backbone in order of depth, derived from parameter names alone.

The order does not depend on the constructor, so rules can use it to check any constructor. The first number in a name
is the index of a block, as in ``layers.11``. If a second number follows, the first is the index of a stage and the
second the index of a block in this stage, as in ``stages.2.5``, ``stages.2.blocks.5`` and ``layer3.0``. Further numbers
are ignored.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from lrdecay_cli.domain.group_map import GroupedParameter, GroupMap, ParameterGroup

_ROWS = ("blocks", "layers", "block", "layer")
_NUMBERED = re.compile(r"(.*?)(\d+)", re.ASCII | re.DOTALL)


class Block(NamedTuple):
    """The block of a parameter, and the parameter's name within the block."""

    series: str
    """The block's module path with ``#`` instead of each number. For example ``stages.#.#`` for ``stages.2.5``."""
    place: tuple[int, ...]
    """Index of the stage, and index of the block in this stage. Only the index of the block if there are no stages."""
    rest: str
    """The parameter's name within the block."""


class BackboneTensor(NamedTuple):
    """A trainable parameter with its group, lr scale and block."""

    parameter: GroupedParameter
    group: ParameterGroup
    scale: float
    """Initial lr of the group ÷ base lr."""
    block: Block | None
    """The block that contains the parameter, such as ``layers.11``. None if no module in the name has a number."""

    @property
    def name(self) -> str:
        """The parameter's name in the model."""
        return self.parameter.name


class Backbone:
    """The trainable parameters of the backbone, and those of all other modules, such as neck and head.

    Args:
        group_map: the group map of the model.
        prefix: prefix of the backbone's parameter names.
        scale_of: function that returns a group's initial lr ÷ base lr.
        positions: index of each parameter name in the model.
    """

    def __init__(
        self,
        group_map: GroupMap,
        prefix: str,
        scale_of: Callable[[ParameterGroup], float | None],
        positions: Mapping[str, int],
    ) -> None:
        self.prefix = prefix
        self.tensors: list[BackboneTensor] = []
        self.others: list[BackboneTensor] = []
        """The trainable parameters outside the backbone."""
        for group, parameter in group_map.grouped():
            scale = scale_of(group)
            if not parameter.requires_grad or scale is None or math.isnan(scale):
                continue
            inside = parameter.name.startswith(prefix)
            block = block_of(parameter.name.removeprefix(prefix)) if inside else None
            (self.tensors if inside else self.others).append(BackboneTensor(parameter, group, scale, block))
        self.tensors.sort(key=lambda tensor: positions.get(tensor.name, -1))

    @cached_property
    def head_scale(self) -> float | None:
        """The head's lr scale, which is the most frequent lr scale outside the backbone.

        None if the backbone, or the rest of the model, has no trainable parameters.
        """
        if not self.tensors or not self.others:
            return None
        (scale, _), *_ = Counter(tensor.scale for tensor in self.others).most_common(1)
        return scale

    def at_head(self, tensor: BackboneTensor) -> bool:
        """Return True if a parameter trains at the head's lr."""
        return self.head_scale is not None and math.isclose(tensor.scale, self.head_scale, rel_tol=1e-9)

    @cached_property
    def main_series(self) -> str:
        """Name pattern of the backbone's blocks, such as ``stages.#.#``; empty if the backbone has no blocks.

        It is the pattern with the most parameters, and at least two modules must match it.
        """
        places: dict[str, list[tuple[int, ...]]] = {}
        for tensor in self.tensors:
            if tensor.block:
                places.setdefault(tensor.block.series, []).append(tensor.block.place)
        rows = [(len(row), series) for series, row in places.items() if len({*row}) > 1]
        return max(rows)[1] if rows else ""

    def in_row(self, tensor: BackboneTensor) -> bool:
        """Return True if a parameter is in a block of the backbone. False, for example, for the stem and for tokens."""
        return tensor.block is not None and tensor.block.series == self.main_series

    @cached_property
    def blocks(self) -> Mapping[tuple[int, ...], Sequence[BackboneTensor]]:
        """The parameters of each block of the backbone. The blocks are in order of depth."""
        found: dict[tuple[int, ...], list[BackboneTensor]] = {}
        for tensor in self.tensors:
            if tensor.block and self.in_row(tensor):
                found.setdefault(tensor.block.place, []).append(tensor)
        return {index: found[index] for index in sorted(found)}

    def block_name(self, index: tuple[int, ...]) -> str:
        """Return the module path of a block: ``backbone.stages.2.5``."""
        numbers = iter(index)
        return self.prefix + re.sub("#", lambda _: str(next(numbers, "#")), self.main_series)


def block_of(own: str) -> Block | None:
    """Return the block of a parameter, such as ``layers.11``; None if no module in the name has a number.

    ``own`` is the parameter's name without the prefix of the backbone.
    """
    *modules, parameter = own.split(".")
    series: list[str] = []
    index: list[int] = []
    while modules:
        if len(index) == 1 and modules[0] in _ROWS and modules[1:2] and modules[1].isdecimal():
            series.append(modules.pop(0))
        numbered = _NUMBERED.fullmatch(modules[0])
        if index and (not modules[0].isdecimal() or len(index) == 2):
            break
        series.append(f"{numbered[1]}#" if numbered else modules[0])
        index += [int(numbered[2])] if numbered else []
        del modules[0]
    return Block(".".join(series), tuple(index), ".".join([*modules, parameter])) if index else None


def backbone_prefix(names: Iterable[str]) -> str:
    """Return the prefix of all names in the first backbone: the path of the module ``backbone``, with a dot at the end.

    Without a module ``backbone``, use the first module with a similar name, such as ``img_backbone``.
    """
    like = ""
    for name in names:
        before, found, _ = f".{name}".partition(".backbone.")
        if found:
            return f"{before}.backbone.".removeprefix(".")
        if not like:
            labels = name.split(".")[:-1]
            end = next((end for end, label in enumerate(labels, 1) if "backbone" in label.split("_")), 0)
            like = ".".join(labels[:end]) + "." if end else ""
    return like or "backbone."


def out_of_order(scales: Sequence[float]) -> list[int]:
    """Return the indices of the fewest scales to remove so that the remaining scales never decrease.

    For example, the result for ``[0.1, 0.9, 0.2, 0.3]`` is ``[1]``: without 0.9, the scales never decrease.
    """
    # Longest non-decreasing subsequence: for each length the lowest end, with a link to the previous index.
    ends: list[float] = []
    last: list[int] = []
    before: list[int | None] = []
    for place, scale in enumerate(scales):
        length = bisect_right(ends, scale * (1 + 1e-9))
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [scale]
        last[length : length + 1] = [place]
    kept: set[int] = set()
    step: int | None = last[-1] if last else None
    while step is not None:
        kept.add(step)
        step = before[step]
    return [place for place in range(len(scales)) if place not in kept]
