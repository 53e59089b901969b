"""mmengine's ``DefaultOptimWrapperConstructor``: a key by the longest match, else multipliers by kind of parameter.

Source: mmengine 0.10.7, ``mmengine/optim/optimizer/default_constructor.py``. Operands stand in the same order as there,
so that the floats are the same to the last bit.
"""

from __future__ import annotations

from typing import Any

from lrdecay_cli.constructors.facts import ConstructorInputs
from lrdecay_cli.constructors.interface import own_step, product_step
from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.decay.checked import finite_number
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

_Decision = tuple[str | None, str | None, str | None]


class MmengineDefault:
    """The rules with a ``paramwise_cfg`` that is not empty."""

    holds_frozen = False

    def __init__(self, settings: ConstructorInputs) -> None:
        self._settings = settings
        self._weighing = OptionPrecedence(settings, ("lr", "weight_decay"))
        # A model has thousands of parameters and a handful of ways to be trained.
        self._known: dict[_Decision, Provenance] = {}

    def provenance(self, tensor: Tensor) -> Provenance:
        """See :class:`ConstructorRules`."""
        key = self._weighing.winning_key(tensor)
        by_lr = None if key is not None else self._weighing.winning_multiplier(tensor, "lr")
        by_decay = None if key is not None else self._weighing.winning_multiplier(tensor, "weight_decay")
        decision = (key, by_lr and by_lr.option, by_decay and by_decay.option)
        if decision not in self._known:
            self._known[decision] = Provenance(None, None, self._lr(decision), self._weight_decay(decision))
        return self._known[decision]

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._weighing.considered(tensor))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._weighing.remarks(tensor))

    def _lr(self, decision: _Decision) -> Formula:
        key, option, _ = decision
        base = self._settings.base_lr
        if key is not None:
            if base is None:
                raise DecayError("there is no base lr for a custom key to multiply", where="optim_wrapper.optimizer.lr")
            own = self._weighing.key_option(key, "lr")
            return own_option(key, "lr", own) or self._by_key(key, "base_lr", base, "lr_mult")
        if option is not None and base is not None:
            return product_step("base_lr", base, option, self._number(option))
        return own_step("base_lr", base, self._settings.default_lr)

    def _weight_decay(self, decision: _Decision) -> Formula:
        key, _, option = decision
        base = self._settings.base_weight_decay
        if key is not None:
            own = own_option(key, "weight_decay", self._weighing.key_option(key, "weight_decay"))
            if own is not None:
                return own
            if base is not None:
                return self._by_key(key, "base_weight_decay", base, "decay_mult")
        elif option is not None and base is not None:
            return product_step("base_weight_decay", base, option, self._number(option))
        return own_step("base_weight_decay", base, self._settings.default_weight_decay)

    def _by_key(self, key: str, what: str, base: int | float, option: str) -> Formula:
        return key_step(key, what, base, option, self._weighing.key_option(key, option))

    def _number(self, option: str) -> int | float:
        return finite_number(self._settings.options[option], f"paramwise_cfg.{option}")


def key_step(key: str, what: str, base: int | float, option: str, factor: Any) -> Formula:
    """``base`` times what a key says under ``option``; times 1 if it says nothing, which both constructors do."""
    if factor is None:
        rule = f"{what} * 1.0, custom_keys[{key!r}] gives no {option}"
        return Formula(rule, f"{base!r} * 1.0", base * 1.0, {what: base})
    number = finite_number(factor, f"paramwise_cfg.custom_keys[{key!r}].{option}")
    return product_step(what, base, f"custom_keys[{key!r}].{option}", number)


def own_option(key: str, option: str, value: Any) -> Formula | None:
    """What a key puts into the group as it is, in place of any product; None if it has no such option."""
    if value is None:
        return None
    number = finite_number(value, f"paramwise_cfg.custom_keys[{key!r}].{option}")
    return Formula(f"custom_keys[{key!r}].{option}", repr(number), number, {option: number})
