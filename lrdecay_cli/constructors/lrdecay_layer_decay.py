"""lrdecay's own ``LayerDecayOptimWrapperConstructor``, which records the formulas of its groups.

A group map stores these formulas. For ``explain``, this module lists the custom keys and the exemptions from weight
decay that the constructor considered.
"""

from __future__ import annotations

from lrdecay_cli.constructors.precedence import key_trace, layer_trace, overridden_by
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorRules, ConstructorSpec, CustomKeys
from lrdecay_cli.decay.constructor_options import OPTIONS, CustomKey, matching, read_custom_keys
from lrdecay_cli.domain.explanation import Part, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance


class _Rules(ConstructorRules):
    def __init__(self, inputs: ConstructorInputs) -> None:
        given = inputs.options.get("custom_keys")
        self._keys = read_custom_keys(given) if given else ()

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        if provenance is None:
            return ()
        winner = matching(tensor.seen, self._keys)
        traces = [_trace(key, winner, tensor) for key in self._keys]
        if provenance.layer_id is not None:
            traces.insert(0, layer_trace(provenance.layer_id))
        decay = provenance.weight_decay
        if decay.basis == "exemption":
            condition, cause = f"be exempt as {decay.cause}", decay.cause
            traces.append(
                RuleTrace(("weight_decay",), decay.rule, "applies", condition=condition, basis="exemption", cause=cause)
            )
        return tuple(traces)


def _trace(key: CustomKey, winner: CustomKey | None, tensor: Tensor) -> RuleTrace:
    targets: dict[Part, float | None] = {"lr_scale": key.lr_mult, "weight_decay": key.decay_mult}
    about = tuple(part for part, multiplier in targets.items() if multiplier is not None) or ("options",)
    if key is winner:
        return key_trace(about, key.key, "applies", "the longest custom key in the parameter name")
    if winner is not None and key.key in tensor.seen:
        return key_trace(about, key.key, "overridden", overridden_by(winner.key, key.key))
    return key_trace(about, key.key, "no match", f"{key.key!r} is not in the parameter name")


SPEC = ConstructorSpec(
    name="LayerDecayOptimWrapperConstructor",
    project="lrdecay",
    package="lrdecay_cli",
    imports=("lrdecay_cli.training",),
    lr_from="layers",
    options=OPTIONS,
    rate_option="decay_rate",
    requires_options=True,
    num_layers="family",
    custom_keys=CustomKeys(targets=("lr", "weight_decay")),
    make_rules=lambda inputs, _names, _depth: _Rules(inputs),
)
