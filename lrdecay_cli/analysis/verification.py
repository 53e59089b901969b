"""Holding our own explanation against what the real constructor built."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.provenance import Provenance


def disagreements(group_map: GroupMap) -> Iterator[str]:
    """A line for each number of each explained parameter that our rules give otherwise than the real group has it."""
    for name, difference in named_disagreements(group_map):
        yield f"{name}: {difference}"


def named_disagreements(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """The same as pairs of the parameter's name and what differs.

    Compared bit for bit: the rules claim to be the constructor's own.
    """
    for group, parameter in group_map.grouped():
        for what, real, ours in differing_numbers(group, parameter.provenance):
            yield parameter.name, f"{what} is {real} in {group.name}, our rules say {ours}"


def differing_numbers(
    group: ParameterGroup, explained: Provenance | None
) -> Iterator[tuple[str, float | None, float | None]]:
    """Each number that differs: what it is, the real group's, and ours."""
    if explained is None:
        return
    for what, step, real in (
        ("layer id", explained.layer_id, group.layer_id),
        ("lr scale", explained.lr_scale, group.lr_scale),
        ("lr", explained.lr, group.lr),
        ("weight decay", explained.weight_decay, group.weight_decay),
    ):
        if step is not None and step.result != real:
            yield what, real, step.result
