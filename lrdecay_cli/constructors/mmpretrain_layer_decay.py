"""mmpretrain's ``LearningRateDecayOptimWrapperConstructor``: the model's ``get_layer_depth`` reports the layer ids.

Source: mmpretrain 1.2.0, ``mmpretrain/engine/optimizers/layer_decay_optim_wrapper_constructor.py``. lrdecay multiplies
in the same order as mmpretrain, so the floats are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from lrdecay_cli.constructors.multipliers import BIAS_DECAY, FLAT_DECAY, NORM_DECAY
from lrdecay_cli.constructors.precedence import OptionPrecedence
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorSpec, CustomKeys, LayerDepth
from lrdecay_cli.decay.families import BACKBONE_PREFIX, find_family
from lrdecay_cli.decay.formulas import power_text
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance, computed


class _Rules(OptionPrecedence):
    """The formulas for one model. They need the model's ``get_layer_depth``, which gives the layer ids."""

    def __init__(self, inputs: ConstructorInputs, names: Iterable[str], layer_depth: LayerDepth | None) -> None:
        super().__init__(inputs)
        self._layer_depth = layer_depth
        self._family = find_family(inputs.backbone) if inputs.backbone else None
        self._depths = self._family.depths(names, BACKBONE_PREFIX) if self._family else ()
        self._rate = finite_number(inputs.options.get("layer_decay_rate", 1.0), "paramwise_cfg.layer_decay_rate")

    def provenance(self, tensor: Tensor) -> Provenance:
        if self._layer_depth is None:
            raise DecayError(
                "the layer id is unknown, because only the model's get_layer_depth can give it", where=tensor.name
            )
        if self.inputs.base_lr is None:
            raise DecayError("the constructor needs a base lr, but the config sets none", where=f"{OPTIMIZER}.lr")
        base_lr = self.inputs.base_lr
        layer_id, layers = self._layer_depth(tensor.seen)
        scale = self._rate ** (layers - layer_id - 1)
        key, multiplier = self.winning_key(tensor), self.winning_multiplier(tensor, "weight_decay")
        return Provenance(
            layer_id=self._layer_id(tensor, layer_id, layers),
            lr_scale=computed(
                "layer_decay_rate ** (layers - layer_id - 1)",
                f"{power_text(self._rate)} ** ({layers} - {layer_id} - 1)",
                scale,
                {"layer_decay_rate": self._rate, "layers": layers, "layer_id": layer_id},
            ),
            lr=computed(
                "base_lr * lr_scale",
                f"{base_lr!r} * {scale!r}",
                base_lr * scale,
                {"base_lr": base_lr, "lr_scale": scale},
            ),
            weight_decay=self.step("weight_decay", key, multiplier.option if multiplier else None),
        )

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        remarks, depth = super().remarks(tensor, provenance), provenance.layer_id
        top = provenance.lr_scale.inputs.get("layers", 0) - 1 if provenance.lr_scale else None
        if depth and depth.result == top and tensor.seen.startswith(BACKBONE_PREFIX):
            remark = f"get_layer_depth() gives the parameter the head's layer id {depth.result}"
            return (*remarks, f"{remark}, so its lr is the base lr")
        return remarks

    def _layer_id(self, tensor: Tensor, layer_id: int, layers: int) -> Formula:
        """Return the formula for a layer id.

        If the formula of a known backbone family has the same result as the model's ``get_layer_depth``, return this
        formula. Otherwise return a formula that contains only the number.
        """
        if self._family is not None:
            with suppress(DecayError):
                ours = self._family.rules["layer_wise"](tensor.seen, layers - 2, self._depths)
                if ours.result == layer_id:
                    return ours
        return Formula("get_layer_depth() of the model", repr(layer_id), layer_id, basis="observed")


_MULTIPLIERS = (NORM_DECAY, BIAS_DECAY, FLAT_DECAY)

SPEC = ConstructorSpec(
    name="LearningRateDecayOptimWrapperConstructor",
    project="mmpretrain",
    package="mmpretrain",
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
