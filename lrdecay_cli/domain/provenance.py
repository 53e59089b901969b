"""Why a parameter has its layer id, lr scale, lr and weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Basis = Literal[
    "computed", "name", "fallback", "reported", "observed", "exemption", "custom_key", "option", "given", "default"
]
"""What decides about a number.

==========  =========================================================  =============================================
basis       what decides                                               ``cause``
==========  =========================================================  =============================================
computed    the numbers of other formulas: ``lr_scale * base_lr``
name        a pattern that the parameter's name fits                   the pattern: ``backbone.stages.2.<block>``
fallback    no pattern fits its name                                   ``everything else``
reported    the backbone's method, which lrdecay's constructor asks    the method: ``ResNet.get_layer_depth``
observed    the model's own method, by a rule that nobody has told
exemption   a kind of parameter that has no weight decay               the kind: ``1-D tensor``
custom_key  a custom key that is in its name                           the key: ``norm``
option      a multiplier of ``paramwise_cfg``                          the option: ``norm_decay_mult``
given       the config's own lr or weight decay
default     the optimizer's: the config gives none
==========  =========================================================  =============================================
"""

FALLBACK = "everything else"

Number = Literal["layer_id", "lr_scale", "lr", "weight_decay"]
NUMBERS: tuple[Number, ...] = ("layer_id", "lr_scale", "lr", "weight_decay")
"""What a group gives each of its parameters, in the order in which one follows from another."""


class Formula(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step from a name or number to the next, with everything needed to do it again by hand."""

    rule: str
    """The rule that matched, in symbols, for people: ``backbone.stages.2.<block> -> 3 + block // 3``."""
    formula: str
    """The same with the numbers put in: ``3 + 7 // 3``. A Python expression that evaluates to ``result``."""
    result: int | float | None
    """What the formula gives. ``None`` only where the optimizer has no such thing, or was given none."""
    inputs: Mapping[str, int | float] = {}
    """The numbers that went in, by the names that ``expression`` uses: ``{"block": 7}``."""
    basis: Basis = "computed"
    cause: str = ""
    expression: str = ""
    """What is computed, in symbols: ``3 + block // 3``; empty for a number that was read and not computed."""


def arrow(
    basis: Basis, cause: str, expression: str, formula: str, result: int | float, inputs: Mapping[str, int | float] = {}
) -> Formula:
    """A formula whose rule reads ``<cause> -> <expression>``."""
    label = f"custom_keys[{cause!r}]" if basis == "custom_key" else cause
    return Formula(f"{label} -> {expression}", formula, result, inputs, basis, cause, expression)


def by_name(
    pattern: str, expression: str, formula: str, result: int, inputs: Mapping[str, int | float] = {}
) -> Formula:
    """The layer id of a parameter whose name fits ``pattern``."""
    return arrow("name", pattern, expression, formula, result, inputs)


def computed(expression: str, formula: str, result: int | float, inputs: Mapping[str, int | float]) -> Formula:
    """A number that follows from others alone, so that its rule is the expression."""
    return Formula(expression, formula, result, inputs, "computed", "", expression)


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole way from a parameter's name to what the optimizer does with it."""

    layer_id: Formula | None
    """Null for a constructor that knows no layers."""
    lr_scale: Formula | None
    """Likewise."""
    lr: Formula
    weight_decay: Formula
