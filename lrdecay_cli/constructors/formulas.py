"""Formulas that several constructors share, and those of any constructor without ``paramwise_cfg``."""

from __future__ import annotations

from typing import Any

from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules
from lrdecay_cli.decay.options import finite_number
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance


def own_step(what: str, given: int | float | None, default: float | None) -> Formula:
    """The lr or weight decay of a group that gets none of its own.

    Args:
        what: ``base_lr`` or ``base_weight_decay``.
        given: as the config has it, None if it has none.
        default: what the optimizer takes.
    """
    if given is not None:
        return Formula(what, repr(given), given, {what: given}, "given", expression=what)
    name = what.removeprefix("base_")
    return Formula(f"the optimizer's own, the config gives no {name}", repr(default), default, basis="default")


def product_step(
    what: str, base: int | float, factor_name: str, factor: int | float, *, key: str | None = None
) -> Formula:
    """``base * factor``, in the order in which mmengine multiplies.

    Args:
        what: ``base_lr`` or ``base_weight_decay``.
        base: that.
        factor_name: an option of ``paramwise_cfg``, or of the custom key ``key``.
        factor: that.
        key: the custom key that gives it.
    """
    expression, formula = f"{what} * {factor_name}", f"{base!r} * {factor!r}"
    inputs = {what: base, factor_name: factor}
    if key is None:
        return Formula(expression, formula, base * factor, inputs, "option", factor_name, expression)
    rule = f"{what} * custom_keys[{key!r}].{factor_name}"
    return Formula(rule, formula, base * factor, inputs, "custom_key", key, expression)


def key_step(key: str, what: str, base: int | float, option: str, factor: Any) -> Formula:
    """``base`` times what a key says under ``option``; times 1 if it says nothing, which both constructors do."""
    if factor is None:
        rule = f"{what} * 1.0, custom_keys[{key!r}] gives no {option}"
        return Formula(rule, f"{base!r} * 1.0", base * 1.0, {what: base}, "custom_key", key, f"{what} * 1.0")
    number = finite_number(factor, f"paramwise_cfg.custom_keys[{key!r}].{option}")
    return product_step(what, base, option, number, key=key)


def own_option(key: str, option: str, value: Any) -> Formula:
    """What a key puts into the group as it is, in place of any product."""
    number = finite_number(value, f"paramwise_cfg.custom_keys[{key!r}].{option}")
    return Formula(f"custom_keys[{key!r}].{option}", repr(number), number, {option: number}, "custom_key", key, option)


def layer_trace(layer_id: Formula) -> RuleTrace:
    """The rule that gives a layer id, as it applies."""
    cause = layer_id.cause
    condition = (
        "have a name that no other rule matches" if layer_id.basis == "fallback" else f"have a name like {cause}"
    )
    return RuleTrace(("layer_id",), layer_id.rule, "applies", condition=condition, basis=layer_id.basis, cause=cause)


class WithoutOptions(ConstructorRules):
    """One group for everything, with the optimizer's own numbers, frozen parameters too.

    Source: mmengine 0.10, ``__call__`` of its default constructor, which mmdet's and mmpretrain's inherit.
    """

    def __init__(self, inputs: ConstructorInputs) -> None:
        self._provenance = Provenance(
            layer_id=None,
            lr_scale=None,
            lr=own_step("base_lr", inputs.base_lr, inputs.default_lr),
            weight_decay=own_step("base_weight_decay", inputs.base_weight_decay, inputs.default_weight_decay),
        )

    def provenance(self, tensor: Tensor) -> Provenance:
        """The same for all."""
        return self._provenance

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """That there is nothing to consider."""
        return (
            RuleTrace(
                ("lr", "weight_decay"),
                "paramwise_cfg",
                "no effect",
                "it is empty, so that all parameters go into one group, frozen ones too",
            ),
        )
