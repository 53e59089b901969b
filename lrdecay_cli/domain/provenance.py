"""Records of how a parameter's layer id, lr scale, lr and weight decay are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Basis = Literal[
    "computed", "name", "fallback", "reported", "observed", "exemption", "custom_key", "option", "given", "default"
]
"""What determines a number of a parameter: its layer id, lr scale, lr or weight decay.

==========  =========================================================  =============================================
basis       what determines it                                         ``cause``
==========  =========================================================  =============================================
computed    the numbers of other formulas: ``lr_scale * base_lr``
name        a pattern that matches the parameter's name                the pattern: ``backbone.stages.2.<block>``
fallback    no pattern matches the parameter's name                    ``everything else``
reported    the backbone's method, which lrdecay's constructor calls   the method: ``ResNet.get_layer_depth``
observed    the model's own method; lrdecay does not know its rule
exemption   a type of parameter without weight decay                   the type: ``1-D tensor``
custom_key  a custom key that is part of the parameter's name          the key: ``norm``
option      a multiplier of ``paramwise_cfg``                          the option: ``norm_decay_mult``
given       the config, which sets the lr or weight decay
default     the optimizer's default: the config sets no value
==========  =========================================================  =============================================
"""

FALLBACK = "everything else"

Number = Literal["layer_id", "lr_scale", "lr", "weight_decay"]
NUMBERS: tuple[Number, ...] = ("layer_id", "lr_scale", "lr", "weight_decay")
"""The numbers that a parameter gets from its group, in the order of computation."""


class Formula(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A formula for one number of a parameter, with all inputs, so that the reader can recompute the number by hand."""

    rule: str
    """The rule that gives the number, as text: ``backbone.stages.2.<block> -> 3 + block // 3``."""
    formula: str
    """The formula with numbers: ``3 + 7 // 3``. A Python expression that evaluates to ``result``."""
    result: int | float | None
    """The result of the formula.

    ``None`` only if the optimizer has no such option, or no value for the option.
    """
    inputs: Mapping[str, int | float] = {}
    """The values of the names in ``expression``. For example, ``{"block": 7}`` for ``3 + block // 3``."""
    basis: Basis = "computed"
    cause: str = ""
    expression: str = ""
    """The computation in symbols: ``3 + block // 3``; empty for a number that is not computed."""


def arrow(
    basis: Basis, cause: str, expression: str, formula: str, result: int | float, inputs: Mapping[str, int | float] = {}
) -> Formula:
    """Return a formula. Its field ``rule`` has the form ``<cause> -> <expression>``."""
    label = f"custom_keys[{cause!r}]" if basis == "custom_key" else cause
    return Formula(f"{label} -> {expression}", formula, result, inputs, basis, cause, expression)


def by_name(
    pattern: str, expression: str, formula: str, result: int, inputs: Mapping[str, int | float] = {}
) -> Formula:
    """Return the formula of a layer id that follows from the parameter's name. ``pattern`` matches the name."""
    return arrow("name", pattern, expression, formula, result, inputs)


def computed(expression: str, formula: str, result: int | float, inputs: Mapping[str, int | float]) -> Formula:
    """Return a formula that computes a number from other numbers, such as ``lr_scale * base_lr``."""
    return Formula(expression, formula, result, inputs, "computed", "", expression)


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The formulas that give one parameter its layer id, lr scale, lr and weight decay."""

    layer_id: Formula | None
    """Null for a constructor without layer ids."""
    lr_scale: Formula | None
    """Null for a constructor without lr scales."""
    lr: Formula
    weight_decay: Formula
