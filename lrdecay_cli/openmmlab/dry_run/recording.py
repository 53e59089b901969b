"""Record every scheduled value of a dry run as a :class:`lrdecay_cli.domain.schedule.Series`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmengine.optim import OptimWrapperDict

from lrdecay_cli.domain.schedule import Series, Track
from lrdecay_cli.openmmlab.config_values import number
from lrdecay_cli.openmmlab.dry_run.representatives import Representatives

_ALWAYS = "lr"
# Options that hooks set besides the lr: YOLOv5's warm-up of momentum, a weight decay that ends.
_BY_HOOKS = ("momentum", "weight_decay")
_MISSING = math.nan


@dataclass
class _EqualGroups:
    """Groups that had the same values in all iterations so far, and these values."""

    members: list[int]
    columns: list[array[float]]


@dataclass
class _RecordedOptions:
    """Recorded options: those that several groups share because their values are equal, or the base settings.

    mmengine's optimizer wrapper keeps the base settings.
    """

    optimizer: str
    options: dict[str, Any]
    groups: tuple[int, ...]
    """Positions of the groups that share these options; empty for base settings."""
    parameters: tuple[str, ...]

    def values(self) -> tuple[float, ...]:
        # mmengine's constructor makes ConfigDicts, whose get is fifty times slower.
        return tuple(_number(dict.get(self.options, name)) for name in self.parameters)


@dataclass
class Recorder:
    """Record lr, momentum and other scheduled options of every group, in each iteration in which a value changes."""

    _steps: array[int] = field(default_factory=lambda: array("q"))
    _followed: list[_RecordedOptions] = field(default_factory=list)
    _kinds: list[_EqualGroups] = field(default_factory=list)
    _last: list[tuple[float, ...]] = field(default_factory=list)
    _scheduled: tuple[str, ...] = (_ALWAYS,)

    def follow(
        self,
        wrapper: Any,
        groups: Sequence[tuple[str, dict[str, Any]]],
        representatives: Representatives,
        scheduled: Sequence[str],
    ) -> None:
        """Start to record the values of ``groups``.

        Args:
            wrapper: the optimizer wrapper, which may have base settings.
            groups: every group of every optimizer, with the optimizer's name.
            representatives: for each group, a group that always has the same values and is recorded instead.
            scheduled: names of the options that schedulers change.
        """
        self._scheduled = tuple(dict.fromkeys([_ALWAYS, *scheduled]))
        sharing: dict[int, list[int]] = {}
        for index, representative in enumerate(representatives.positions):
            sharing.setdefault(representative, []).append(index)
        held = [(*groups[index], tuple(members)) for index, members in sharing.items()]
        several = wrapper.items() if isinstance(wrapper, OptimWrapperDict) else (("", wrapper),)
        for name, each in several:
            if (base := getattr(each, "base_param_settings", None)) is not None:
                held.append((name, base, ()))
        watched = dict.fromkeys([*self._scheduled, *_BY_HOOKS])
        self._followed = [
            _RecordedOptions(
                name, options, members, tuple(key for key in watched if dict.get(options, key) is not None)
            )
            for name, options, members in held
        ]

    def note(self, iteration: int) -> None:
        """Record the values of this iteration if a value has changed. Iterations must come in ascending order."""
        rows = [followed.values() for followed in self._followed]
        if rows == self._last:
            return
        if not self._last:
            members = list(range(len(rows)))
            self._kinds = self._split(members, rows, [])
        else:
            self._kinds = [new for kind in self._kinds for new in self._split(kind.members, rows, kind.columns)]
        self._last = rows
        self._steps.append(iteration)
        for kind in self._kinds:
            for column, value in zip(kind.columns, rows[kind.members[0]], strict=True):
                column.append(value)

    def series(self, names: Sequence[str], length: int) -> Series:
        """Return the recorded values of a run with ``length`` iterations. ``names`` are the names of the groups."""
        tracks, columns = [], []
        extra = [name for name in _BY_HOOKS if name not in self._scheduled]
        still = {name for name in extra if not any(self._varies(kind, name) for kind in self._kinds)}
        for kind in self._kinds:
            first = self._followed[kind.members[0]]
            groups = sorted(index for member in kind.members for index in self._followed[member].groups)
            for parameter, column in zip(first.parameters, kind.columns, strict=True):
                if parameter not in still:
                    tracks.append(Track(first.optimizer, parameter, tuple(names[index] for index in groups)))
                    columns.append(column)
        found = Series(tuple(tracks), length)
        found.steps.extend(self._steps)
        for row in zip(*columns, strict=True):
            found.rows.extend(row)
        return found

    def _split(
        self, members: Sequence[int], rows: Sequence[tuple[float, ...]], columns: Sequence[array[float]]
    ) -> list[_EqualGroups]:
        """Split groups into sets with equal current values. Each new set gets a copy of the values recorded so far."""
        alike: dict[Any, list[int]] = {}
        for member in members:
            followed = self._followed[member]
            # Base settings stay separate.
            separate = None if followed.groups else member
            alike.setdefault((separate, followed.optimizer, followed.parameters, rows[member]), []).append(member)
        if len(alike) == 1 and columns:
            return [_EqualGroups(list(members), list(columns))]
        return [
            _EqualGroups(same, [array("d", column) for column in columns] or [array("d") for _ in key[2]])
            for key, same in alike.items()
        ]

    def _varies(self, kind: _EqualGroups, name: str) -> bool:
        parameters = self._followed[kind.members[0]].parameters
        return name in parameters and len(set(kind.columns[parameters.index(name)])) > 1


def _number(value: Any) -> float:
    found = value if type(value) is float else number(value)
    return _MISSING if found is None else float(found)
