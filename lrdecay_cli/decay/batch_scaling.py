"""The effect of ``auto_scale_lr`` on a group map, and texts about the map's batch.

Source: mmengine 0.10.7, ``mmengine/runner/runner.py``, ``Runner.scale_lr``: ``group['lr'] * ratio`` for every group,
after the optimizer is built and before the schedulers are. ``lr_scale``, weight decay and the logged ``base_lr`` do not
change, and accumulation is not included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.domain.provenance import Formula
from lrdecay_cli.domain.training import Batch
from lrdecay_cli.text.counting import count

OPTION = "auto_scale_lr"
"""Name of the option in a config, and of the factor in formulas."""


def lr_factor(gpus: int, size: int, base_size: int | float) -> float:
    """Return the factor of every lr, with operands in mmengine's order."""
    return float(gpus * size) / float(base_size)


def scaled_map(group_map: GroupMap, batch: Batch, lrs: Sequence[float | None] | None = None) -> GroupMap:
    """Return the map with every lr, and the formula of every lr, multiplied by ``batch.lr_factor``.

    Args:
        group_map: as built by the constructor.
        batch: the map's new batch; without a factor nothing else changes.
        lrs: the lr of each group as scaled by mmengine; None to multiply here.
    """
    factor = batch.lr_factor
    if factor is None:
        return msgspec.structs.replace(group_map, batch=batch)
    product = float(factor)

    # Parameters share their formulas.
    @cache
    def step(known: int) -> Formula:
        return _scaled(formulas[known], product)

    formulas: dict[int, Formula] = {}

    def scaled(group: ParameterGroup, lr: float | None) -> ParameterGroup:
        parameters = []
        for parameter in group.parameters:
            why = parameter.provenance
            if why is not None:
                formulas[id(why.lr)] = why.lr
                why = msgspec.structs.replace(why, lr=step(id(why.lr)))
            parameters.append(msgspec.structs.replace(parameter, provenance=why))
        return msgspec.structs.replace(group, lr=lr, parameters=tuple(parameters))

    if lrs is None:
        lrs = [None if group.lr is None else group.lr * product for group in group_map.groups]
    groups = tuple(scaled(group, lr) for group, lr in zip(group_map.groups, lrs, strict=True))
    return msgspec.structs.replace(group_map, groups=groups, batch=batch)


def _scaled(built: Formula, factor: float) -> Formula:
    """Return the formula of an lr with the factor as its last operand. Constructor formulas are products or a
    number."""
    if built.result is None:
        return built
    by = " * " if built.expression == built.rule else ", times "
    return msgspec.structs.replace(
        built,
        rule=f"{built.rule}{by}{OPTION}",
        formula=f"{built.formula} * {factor!r}",
        result=built.result * factor,
        inputs={**built.inputs, OPTION: factor},
        expression=f"{built.expression or built.formula} * {OPTION}",
    )


def with_factor_of(audited: GroupMap, live: GroupMap) -> GroupMap:
    """Return the audited map with the factor of a live one, unless the user gave a number of GPUs for it.

    A map audited without ``auto_scale_lr``, or for an assumed single GPU, describes the same training on more GPUs.
    """
    if (
        not live.batch
        or live.batch.lr_factor in (None, audited.lr_factor)
        or (audited.batch and audited.batch.gpus_given)
    ):
        return audited
    return scaled_map(unscaled_map(audited), live.batch)


def unscaled_map(group_map: GroupMap) -> GroupMap:
    """Return the map with the lrs before ``auto_scale_lr`` (up to rounding); formulas do not change."""
    if group_map.lr_factor == 1:
        return group_map
    lrs = (None if group.lr is None else group.lr / group_map.lr_factor for group in group_map.groups)
    groups = (msgspec.structs.replace(group, lr=lr) for group, lr in zip(group_map.groups, lrs, strict=True))
    return msgspec.structs.replace(group_map, groups=tuple(groups), batch=msgspec.UNSET)


def scaling_trace(batch: Batch) -> RuleTrace:
    """Return a trace of the multiplication by ``auto_scale_lr``, for an explanation."""
    return RuleTrace(("lr",), OPTION, "applies", describe_factor(batch), basis="option", cause=OPTION)


def describe_factor(batch: Batch) -> str:
    """Return ``every lr × 0.25: a batch of 2 on 8 GPUs / base_batch_size 64``."""
    return f"every lr × {batch.lr_factor:g}: a batch of {_describe_size(batch)} / base_batch_size {batch.base_size:g}"


def _describe_size(batch: Batch) -> str:
    size = "" if batch.size is None else f"{batch.size} on "
    return f"{size}{count(batch.gpus, 'GPU')}{'' if batch.gpus_given else ' (assumed; set it with --gpus N)'}"


def batch_facts(batch: Batch | msgspec.UnsetType) -> Iterator[tuple[str, str]]:
    """Yield the map's batch, and the numbers that depend on it, as facts of a report; nothing for a map without a
    batch."""
    if not batch:
        return
    yield "batch", _describe_size(batch)
    if batch.lr_factor is not None:
        yield OPTION, describe_factor(msgspec.structs.replace(batch, gpus_given=True))
    if batch.differs is not None:
        yield "depends on GPUs", describe_difference(batch)
    if batch.lr_factor is None and batch.differs is None:
        yield "depends on GPUs", f"no lr and no weight decay ({OPTION} is off)"


def describe_difference(batch: Batch) -> str:
    """Return ``weight decay of group_0: 0.0005 on 1 GPU, 0.001 on 8 GPUs``; empty without a difference."""
    other = batch.differs
    if other is None:
        return ""
    here, there = ("none" if number is None else f"{number:g}" for number in (other.here, other.there))
    what = other.number.replace("_", " ")
    return f"{what} of {other.group}: {here} on {count(batch.gpus, 'GPU')}, {there} on {count(other.gpus, 'GPU')}"
