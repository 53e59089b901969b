"""lrdecay's own ``LayerDecayOptimWrapperConstructor``, which tells the way to its numbers itself.

A map holds that way as provenance; what can be told from the map alone is which keys and exemptions it passed.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.constructors.formulas import layer_trace
from lrdecay_cli.constructors.precedence import key_trace, lost_to
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorSpec, CustomKeys
from lrdecay_cli.decay.constructor_options import OPTIONS, CustomKey, read_custom_keys
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.explanation import Part, RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance


class _Rules:
    """The rules for one model.

    Raises:
        DecayError: the custom keys cannot be used.
    """

    def __init__(self, inputs: ConstructorInputs) -> None:
        given = inputs.options.get("custom_keys")
        self._keys = read_custom_keys(given) if given else ()

    def provenance(self, tensor: Tensor) -> Provenance:
        """None beside the constructor's own: always raises DecayError."""
        raise DecayError("the constructor itself tells its numbers", where=tensor.name)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._considered(tensor, provenance)) if provenance else ()

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """None: the constructor refuses what is odd."""
        return ()

    def _considered(self, tensor: Tensor, provenance: Provenance) -> Iterator[RuleTrace]:
        if provenance.layer_id is not None:
            yield layer_trace(provenance.layer_id)
        winner = next((key for key in self._keys if key.key in tensor.seen), None)
        yield from (_of_key(key, winner, tensor) for key in self._keys)
        decay = provenance.weight_decay
        if decay.basis == "exemption":
            condition = f"be exempt as {decay.cause}"
            yield RuleTrace(
                ("weight_decay",), decay.rule, "applies", condition=condition, basis="exemption", cause=decay.cause
            )


def _of_key(key: CustomKey, winner: CustomKey | None, tensor: Tensor) -> RuleTrace:
    parts: list[Part] = []
    if key.lr_mult is not None:
        parts.append("lr_scale")
    if key.decay_mult is not None:
        parts.append("weight_decay")
    about = tuple(parts) or ("options",)
    if key is winner:
        return key_trace(about, key.key, "applies", "the longest key in the name")
    if winner is not None and key.key in tensor.seen:
        return key_trace(about, key.key, "lost", lost_to(winner.key, key.key))
    return key_trace(about, key.key, "no match", f"{key.key!r} is not in the name")


SPEC = ConstructorSpec(
    name="LayerDecayOptimWrapperConstructor",
    project="lrdecay",
    imports=("lrdecay_cli.training",),
    lr_from="layers",
    options=OPTIONS,
    rate_option="decay_rate",
    requires_options=True,
    num_layers="family",
    custom_keys=CustomKeys(targets=("lr", "weight_decay")),
    make_rules=lambda inputs, _names, _depth: _Rules(inputs),
)
