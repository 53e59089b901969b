"""Whether saved groups stand as those of a config do: mmengine restores an optimizer by position and never by name.

Source: torch, ``Optimizer.load_state_dict``: as many groups, each with as many parameters, or it raises; then the first
saved parameter's state goes to the first parameter, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.saved_groups import SavedGroup, Shape


def names_by_position(config: GroupMap | None) -> list[tuple[str, ...]]:
    """Names of the parameters of each group of the config's map."""
    return [tuple(parameter.name for parameter in group.parameters) for group in config.groups] if config else []


def misfit(saved: Sequence[SavedGroup], shapes: Mapping[str, Shape], config: GroupMap) -> str | None:
    """The first thing by which saved groups are not those of the config, None if they are.

    Args:
        saved: the groups of a checkpoint.
        shapes: of the saved model's tensors, by name.
        config: the config's map.
    """
    if len(saved) != len(config.groups):
        return f"{_count(len(saved), 'group')} in the checkpoint, {len(config.groups)} in the config"
    several = any("." in group.name for group in saved)
    for index, (group, members) in enumerate(zip(saved, config.groups, strict=True)):
        if len(group.shapes) != len(members.parameters):
            tensors = _count(len(group.shapes), "tensor")
            return f"group {index} has {tensors} in the checkpoint, {len(members.parameters)} in the config"
        if several and group.name != members.name:
            return f"group {index} is {group.name!r} in the checkpoint, {members.name!r} in the config"
        for position, parameter in enumerate(members.parameters):
            recorded = group.names[position] if group.names else parameter.name
            if recorded != parameter.name:
                return f"group {index} holds {recorded!r} where the config has {parameter.name!r}"
            for what, shape in (("model", shapes.get(parameter.name)), ("optimizer", group.shapes[position])):
                if shape is not None and shape != parameter.shape:
                    return (
                        f"{parameter.name!r} is {_product(shape)} in the checkpoint's {what},"
                        f" {_product(parameter.shape)} in the config"
                    )
            if shapes and parameter.name not in shapes:
                return f"the checkpoint's model has no {parameter.name!r}"
    return None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _product(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "scalar"
