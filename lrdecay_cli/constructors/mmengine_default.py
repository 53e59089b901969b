"""mmengine's ``DefaultOptimWrapperConstructor``: a key by the longest match, else multipliers by kind of parameter.

Source: mmengine 0.10.7, ``mmengine/optim/optimizer/default_constructor.py``. Operands stand in the same order as there,
so that the floats are the same to the last bit.
"""

from __future__ import annotations

from lrdecay_cli.constructors.formulas import key_step, own_option, own_step, product_step
from lrdecay_cli.constructors.multipliers import (
    BIAS_DECAY_BUT_OF_OFFSETS,
    BIAS_LR,
    DCN_OFFSET_LR,
    DWCONV_DECAY,
    FLAT_DECAY_BUT_OF_OFFSETS,
    NORM_DECAY,
)
from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorSpec, CustomKeys
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

_Decision = tuple[str | None, str | None, str | None]


class _Rules:
    """The rules with a ``paramwise_cfg`` that is not empty."""

    def __init__(self, inputs: ConstructorInputs) -> None:
        self._inputs = inputs
        self._precedence = OptionPrecedence(inputs)
        # A model has thousands of parameters and a handful of ways to be trained.
        self._known: dict[_Decision, Provenance] = {}

    def provenance(self, tensor: Tensor) -> Provenance:
        """See :class:`ConstructorRules`."""
        key = self._precedence.winning_key(tensor)
        by_lr = None if key is not None else self._precedence.winning_multiplier(tensor, "lr")
        by_decay = None if key is not None else self._precedence.winning_multiplier(tensor, "weight_decay")
        decision = (key, by_lr and by_lr.option, by_decay and by_decay.option)
        if decision not in self._known:
            self._known[decision] = Provenance(None, None, self._lr(decision), self._weight_decay(decision))
        return self._known[decision]

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._precedence.considered(tensor))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._precedence.remarks(tensor))

    def _lr(self, decision: _Decision) -> Formula:
        key, option, _ = decision
        base = self._inputs.base_lr
        if key is not None:
            if base is None:
                raise DecayError("there is no base lr for a custom key to multiply", where="optim_wrapper.optimizer.lr")
            own = self._precedence.key_option(key, "lr")
            return own_option(key, "lr", own) or self._by_key(key, "base_lr", base, "lr_mult")
        if option is not None and base is not None:
            return product_step("base_lr", base, option, self._number(option))
        return own_step("base_lr", base, self._inputs.default_lr)

    def _weight_decay(self, decision: _Decision) -> Formula:
        key, _, option = decision
        base = self._inputs.base_weight_decay
        if key is not None:
            own = own_option(key, "weight_decay", self._precedence.key_option(key, "weight_decay"))
            if own is not None:
                return own
            if base is not None:
                return self._by_key(key, "base_weight_decay", base, "decay_mult")
        elif option is not None and base is not None:
            return product_step("base_weight_decay", base, option, self._number(option))
        return own_step("base_weight_decay", base, self._inputs.default_weight_decay)

    def _by_key(self, key: str, what: str, base: int | float, option: str) -> Formula:
        return key_step(key, what, base, option, self._precedence.key_option(key, option))

    def _number(self, option: str) -> int | float:
        return finite_number(self._inputs.options[option], f"paramwise_cfg.{option}")


_MULTIPLIERS = (
    BIAS_LR,
    DCN_OFFSET_LR,
    NORM_DECAY,
    BIAS_DECAY_BUT_OF_OFFSETS,
    DWCONV_DECAY,
    FLAT_DECAY_BUT_OF_OFFSETS,
)

SPEC = ConstructorSpec(
    name="DefaultOptimWrapperConstructor",
    project="mmengine",
    short="default",
    lr_from="custom_keys",
    options=(*(multiplier.option for multiplier in _MULTIPLIERS), "custom_keys", "bypass_duplicate"),
    custom_keys=CustomKeys(targets=("lr", "weight_decay"), dot_before_own=True),
    multipliers=_MULTIPLIERS,
    make_rules=lambda inputs, _names, _depth: _Rules(inputs),
)
