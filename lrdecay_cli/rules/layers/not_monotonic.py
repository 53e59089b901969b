"""Rule LRD205: scale-not-monotonic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.constructors.facts import MMENGINE_DEFAULT
from lrdecay_cli.rules.api import (
    PARAMWISE,
    Example,
    Fault,
    Held,
    RuleContext,
    count,
    out_of_order,
    rate,
    rule,
    span,
    verb,
)


def _example(second_block: str) -> Example:
    slow = ("stages.0.", "stages.1.", "stages.2.0.", second_block)
    keys = {**{key: {"lr_mult": 0.1} for key in slow}, "stages.": {"lr_mult": 0.5}}
    return Example(
        "model = dict(backbone=dict(arch=dict(depths=[1, 1, 12, 1])))\n"
        "optim_wrapper = dict(\n"
        "    constructor='DefaultOptimWrapperConstructor',\n"
        f"    paramwise_cfg=dict(_delete_=True, custom_keys={keys}))"
    )


@rule(
    "LRD205",
    "scale-not-monotonic",
    severity="warning",
    bad=_example("stages.2.1"),
    good=_example("stages.2.1."),
    yields_to=("LRD203", "LRD206", "LRD207", "LRD208", "LRD209", "LRD301", "LRD302", "LRD304", "LRD306"),
)
def scale_not_monotonic(context: RuleContext) -> Iterator[Fault]:
    """A deeper block trains slower than a shallower one, or at the head's rate.

    Layer-wise decay rests on one order: the deeper a layer, the faster it may move. A block out of that order is a name
    or a number that the rules took for another one.

    ``custom_keys`` match anywhere in a name: ``backbone.layers.1`` is also in ``backbone.layers.11``; write
    ``backbone.layers.1.`` with the dot. In a constructor, look at how the ids of blocks are counted.
    """
    # One fault for blocks that break the order, one for blocks at the head's rate.
    option = f"{PARAMWISE}.custom_keys" if context.constructor == MMENGINE_DEFAULT else "optim_wrapper.constructor"
    wrong = [held for row in _rows(context) for held in _breaking(row)]
    if wrong:
        yield Fault(_told(context, wrong), _remedy(context, wrong), [held.name for held in wrong], option)
        return
    backbone = context.backbone
    blocks = [held for row in backbone.blocks.values() for held in row]
    at_head = [held for held in blocks if backbone.at_head(held)]
    below = [held for held in blocks if backbone.head_scale is not None and held.scale < backbone.head_scale]
    if at_head and below and not any(index[0] == 0 for index in _whole_blocks(context, at_head)):
        whole = _whole_blocks(context, at_head)
        if not whole:
            return
        yield Fault(
            f"{count(len(whole), 'block')} of the backbone {verb(len(whole), 'trains', 'train')} at the head's rate,"
            f" lr scale {rate(at_head[0].scale)}; the others have {span(held.scale for held in below)}",
            "count the head as a layer of its own, above the last block"
            if context.constructor != MMENGINE_DEFAULT
            else "nothing, if the last blocks are meant to; else give them an lr_mult below the head's",
            [held.name for held in at_head if held.block and held.block.place in whole],
            option,
            "info" if context.constructor == MMENGINE_DEFAULT else None,
        )


def _rows(context: RuleContext) -> Iterator[list[Held]]:
    """The same parameter of each block, in order of depth: every row of modules in the backbone for itself.

    Two are no row: ``ln1`` and ``ln2``, ``conv1`` and ``conv2`` are numbered for other reasons than depth.
    """
    rows: dict[tuple[str, str], list[Held]] = {}
    for held in context.backbone.held:
        if held.block:
            rows.setdefault((held.block.series, held.block.rest), []).append(held)
    for (series, _), row in rows.items():
        if len(row) < 3 and series != context.backbone.main_series:
            continue
        yield sorted(row, key=lambda held: held.block.place if held.block else ())


def _breaking(row: Sequence[Held]) -> list[Held]:
    return [row[place] for place in out_of_order([held.scale for held in row])]


def _whole_blocks(context: RuleContext, held: Sequence[Held]) -> set[tuple[int, ...]]:
    """Blocks of which nothing but what is in ``held`` is trained."""
    names = {one.name for one in held}
    blocks = context.backbone.blocks
    return {index for index, row in blocks.items() if all(one.name in names for one in row)}


def _told(context: RuleContext, wrong: Sequence[Held]) -> str:
    blocks = {(held.block.series, held.block.place) for held in wrong if held.block}
    scales = span(held.scale for held in wrong)
    return (
        f"{count(len(blocks), 'block')} of the backbone {verb(len(blocks), 'breaks', 'break')} the order of rates:"
        f" lr scale {scales} among neighbours with {_around(context, wrong)}"
    )


def _around(context: RuleContext, wrong: Sequence[Held]) -> str:
    names = {held.name for held in wrong}
    series = {held.block.series for held in wrong if held.block}
    return span(
        held.scale
        for held in context.backbone.held
        if held.block and held.block.series in series and held.name not in names
    )


def _remedy(context: RuleContext, wrong: Sequence[Held]) -> str:
    keys = {found[0] for held in wrong if (found := context.custom_lr_mult(held.name))}
    numbered = sorted(key for key in keys if key[-1:].isdecimal())
    if numbered:
        return f"write {numbered[0] + '.'!r} for {numbered[0]!r}, which is also in names with more digits"
    if keys:
        return f"see which parameters {', '.join(map(repr, sorted(keys)))} should reach"
    return f"let {context.constructor_told} give deeper blocks higher layer ids"
