"""What became of every name of a map: the flat view that two maps are compared in."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup


class Standing(msgspec.Struct, frozen=True):
    """What became of one parameter."""

    shape: tuple[int, ...]
    state: str
    """``grouped``, ``frozen``, ``missing`` or ``duplicate``."""
    group: ParameterGroup | None = None
    requires_grad: bool | None = None
    """None for a duplicate: its first name tells."""
    of: str | None = None
    """The first name of a duplicate."""
    times: int = 1
    """How often the groups hold it."""

    @property
    def label(self) -> str:
        """The state in words, which tell a tensor that is held more than once."""
        if self.times == 1:
            return self.state
        return f"{self.state} twice" if self.times == 2 else f"{self.state} {self.times} times"


def standings(group_map: GroupMap) -> dict[str, Standing]:
    """Every name of the map in its order: grouped, frozen, missing, then further names of shared tensors."""
    found: dict[str, Standing] = {}
    for name, standing in _each(group_map):
        if name not in found:
            found[name] = standing
        else:
            found[name] = msgspec.structs.replace(found[name], times=found[name].times + 1)
    return found


def parameter_names(group_map: GroupMap) -> list[str]:
    """Every name of the map in its order, those of duplicates too."""
    return list(standings(group_map))


def _each(group_map: GroupMap) -> Iterator[tuple[str, Standing]]:
    for group, held in group_map.grouped():
        yield held.name, Standing(held.shape, "grouped", group, held.requires_grad)
    for parameter in group_map.frozen:
        yield parameter.name, Standing(parameter.shape, "frozen", requires_grad=False)
    for parameter in group_map.missing:
        yield parameter.name, Standing(parameter.shape, "missing", requires_grad=True)
    # A tensor that a second group holds is a duplicate of its own name.
    for duplicate in group_map.duplicates:
        yield duplicate.name, Standing(duplicate.shape, "duplicate", of=duplicate.of)
