"""mmpretrain's ``LearningRateDecayOptimWrapperConstructor``: lr by the depth that the model itself gives a parameter.

Source: mmpretrain 1.2.0, ``mmpretrain/engine/optimizers/layer_decay_optim_wrapper_constructor.py``. Operands stand in
the same order as there, so that the floats are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable

from lrdecay_cli.constructors.formulas import OBSERVED_DEPTH, OPTIMIZER, key_step, own_option, own_step, product_step
from lrdecay_cli.constructors.multipliers import BIAS_DECAY, FLAT_DECAY, NORM_DECAY
from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorSpec, CustomKeys, LayerDepth
from lrdecay_cli.decay.families import BACKBONE_PREFIX, find_family
from lrdecay_cli.decay.formulas import power_text
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance, computed


class _Rules:
    """The rules for one model.

    Args:
        inputs: of the constructor.
        names: all parameter names, as the constructor sees them.
        layer_depth: the model's own; without it the rules are known, but no numbers.
    """

    def __init__(self, inputs: ConstructorInputs, names: Iterable[str], layer_depth: LayerDepth | None) -> None:
        self._inputs = inputs
        self._precedence = OptionPrecedence(inputs)
        self._layer_depth = layer_depth
        self._family = find_family(inputs.backbone) if inputs.backbone else None
        self._depths = self._family.depths(names, BACKBONE_PREFIX) if self._family else ()
        self._rate = finite_number(inputs.options.get("layer_decay_rate", 1.0), "paramwise_cfg.layer_decay_rate")

    def provenance(self, tensor: Tensor) -> Provenance:
        """See :class:`ConstructorRules`."""
        if self._layer_depth is None:
            raise DecayError("only the model knows how deep it is", where=tensor.name)
        if self._inputs.base_lr is None:
            raise DecayError("there is no base learning rate to scale", where=f"{OPTIMIZER}.lr")
        layer_id, layers = self._layer_depth(tensor.seen)
        scale = self._rate ** (layers - layer_id - 1)
        return Provenance(
            layer_id=self._layer_id(tensor, layer_id, layers),
            lr_scale=computed(
                "layer_decay_rate ** (layers - layer_id - 1)",
                f"{power_text(self._rate)} ** ({layers} - {layer_id} - 1)",
                scale,
                {"layer_decay_rate": self._rate, "layers": layers, "layer_id": layer_id},
            ),
            lr=product_step("base_lr", self._inputs.base_lr, "lr_scale", scale),
            weight_decay=self._weight_decay(tensor),
        )

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """See :class:`ConstructorRules`."""
        return tuple(self._precedence.considered(tensor))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """See :class:`ConstructorRules`."""
        remarks = [*self._precedence.remarks(tensor)]
        depth = provenance.layer_id
        top = provenance.lr_scale.inputs.get("layers", 0) - 1 if provenance.lr_scale else None
        if depth and depth.result == top and tensor.seen.startswith(BACKBONE_PREFIX):
            remarks.append(f"get_layer_depth() puts it beside the head, at layer id {depth.result}: full lr")
        return tuple(remarks)

    def _layer_id(self, tensor: Tensor, layer_id: int, layers: int) -> Formula:
        """By a family of ours where that says the same as the model, and so explains it; else as the model said."""
        if self._family is not None:
            try:
                ours = self._family.rules["layer_wise"](tensor.seen, layers - 2, self._depths)
            except DecayError:
                ours = None
            if ours is not None and ours.result == layer_id:
                return ours
        return Formula(OBSERVED_DEPTH, repr(layer_id), layer_id, basis="observed")

    def _weight_decay(self, tensor: Tensor) -> Formula:
        base = self._inputs.base_weight_decay
        if base is None:
            return own_step("base_weight_decay", base, self._inputs.default_weight_decay)
        key = self._precedence.winning_key(tensor)
        if key is not None:
            own = own_option(key, "weight_decay", self._precedence.key_option(key, "weight_decay"))
            factor = self._precedence.key_option(key, "decay_mult")
            return own or key_step(key, "base_weight_decay", base, "decay_mult", factor)
        multiplier = self._precedence.winning_multiplier(tensor, "weight_decay")
        if multiplier is None:
            return own_step("base_weight_decay", base, base)
        factor = finite_number(self._inputs.options[multiplier.option], f"paramwise_cfg.{multiplier.option}")
        return product_step("base_weight_decay", base, multiplier.option, factor)


_MULTIPLIERS = (NORM_DECAY, BIAS_DECAY, FLAT_DECAY)

SPEC = ConstructorSpec(
    name="LearningRateDecayOptimWrapperConstructor",
    project="mmpretrain",
    scope="mmpretrain",
    short="mmpretrain layer decay",
    lr_from="layers",
    options=("layer_decay_rate", *(multiplier.option for multiplier in _MULTIPLIERS), "custom_keys"),
    rate_option="layer_decay_rate",
    default_rate=1.0,
    asks_model=True,
    custom_keys=CustomKeys(targets=("weight_decay",), need_weight_decay=True),
    multipliers=_MULTIPLIERS,
    make_rules=_Rules,
)
