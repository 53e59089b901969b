"""Read the groups of a real optimizer.

Each tensor in a group gets the name of the model parameter that is the same object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from lrdecay_cli.domain.group_map import Duplicate, GroupedParameter, Parameter, ParameterGroup
from lrdecay_cli.domain.precision import rounded
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.tensors import HIGHEST_LAYER_ID
from lrdecay_cli.domain.training import Totals, takes_turn
from lrdecay_cli.openmmlab.config_values import number, plain, precision_of

# Keys that the group map stores elsewhere: in the group's own fields or in its parameters.
_OWN_FIELDS = {"params", "param_names", "param_name", "group_name", "lr", "weight_decay", "lr_scale", "layer_id"}


class HoldsGroups(Protocol):
    """Any object with the attribute ``param_groups``. To read groups, no other part of an optimizer is needed."""

    param_groups: list[dict[str, Any]]


@dataclass(frozen=True)
class ReadGroups:
    """The fields of a group map that come from the optimizer and the model."""

    groups: tuple[ParameterGroup, ...]
    frozen: tuple[Parameter, ...]
    missing: tuple[Parameter, ...]
    duplicates: tuple[Duplicate, ...]
    totals: Totals


def read_groups(
    model: nn.Module,
    optimizers: Mapping[str, HoldsGroups],
    base_lrs: Mapping[str, float | None],
    provenance: Mapping[str, Provenance],
    *,
    scheduled: bool = False,
    turns: Sequence[Sequence[str]] = (),
    name_of: Callable[[str], str] = str,
) -> ReadGroups:
    """Return all groups of all optimizers, and the parameters of the model outside the groups.

    Args:
        model: the model.
        optimizers: optimizers of ``model`` by name. The name becomes a prefix of the names of its groups.
        base_lrs: base lr of each optimizer, to compute the lr scale of groups without ``lr_scale``.
        provenance: provenance by parameter name, for parameters with a known formula.
        scheduled: True if schedulers may have changed the groups. In this case, the values before the first scheduler
            step are read (``initial_lr``).
        turns: sets of optimizers that step alternately. All optimizers in a set may contain the same tensor.
        name_of: function that converts a name in the model to a name in the map.
    """
    first_names: dict[int, str] = {}
    parameters: dict[str, nn.Parameter] = {}
    duplicates: list[Duplicate] = []
    # Every name of every parameter: a shared one under each of its names, PyTorch's first.
    for own, parameter in model.named_parameters(remove_duplicate=False):
        name = name_of(own)
        first = first_names.setdefault(id(parameter), name)
        if first == name:
            parameters[name] = parameter
        else:
            duplicates.append(Duplicate(name, *size_of(parameter), first))

    groups: list[ParameterGroup] = []
    # The optimizers that hold a tensor, by its ``id``.
    held: dict[int, list[str]] = {}
    listed = [
        (name, index, group) for name, each in optimizers.items() for index, group in enumerate(each.param_groups)
    ]
    for optimizer, index, group in listed:
        options = group
        if scheduled:
            # mmengine's schedulers store starting values as ``initial_lr`` and so on.
            options = {key: group.get(f"initial_{key}", group[key]) for key in group if not key.startswith("initial_")}
        members: list[GroupedParameter] = []
        own_name = options.get("group_name") or f"group_{index}"
        group_name = f"{optimizer}.{own_name}" if optimizer else own_name
        for position, tensor in enumerate(options["params"]):
            foreign = id(tensor) not in first_names
            name = f"{group_name}[{position}] (not a parameter of the model)" if foreign else first_names[id(tensor)]
            shape, numel = size_of(tensor)
            holders = held.setdefault(id(tensor), [])
            if holders and not takes_turn(turns, holders, optimizer):
                duplicates.append(Duplicate(name, shape, numel, name))
                continue
            holders.append(optimizer)
            why = provenance.get(name)
            members.append(GroupedParameter(name, shape, numel, tensor.requires_grad, why, foreign))
        groups.append(read_group(group_name, optimizer, options, base_lrs[optimizer], tuple(members)))

    outside = {name: parameter for name, parameter in parameters.items() if id(parameter) not in held}
    frozen, missing = (
        tuple(Parameter(name, *size_of(tensor)) for name, tensor in outside.items() if tensor.requires_grad is trained)
        for trained in (False, True)
    )
    in_model = [parameter for name, parameter in parameters.items() if name not in outside]
    totals = Totals(
        tensors=len(parameters),
        parameters=sum(size_of(parameter)[1] for parameter in parameters.values()),
        grouped_tensors=len(in_model),
        grouped_parameters=sum(size_of(parameter)[1] for parameter in in_model),
        frozen_tensors=len(frozen),
        frozen_parameters=sum(parameter.numel for parameter in frozen),
        missing_tensors=len(missing),
        missing_parameters=sum(parameter.numel for parameter in missing),
        duplicate_names=len(duplicates),
    )
    return ReadGroups(uniquely_named(groups), frozen, missing, tuple(duplicates), totals)


def size_of(tensor: torch.Tensor) -> tuple[tuple[int, ...], int]:
    """Return shape and number of elements of a tensor.

    A parameter without a shape before the first forward pass (``LazyLinear``) gets the shape (0, 0) and 0 elements.
    """
    return ((0, 0), 0) if is_lazy(tensor) else (tuple(tensor.shape), tensor.numel())


def read_group(
    name: str,
    optimizer: str,
    options: Mapping[str, Any],
    base_lr: float | None,
    parameters: tuple[GroupedParameter, ...],
    *,
    first_lr: Any = None,
    precisions: Mapping[str, str] | None = None,
    lr_factor: float = 1.0,
) -> ParameterGroup:
    """Convert an entry of ``param_groups`` to a group of the group map.

    Args:
        name: name of the group.
        optimizer: name of its optimizer; empty for a single optimizer.
        options: the entry of ``param_groups``.
        base_lr: divisor for the lr scale, if the entry has no ``lr_scale``.
        parameters: the parameters of the group.
        first_lr: the lr at the start of the training, if the current ``lr`` may differ from this lr.
        precisions: the precision of each option, by name. Needed if ``options`` contains Python floats instead of the
            original tensors. None: determine the precisions from ``options``.
        lr_factor: factor by which ``auto_scale_lr`` multiplied the lr.
    """
    if precisions is None:
        precisions = precisions_of(options)
    lr, recorded = number(options.get("lr")), options.get("lr_scale")
    scale = ratio(lr if first_lr is None else first_lr, base_lr, precisions.get("lr"), lr_factor)
    # As recorded by the constructor: mmpretrain's in the group, mmdet's in the group's name.
    layer_id, in_name = options.get("layer_id"), re.search(r"(?:^|\.)layer_(-?\d+)_(?:no_)?decay(?:_[\w.]+)?$", name)
    return ParameterGroup(
        name=name,
        layer_id=_layer_id(layer_id if isinstance(layer_id, int) else int(in_name[1][:20]) if in_name else None),
        lr_scale=scale if recorded is None else number(recorded),
        lr=lr,
        weight_decay=number(options.get("weight_decay")),
        options={key: plain(value) for key, value in options.items() if key not in _OWN_FIELDS},
        parameters=parameters,
        optimizer=optimizer,
        named=bool(options.get("group_name")),
        precisions=precisions or msgspec.UNSET,
    )


def _layer_id(given: int | None) -> int | None:
    """Return the layer id of a group; None for a number that a map cannot contain, which is no number of a layer."""
    return None if given is None or abs(given) > HIGHEST_LAYER_ID else given


def precisions_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the precision of each option that is less precise than a Python float, for example ``{"lr": "float32"}``.

    Only tensors and arrays can be less precise.
    """
    found = ((str(key), precision_of(value)) for key, value in options.items() if key != "params")
    return {key: precision for key, precision in found if precision}


def ratio(
    lr: float | None, base_lr: float | None, precision: str | None = None, lr_factor: float = 1.0
) -> float | None:
    """Return the lr scale: the shortest decimal number that, multiplied by ``base_lr``, gives exactly ``lr``.

    For example, the result is 0.1 instead of 0.09999999999999999. ``precision`` is the precision of ``lr``; None for a
    Python float. If ``auto_scale_lr`` multiplied the lr by ``lr_factor``, the lr scale does not contain this factor.
    """
    if lr is None or not base_lr:
        return None
    exact = lr / base_lr / lr_factor
    candidates = (float(f"{exact:.{digits}g}") for digits in range(1, 17))
    # In mmengine's order: the constructor multiplies first, auto_scale_lr last.
    return next((each for each in candidates if rounded(each * base_lr * lr_factor, precision) == lr), exact)


def common(values: Iterable[float | None]) -> float | None:
    """Return the common value if all values are equal; otherwise None."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def uniquely_named(groups: list[ParameterGroup]) -> tuple[ParameterGroup, ...]:
    """Return the groups with unique names: repeated names get ``#2``, ``#3``. The order stays the same."""
    seen: dict[str, int] = {}
    named = []
    for group in groups:
        seen[group.name] = seen.get(group.name, 0) + 1
        count = seen[group.name]
        named.append(group if count == 1 else msgspec.structs.replace(group, name=f"{group.name}#{count}"))
    return tuple(named)
