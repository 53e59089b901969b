"""mmengine's ``DefaultOptimWrapperConstructor``: custom keys, and multipliers such as ``norm_decay_mult``.

The longest custom key in a parameter name applies. If no key is in the name, the multipliers apply.
Source: mmengine 0.10.7, ``mmengine/optim/optimizer/default_constructor.py``. lrdecay multiplies in the same order as
mmengine, so the floats are equal to the last bit.
"""

from __future__ import annotations

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
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance


class _Rules(OptionPrecedence):
    """The constructor's formulas for one model, if ``paramwise_cfg`` is not empty."""

    def __init__(self, inputs: ConstructorInputs) -> None:
        super().__init__(inputs)
        # A model has thousands of parameters, but few distinct decisions.
        self._known: dict[tuple[tuple[str | None, str | None], ...], Provenance] = {}

    def provenance(self, tensor: Tensor) -> Provenance:
        by_lr, by_decay = decision = self.deciding(tensor, "lr"), self.deciding(tensor, "weight_decay")
        if decision not in self._known:
            if self.winning_key(tensor) is not None and self.inputs.base_lr is None:
                raise DecayError("there is no base lr for a custom key to multiply", where=f"{OPTIMIZER}.lr")
            lr, weight_decay = self.step("lr", *by_lr), self.step("weight_decay", *by_decay)
            self._known[decision] = Provenance(None, None, lr, weight_decay)
        return self._known[decision]


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
    package="mmengine",
    short="default",
    lr_from="custom_keys",
    options=(*(multiplier.option for multiplier in _MULTIPLIERS), "custom_keys", "bypass_duplicate"),
    custom_keys=CustomKeys(targets=("lr", "weight_decay"), dot_before_own=True),
    multipliers=_MULTIPLIERS,
    make_rules=lambda inputs, _names, _depth: _Rules(inputs),
)
