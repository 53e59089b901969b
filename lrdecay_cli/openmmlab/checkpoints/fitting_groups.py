"""Whether saved groups stand as those of a config do: mmengine restores an optimizer by position and never by name.

Source: torch, ``Optimizer.load_state_dict``: as many groups, each with as many parameters, or it raises; then the first
saved parameter's state goes to the first parameter, and so on. Of several optimizers, mmengine's ``OptimWrapperDict``
restores each by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.openmmlab.checkpoints.saved_groups import SavedGroup, Shape


def names_by_position(saved: Sequence[SavedGroup], config: GroupMap) -> list[tuple[str, ...]]:
    """Names of the parameters of each saved group, which :func:`misfit` has found to be the config's."""
    return [tuple(parameter.name for parameter in group.parameters) for group in _counterparts(saved, config)]


def _counterparts(saved: Sequence[SavedGroup], config: GroupMap) -> list[ParameterGroup]:
    """The config's groups in the order of the saved optimizers; those of other optimizers are left out."""
    optimizers = dict.fromkeys(group.optimizer for group in saved)
    return [group for optimizer in optimizers for group in config.groups if group.name.startswith(optimizer)]


def misfit(saved: Sequence[SavedGroup], shapes: Mapping[str, Shape], config: GroupMap) -> str | None:
    """The first thing by which saved groups are not those of the config, None if they are.

    Args:
        saved: the groups of a checkpoint.
        shapes: of the saved model's tensors, by name.
        config: the config's map.
    """
    counterparts = _counterparts(saved, config)
    if not len(saved) == len(config.groups) == len(counterparts):
        named = sorted({group.optimizer.rstrip(".") for group in saved} - {""})
        of = f" of the optimizers {', '.join(map(repr, named))}" if named else ""
        return f"{_count(len(saved), 'group')}{of} in the checkpoint, {len(config.groups)} in the config"
    for index, (group, members) in enumerate(zip(saved, counterparts, strict=True)):
        if len(group.shapes) != len(members.parameters):
            tensors = _count(len(group.shapes), "tensor")
            return f"group {index} has {tensors} in the checkpoint, {len(members.parameters)} in the config"
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
