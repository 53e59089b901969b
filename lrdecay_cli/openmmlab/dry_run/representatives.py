"""Step groups with equal options as one group, so that a dry run with many groups is fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

# Schedulers of these packages treat each group by its own values alone.
_KNOWN = ("mmengine", "mmdet", "mmpretrain")
# Options without a scheduler, or scheduled alike for all groups of one optimizer.
_OWN = {"params", "param_names", "param_name", "group_name", "layer_id", "lr_scale"}


class Representatives:
    """Let schedulers step only one group of each set of equal groups: the representative of the set.

    Groups are equal if their options are equal. :meth:`spread` copies the values of the representative to the other
    groups of the set. If a scheduler comes from another project than mmengine, every group is stepped separately,
    because that scheduler may use the position of a group.

    Args:
        schedulers: schedulers of the real optimizers. They are changed to step only the representatives.
        groups: every group of every optimizer, with the optimizer's name.
    """

    def __init__(
        self, schedulers: Sequence[_ParamScheduler], groups: Sequence[tuple[str, dict[str, Any]]] = ()
    ) -> None:
        self.followers: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """Pairs of two equal groups: schedulers step the first group, and its values are copied to the second group."""
        self.positions = list(range(len(groups)))
        """For each group, the position of its representative. The representative of a group may be the group itself."""
        self._scheduled = list(dict.fromkeys(scheduler.param_name for scheduler in schedulers))
        if not schedulers or not all(map(_is_plain, schedulers)):
            return
        first: dict[Any, int] = {}
        for index, (optimizer, group) in enumerate(groups):
            key = (optimizer, repr(sorted((k, v) for k, v in group.items() if k not in _OWN and self._matters(k))))
            self.positions[index] = first.setdefault(key, index)
            if first[key] != index:
                self.followers.append((groups[first[key]][1], group))
        # Schedulers also step the base settings that mmengine's wrapper stores for the log; they are not in ``groups``.
        represented = {id(group) for _, group in self.followers}
        for scheduler in schedulers:
            kept = [
                (group, value)
                for group, value in zip(scheduler.optimizer.param_groups, scheduler.base_values, strict=True)
                if id(group) not in represented
            ]
            scheduler.base_values = [value for _, value in kept]
            scheduler.optimizer = _SomeGroups(scheduler.optimizer, [group for group, _ in kept])

    def spread(self) -> None:
        """Copy the scheduled values of each representative to the groups that it represents."""
        for representative, group in self.followers:
            for name in ("lr", *self._scheduled):
                if name in representative:
                    group[name] = representative[name]

    def _matters(self, key: str) -> bool:
        return key != "weight_decay" or "weight_decay" in self._scheduled


class _SomeGroups:
    """An optimizer with only some of its groups."""

    def __init__(self, optimizer: Any, groups: list[dict[str, Any]]) -> None:
        self._optimizer = optimizer
        self.param_groups = groups

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)


def _is_plain(scheduler: _ParamScheduler) -> bool:
    kind = type(scheduler)
    lists = any(isinstance(getattr(scheduler, name, None), (list, tuple)) for name in ("eta_max", "min_value"))
    known = kind.__module__.partition(".")[0] in _KNOWN
    # OneCycle and ReduceOnPlateau schedulers store further values for each group.
    return known and not lists and not kind.__name__.startswith(("OneCycle", "ReduceOnPlateau"))
