"""Apply mmengine's ``auto_scale_lr`` to a group map, and describe the batch size and number of GPUs of a map.

Source: mmengine 0.10.7, ``mmengine/runner/runner.py``, ``Runner.scale_lr``. mmengine multiplies the lr of every group
(``group['lr'] * ratio``) after it builds the optimizer and before it builds the schedulers. ``lr_scale``, weight decay
and the logged ``base_lr`` do not change. Gradient accumulation does not change the factor.
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
"""Name of the option in a config, and name of the factor in formulas."""
MOST_GPUS = 4096
"""The highest number of GPUs that lrdecay derives from logged or saved lrs."""


def lr_factor(gpus: int, size: int, base_size: int | float) -> float:
    """Return the factor by which ``auto_scale_lr`` multiplies every lr, with the same rounding as in mmengine."""
    return float(gpus * size) / float(base_size)


def scaled_map(group_map: GroupMap, batch: Batch, lrs: Sequence[float | None] | None = None) -> GroupMap:
    """Return the map with every lr, and the formula of every lr, multiplied by ``batch.lr_factor``.

    Args:
        group_map: the map as the constructor built it.
        batch: batch size, GPUs and factor of the new map. If ``lr_factor`` is None, lrs and formulas stay unchanged.
        lrs: the lr of each group as mmengine scaled it; None to multiply the lrs of the map.
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
    """Return the formula of an lr with ``* factor`` at its end: ``1e-4 * 0.5`` becomes ``1e-4 * 0.5 * 4.0``.

    The formula ``built`` is a product or a number, so it needs no parentheses.
    """
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
    """Return ``audited`` with its lrs scaled by the ``auto_scale_lr`` factor of ``live``.

    ``audited`` is the map of an earlier audit, and ``live`` is the map of the running training. If the user does not
    set the number of GPUs, an audit computes the factor for 1 GPU. If the user sets the number, ``audited`` is returned
    unchanged.
    """
    if (
        not live.batch
        or live.batch.lr_factor in (None, audited.lr_factor)
        or (audited.batch and audited.batch.gpus_given)
    ):
        return audited
    return scaled_map(unscaled_map(audited), live.batch)


def unscaled_map(group_map: GroupMap) -> GroupMap:
    """Return the map with every lr divided by the factor of ``auto_scale_lr``. Formulas do not change."""
    if group_map.lr_factor == 1:
        return group_map
    lrs = (None if group.lr is None else group.lr / group_map.lr_factor for group in group_map.groups)
    groups = (msgspec.structs.replace(group, lr=lr) for group, lr in zip(group_map.groups, lrs, strict=True))
    return msgspec.structs.replace(group_map, groups=tuple(groups), batch=msgspec.UNSET)


def scaling_trace(batch: Batch) -> RuleTrace:
    """Return what ``explain`` shows about ``auto_scale_lr``: a rule that multiplies every lr."""
    return RuleTrace(("lr",), OPTION, "applies", describe_factor(batch), basis="option", cause=OPTION)


def describe_factor(batch: Batch) -> str:
    """Return the factor as text: ``every lr × 0.25: a batch of 2 on 8 GPUs / base_batch_size 64``."""
    return f"every lr × {batch.lr_factor:g}: a batch of {_describe_size(batch)} / base_batch_size {batch.base_size:g}"


def _describe_size(batch: Batch) -> str:
    size = "" if batch.size is None else f"{batch.size} on "
    return f"{size}{count(batch.gpus, 'GPU')}{'' if batch.gpus_given else ' (assumed; set it with --gpus N)'}"


def batch_facts(batch: Batch | msgspec.UnsetType) -> Iterator[tuple[str, str]]:
    """Yield facts for a report: the batch size and number of GPUs of a map, and the numbers that depend on the GPUs.

    Yields nothing if the map has no :class:`Batch`.
    """
    if not batch:
        return
    yield "batch", _describe_size(batch)
    if batch.lr_factor is not None:
        yield OPTION, describe_factor(msgspec.structs.replace(batch, gpus_given=True))
    if batch.differs is not None:
        yield "depends on GPUs", describe_difference(batch)
    if batch.lr_factor is None and batch.differs is None:
        yield "depends on GPUs", f"neither lr nor weight decay ({OPTION} is off)"


def describe_difference(batch: Batch) -> str:
    """Return a text about the lr or weight decay that depends on the number of GPUs; empty if there is none.

    For example, ``weight decay of group_0: 0.0005 on 1 GPU, 0.001 on 8 GPUs``.
    """
    other = batch.differs
    if other is None:
        return ""
    here, there = ("none" if value is None else f"{value:g}" for value in (other.here, other.there))
    number = other.number.replace("_", " ")
    return f"{number} of {other.group}: {here} on {count(batch.gpus, 'GPU')}, {there} on {count(other.gpus, 'GPU')}"
