"""Check the groups that the real constructor built: compare them with lrdecay's formulas, and find missing lrs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from lrdecay_cli.constructors import constructor_of, originals_of
from lrdecay_cli.constructors.recomputation import rules_of, tensors_met, with_provenance
from lrdecay_cli.constructors.spec import ConstructorRules
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.precision import rounded
from lrdecay_cli.domain.provenance import Formula, Provenance


def disagreements(group_map: GroupMap) -> Iterator[str]:
    """Yield a line for each number for which lrdecay's rules and the real parameter group give different values.

    A number is a layer id, lr scale, lr or weight decay.
    """
    for name, difference in named_disagreements(group_map):
        yield f"{name}: {difference}"


def named_disagreements(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    """Yield the parameter's name and a text for each number that lrdecay's rules compute differently.

    Numbers are compared bit for bit at the precision of the real group, because the rules have to be exactly those of
    the constructor.
    """
    for group, parameter in group_map.grouped():
        for what, real, ours in differing_numbers(group, parameter.provenance):
            yield parameter.name, f"{what} is {real} in {group.name}, but lrdecay's rules give {ours}"


def differing_numbers(
    group: ParameterGroup, explained: Provenance | None
) -> Iterator[tuple[str, float | None, float | None]]:
    """Yield each number that differs, as three values: its name, the real group's value, and the computed value."""
    if explained is None:
        return
    for what, key, step, real in (
        ("layer id", "layer_id", explained.layer_id, group.layer_id),
        ("lr scale", "lr_scale", explained.lr_scale, group.lr_scale),
        ("lr", "lr", explained.lr, group.lr),
        ("weight decay", "weight_decay", explained.weight_decay, group.weight_decay),
    ):
        if step is not None and step.result != real and real not in _rounded_results(step, group.precision(key)):
            yield what, real, step.result


def _rounded_results(step: Formula, precision: str | None) -> tuple[float | None, ...]:
    """Return the values that a formula may give in a group that stores numbers at lower precision than Python.

    The value depends on where it is rounded: an optimizer rounds only the final number, but a constructor that gets a
    tensor already computes at the precision of this tensor.
    """
    if precision is None or step.result is None:
        return ()
    product = step.expression == " * ".join(step.inputs)
    operands = (rounded(float(value), precision) for value in step.inputs.values())
    of_result = rounded(float(step.result), precision)
    return (of_result, rounded(math.prod(operands), precision)) if product else (of_result,)


def with_original(group_map: GroupMap) -> GroupMap:
    """If the config's constructor is a copy of a known constructor, return the map with the name of the original.

    lrdecay tries the known constructors with a similar class name. A constructor is the original if its rules give
    every number of every group, bit for bit. If there is no original, the map is returned unchanged.
    """
    built_by = group_map.constructor
    if not built_by.module or constructor_of(group_map).known:
        return group_map
    for spec in originals_of(built_by.type, built_by.module, group_map.model.backbone):
        copy = msgspec.structs.replace(built_by, copy_of=spec.short)
        tried = msgspec.structs.replace(group_map, constructor=copy)
        with suppress(DecayError):
            rules = rules_of(tried, tensors_met(tried))
            if rules and not any(_differs(tensor, rules) for tensor in tried.tensors() if tensor.group):
                return with_provenance(tried, None)
    return group_map


def _differs(tensor: Tensor, rules: ConstructorRules) -> bool:
    assert tensor.group is not None
    return any(differing_numbers(tensor.group, rules.provenance(tensor)))


def missing_lr(groups: Sequence[ParameterGroup], reader: str) -> tuple[str, str] | None:
    """Return an error message and its fix if a group has no lr; None if every group has an lr.

    ``lr=None`` counts as no lr.

    Args:
        groups: the parameter groups to check.
        reader: the name of the scheduler or hook that needs the lr, for the message.

    Source: mmengine 0.10.7, ``_ParamScheduler``, which multiplies the lr of every group, and ``RuntimeInfoHook``, which
    logs the lr of the first group in each iteration. transformers' Adafactor has ``lr=None`` by default.
    """
    without = [group for group in groups if group.lr is None]
    if not without:
        return None
    which = f"{without[0].name} has" if len(without) == 1 else f"{len(without):,} groups have"
    relative = any(group.options.get("relative_step") is True for group in without)
    fix = f"set optim_wrapper.optimizer.lr{' and optim_wrapper.optimizer.relative_step=False' if relative else ''}"
    return f"{which} no lr, but {reader} needs it: training stops before the first step", fix
