"""mmaction's ``TSMOptimWrapperConstructor``: groups by module type, with separate groups for the first and last layer.

Source: mmaction2 1.2.0, ``mmaction/engine/optimizers/tsm_optim_wrapper_constructor.py``. Biases have twice the lr and
no weight decay. Parameters of batch and group norms have no weight decay. With ``fc_lr5``, the last weight in the
model's order has 5 times the lr, and the last bias has 10 times the lr. This last weight and bias belong to the
classifier only if the model registers the classifier last. Frozen weights and biases are in the groups too.
"""

from __future__ import annotations

from collections.abc import Mapping

from lrdecay_cli.constructors.precedence import own_step
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance
from lrdecay_cli.domain.training import Module

_OPTION = "fc_lr5"
_LAST_WEIGHT, _LAST_BIAS = f"{_OPTION}, last weight", f"{_OPTION}, last bias"
# By kind: factor of the lr, whether there is weight decay, and the condition.
_KINDS: Mapping[str, tuple[int, bool, str]] = {
    "parameter of a norm": (1, False, "be a parameter of a batch or group norm"),
    "weight of the first convolution": (1, True, "be the weight of the model's first convolution"),
    "bias of the first convolution": (2, False, "be the bias of the model's first convolution"),
    _LAST_WEIGHT: (5, True, "be the weight of the model's last convolution or linear layer"),
    _LAST_BIAS: (10, False, "be the bias of the model's last convolution or linear layer with a bias"),
    "weight": (1, True, "be the weight of any other convolution or linear layer"),
    "bias": (2, False, "be the bias of any other convolution or linear layer"),
}


def _is_layer(module: Module) -> bool:
    """True for a convolution or linear layer. The constructor rejects all other modules except norms."""
    return "norm" not in module.traits and "weight" in module.parameters


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs) -> None:
        self._inputs = inputs
        layers = {path: module for path, module in inputs.modules.items() if _is_layer(module)}
        self._first = next((path for path, module in layers.items() if "Linear" not in module.type), None)
        later = {path: module for path, module in layers.items() if path != self._first}
        self._last = {
            own: f"{path}.{own}"
            for path, module in later.items()
            for own in module.parameters
            if inputs.options[_OPTION]
        }

    def provenance(self, tensor: Tensor) -> Provenance:
        kind, base = self._kind(tensor), self._inputs.base_lr
        if base is None:
            raise DecayError(
                "the config sets no base lr, so the constructor cannot compute lrs", where=f"{OPTIMIZER}.lr"
            )
        factor, decayed, _ = _KINDS[kind]
        product = "base_lr" if factor == 1 else f"base_lr * {factor}"
        numbers = repr(base) if factor == 1 else f"{base!r} * {factor}"
        lr = Formula(
            f"{kind} -> {product}", numbers, base * factor, {"base_lr": base}, "computed", "", expression=product
        )
        return Provenance(None, None, lr, self._weight_decay(kind, decayed=decayed))

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        found, reason = self._kind(tensor), f"the parameter is the {tensor.own} of a {tensor.module_type}"
        return tuple(
            RuleTrace(
                ("lr", "weight_decay"),
                kind,
                "applies" if kind == found else "no match",
                reason,
                condition,
                basis="option" if kind.startswith(_OPTION) else "computed",
                cause=_OPTION if kind.startswith(_OPTION) else "",
            )
            for kind, (_, _, condition) in _KINDS.items()
            if self._inputs.options[_OPTION] or not kind.startswith(_OPTION)
        )

    def _kind(self, tensor: Tensor) -> str:
        if "norm" in tensor.traits:
            return "parameter of a norm"
        if tensor.own not in ("weight", "bias"):
            raise DecayError("the parameter is neither a weight nor a bias", where=tensor.name)
        if tensor.path == self._first:
            return f"{tensor.own} of the first convolution"
        if self._last.get(tensor.own) == tensor.seen:
            return _LAST_WEIGHT if tensor.own == "weight" else _LAST_BIAS
        return tensor.own

    def _weight_decay(self, kind: str, *, decayed: bool) -> Formula:
        if not decayed:
            return Formula(f"{kind} -> 0", "0", 0, {}, "exemption", kind, "0")
        if self._inputs.base_weight_decay is None:
            return Formula(f"{kind} -> None, because the config sets no weight decay", "None", None, basis="default")
        own = own_step("base_weight_decay", self._inputs.base_weight_decay, None)
        return Formula(f"{kind} -> {own.rule}", own.formula, own.result, own.inputs, own.basis, "", own.expression)


SPEC = ConstructorSpec(
    name="TSMOptimWrapperConstructor",
    project="mmaction",
    package="mmaction",
    scope="mmaction",
    short="mmaction TSM",
    lr_from="kinds",
    options=(_OPTION,),
    exempting=(
        "exempt these parameters from weight decay in your own constructor: MMAction2's constructor exempts only norms"
        " and biases"
    ),
    make_rules=lambda inputs, _names, _depth: _Rules(inputs),
)
