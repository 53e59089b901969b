"""Why a parameter has its layer id, lr scale, lr and weight decay."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Formula(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step from a name or number to the next, with everything needed to do it again by hand."""

    rule: str
    """The rule that matched, in symbols: ``backbone.stages.2.<block> -> 3 + block // 3``."""
    formula: str
    """The same with the numbers put in: ``3 + 7 // 3``. A Python expression that evaluates to ``result``."""
    result: int | float | None
    """What the formula gives. ``None`` only where the optimizer has no such thing, or was given none."""
    inputs: Mapping[str, int | float] = {}
    """The numbers that went in, by the names that ``rule`` uses: ``{"block": 7}``."""


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole way from a parameter's name to what the optimizer does with it."""

    layer_id: Formula | None
    """Null for a constructor that knows no layers."""
    lr_scale: Formula | None
    """Likewise."""
    lr: Formula
    weight_decay: Formula
