"""What a group map says of its parameters and its constructor, by name and in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.training import Module
from lrdecay_cli.text.name_patterns import Universe


class MapFacts:
    """The parts of a group map that most rules look at."""

    def __init__(self, group_map: GroupMap) -> None:
        self.group_map = group_map

    @property
    def constructor(self) -> str:
        """Class name of the constructor, without its registry scope."""
        return self.group_map.constructor.type.rpartition(".")[2]

    @property
    def constructor_told(self) -> str:
        """Its name for messages: a checkpoint may not know it."""
        return "the constructor" if self.constructor == "unknown" else self.constructor

    def starting_lr(self, group: ParameterGroup) -> float | None:
        """What a group starts training with: its lr, but for a checkpoint, which has what the schedule had come to."""
        if self.group_map.checkpoint is None:
            return group.lr
        base, scale = self.group_map.base_lr, group.lr_scale
        return None if base is None or scale is None else scale * base

    def starting_scale(self, group: ParameterGroup) -> float | None:
        """That over the base lr. What the constructor recorded counts for less than the lr, which is what trains."""
        lr, base = self.starting_lr(group), self.group_map.base_lr
        if lr is None or not base or not math.isfinite(lr) or not math.isfinite(base):
            return group.lr_scale
        # lr / base_lr may be off in the last digit.
        agree = group.lr_scale is not None and math.isclose(lr / base, group.lr_scale, rel_tol=1e-9)
        return group.lr_scale if agree else lr / base

    @property
    def options(self) -> Mapping[str, Any]:
        """The constructor's ``paramwise_cfg``."""
        return self.group_map.constructor.options

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every parameter by name, in the model's order, without further names: grouped, frozen or missing."""
        ordered = sorted(self.group_map.tensors(), key=lambda tensor: tensor.position)
        return {tensor.name: tensor for tensor in ordered if tensor.state != "duplicate"}

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The names without the frozen: what a custom key says of those has no effect."""
        return tuple(name for name, tensor in self.tensors.items() if tensor.trainable)

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self.group_map.registered)}

    def in_model_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names, each once, as the model has them; unknown ones last."""
        return tuple(sorted(dict.fromkeys(names), key=lambda name: self._positions.get(name, len(self._positions))))

    def module(self, parameter: str) -> Module | None:
        """The module that registers a parameter; None for one that is not the model's."""
        return self.group_map.registered.get(parameter)

    @cached_property
    def universe(self) -> Universe:
        """All names, to fold some of them."""
        return Universe([*self.tensors, *(t.name for t in self.group_map.tensors() if t.state == "duplicate")])
