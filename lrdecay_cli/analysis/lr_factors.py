"""Compute ratios of the lrs of two maps, for single tensors and as means over modules."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.domain.suggestion import Effect
from lrdecay_cli.text.printing import natural

_BACKBONE = re.compile(r"(?:[^.]+\.)*?backbone\.")


class LrPair(NamedTuple):
    """The lr of a tensor in two maps."""

    numel: int
    before: float
    after: float

    @property
    def factor(self) -> float | None:
        """The second lr divided by the first lr; None if the result is not a finite number."""
        return ratio(self.before, self.after)


def lr_pairs(before: GroupMap, after: GroupMap, renamed: Mapping[str, str] | None = None) -> dict[str, LrPair]:
    """Return the two lrs of each tensor, by its name in the first map.

    A tensor is omitted if, in one of the maps, the tensor does not train, is in several groups, or is in a group
    without lr.
    """
    olds, news = (_training(side) for side in (before, after))
    pairs: dict[str, LrPair] = {}
    for name, (_, lr) in olds.items():
        if (found := news.get((renamed or {}).get(name, name))) is not None:
            pairs[name] = LrPair(found[0].numel, lr, found[1])
    return pairs


def ratio(before: float | None, after: float | None) -> float | None:
    """Return the second number divided by the first; None if the result is not finite."""
    if before is None or after is None or not before or not math.isfinite(before) or not math.isfinite(after):
        return None
    found = after / before
    return found if math.isfinite(found) else None


def factor_of(before: Any, after: Any) -> float | None:
    """Return the second lr of a change divided by the first lr; None if an lr is not a number or the first lr is 0."""
    if not isinstance(before, float) or not isinstance(after, float):
        return None
    return ratio(before, after)


def mean_lrs(pairs: Iterable[LrPair]) -> tuple[float | None, float | None]:
    """Return the mean lr in the first map and the mean lr in the second map.

    The mean is weighted by the number of parameters in a tensor. Both means are None without any parameters.
    """
    several = list(pairs)
    weight = sum(pair.numel for pair in several)
    if not weight:
        return None, None
    before, after = (sum(getattr(pair, side) * pair.numel for pair in several) for side in ("before", "after"))
    return before / weight, after / weight


def effect_of(name: str, pairs: Collection[LrPair]) -> Effect | None:
    """Return the mean lr of a module in both maps, and the factor between the two means.

    The result also contains the lowest and highest factor of a tensor. Returns None if the module has no parameter that
    trains.
    """
    before, after = mean_lrs(pairs)
    if before is None or after is None:
        return None
    factors = [pair.factor for pair in pairs if pair.factor is not None]
    parameters = sum(pair.numel for pair in pairs)
    lowest, highest = min(factors, default=None), max(factors, default=None)
    return Effect(name, len(pairs), parameters, before, after, ratio(before, after), lowest, highest)


def backbone_root(names: Iterable[str]) -> str:
    """Return the prefix of the backbone's parameter names, such as ``backbone.``; empty if there is no backbone."""
    return next((found[0] for name in names if (found := _BACKBONE.match(name))), "")


def modules_of(names: Sequence[str], root: str) -> dict[str, str]:
    """Return the module of each parameter: a child of the backbone, or else a child of the model.

    If the child is a list of modules, return the entry of the list, for example ``backbone.stages.2``.

    Args:
        names: the parameter names.
        root: see :func:`backbone_root`. A single module that contains the whole backbone is skipped.
    """
    inside = [name for name in names if root and name.startswith(root)]
    inner = _inner(inside, root)
    return {name: _module(name, inner if root and name.startswith(inner) else "") for name in names}


def in_model_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors in the model's order. For a checkpoint without a config, return them sorted by name."""
    return sorted(tensors, key=lambda tensor: (tensor.position, natural(tensor.name)))


def _inner(names: Sequence[str], root: str) -> str:
    while names:
        children = {name[len(root) :].partition(".")[:2] for name in names}
        child, dot = next(iter(children))
        if len(children) != 1 or not dot or child.isdecimal():
            return root
        # Skip a single module that contains everything (MMPretrain's TIMMBackbone); split a list into its entries.
        if all(name[len(root) + len(child) + 1 :].partition(".")[0].isdecimal() for name in names):
            return root
        root += f"{child}."
    return root


def _module(name: str, root: str) -> str:
    child, *rest = name[len(root) :].split(".")
    if not rest:
        return name
    return f"{root}{child}.{rest[0]}" if len(rest) > 1 and rest[0].isdecimal() else f"{root}{child}"


def _training(group_map: GroupMap) -> dict[str, tuple[Tensor, float]]:
    return {
        tensor.name: (tensor, tensor.group.lr)
        for tensor in group_map.tensors()
        if tensor.state == "grouped" and tensor.group and not tensor.later and tensor.group.lr is not None
    }
