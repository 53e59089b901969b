"""Holding our own explanation against what the real constructor built."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.domain.group_map import GroupMap


def disagreements(group_map: GroupMap) -> Iterator[str]:
    """A line for each number of each explained parameter that our rules give otherwise than the real group has it.

    Compared bit for bit: the rules claim to be the constructor's own.
    """
    for group, parameter in group_map.grouped():
        explained = parameter.provenance
        if explained is None:
            continue
        for what, ours, real in (
            ("layer id", explained.layer_id.result, group.layer_id),
            ("lr scale", explained.lr_scale.result, group.lr_scale),
            ("lr", explained.lr.result, group.lr),
            ("weight decay", explained.weight_decay.result, group.weight_decay),
        ):
            if ours != real:
                yield f"{parameter.name}: {what} is {real} in {group.name}, our rules say {ours}"
