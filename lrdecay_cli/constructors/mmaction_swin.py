"""mmaction's ``SwinOptimWrapperConstructor``: every key in a parameter name multiplies the lr and weight decay.

Source: mmaction2 1.2.0, ``mmaction/engine/optimizers/swin_optim_wrapper_constructor.py``. Every option in
``paramwise_cfg`` is a key. mmaction puts ``base.`` before each parameter name, and a key matches if the result contains
the key. For example, ``.backbone`` matches ``backbone.norm.weight``. lrdecay multiplies in the order of the config, so
its floats are equal to mmaction's to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lrdecay_cli.constructors.multipliers import Target
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

_FACTORS: Mapping[Target, str] = {"lr": "lr_mult", "weight_decay": "decay_mult"}


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs, _names: Sequence[str], _depth: object = None) -> None:
        self._inputs = inputs

    def provenance(self, tensor: Tensor) -> Provenance:
        lr = self._step(tensor, "lr", self._inputs.base_lr)
        if lr.result is None:
            raise DecayError("the constructor needs a base lr, but the config sets none", where=f"{OPTIMIZER}.lr")
        return Provenance(None, None, lr, self._step(tensor, "weight_decay", self._inputs.base_weight_decay))

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        matching = self._matching(tensor)
        return tuple(
            RuleTrace(
                ("lr", "weight_decay"),
                f"paramwise_cfg[{key!r}]",
                "applies" if key in matching else "no match",
                "every key in the name multiplies the lr and weight decay"
                if key in matching
                else f"{key!r} is not in the name",
                f"have {key!r} in its name",
                basis="custom_key",
                cause=key,
            )
            for key in self._inputs.options
        )

    def _matching(self, tensor: Tensor) -> list[str]:
        return [key for key in self._inputs.options if key in f"base.{tensor.seen}"]

    def _step(self, tensor: Tensor, target: Target, base: int | float | None) -> Formula:
        base_name, option = f"base_{target}", _FACTORS[target]
        if base is None:
            default = self._inputs.default_weight_decay
            return Formula(
                f"the optimizer's default, because the config sets no {target}", repr(default), default, basis="default"
            )
        keys = self._matching(tensor)
        if not keys:
            return Formula(base_name, repr(base), base, {base_name: base}, "given", expression=base_name)
        factors = [self._factor(key, option) for key in keys]
        product, names = math.prod(factors), [f"{option}_{number}" for number in range(1, len(keys) + 1)]
        return Formula(
            f"{base_name} * ({' * '.join(f'paramwise_cfg[{key!r}].{option}' for key in keys)})",
            f"{base!r} * ({' * '.join(map(repr, factors))})",
            base * product,
            {base_name: base, **dict(zip(names, factors, strict=True))},
            "custom_key",
            ", ".join(keys),
            f"{base_name} * ({' * '.join(names)})",
        )

    def _factor(self, key: str, option: str) -> int | float:
        settings = self._inputs.options[key]
        given = settings.get(option, 1.0) if isinstance(settings, Mapping) else None
        return finite_number(given, f"paramwise_cfg.{key}.{option}")


SPEC = ConstructorSpec(
    name="SwinOptimWrapperConstructor",
    project="mmaction",
    package="mmaction",
    scope="mmaction",
    short="mmaction Swin",
    lr_from="custom_keys",
    options_are_keys=True,
    make_rules=_Rules,
)
