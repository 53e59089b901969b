"""From a layer id to a learning rate, from an exemption to a weight decay, as formulas.

Source: mmdet 3.3.0, ``add_params`` of its decay constructor. Operands stand in the same order as there, so
that the floats are the same to the last bit.
"""

from __future__ import annotations

import math

from lrdecay_cli.decay.constructor_options import CustomKey
from lrdecay_cli.decay.options import DecayError, DecayOptions
from lrdecay_cli.domain.provenance import Formula, arrow, computed


def lr_scale_step(name: str, layer_id: int, options: DecayOptions, custom: CustomKey | None = None) -> Formula:
    """The factor on the base lr; a custom key's ``lr_mult`` comes on top.

    Raises:
        DecayError: the power has no value: zero to a negative power, or too large for a float.
    """
    rate, layers = options.decay_rate, options.num_layers + 2
    exponent = layers - layer_id - 1
    try:
        scale = rate**exponent
        float(scale)  # An int has no bounds, but becomes a learning rate.
    except ZeroDivisionError:
        raise DecayError(
            f"decay_rate {rate!r} to the power {exponent} is a division by zero: layer id {layer_id} lies above"
            f" num_layers + 1 = {layers - 1}",
            where=name,
            fix="raise num_layers to fit the backbone, or give another decay_rate",
        ) from None
    except OverflowError:
        raise DecayError(
            f"decay_rate {rate!r} to the power {exponent} is too large for a float",
            where=name,
            fix="give a decay_rate nearer to 1, and the num_layers that fits the backbone",
        ) from None
    expression = "decay_rate ** (num_layers + 2 - layer_id - 1)"
    formula = f"{power_text(rate)} ** ({layers} - {layer_id} - 1)"
    inputs: dict[str, int | float] = {"decay_rate": rate, "num_layers": options.num_layers, "layer_id": layer_id}
    if custom is None or custom.lr_mult is None:
        return computed(expression, formula, scale, inputs)
    lr_mult, result = custom.lr_mult, scale * custom.lr_mult
    if not math.isfinite(result):
        raise DecayError(
            f"{scale!r} times lr_mult {lr_mult!r} is too large for a float",
            where=name,
            fix=f"give {custom.where} a smaller lr_mult",
        )
    inputs["lr_mult"] = lr_mult
    return arrow("custom_key", custom.key, f"{expression} * lr_mult", f"{formula} * {lr_mult!r}", result, inputs)


def power_text(rate: int | float) -> str:
    """A number as the base of a power: without brackets the sign of a negative one would be put on afterwards."""
    return f"({rate!r})" if rate < 0 else f"{rate!r}"


def weight_decay_step(base: int | float | None, exemption: str | None, custom: CustomKey | None = None) -> Formula:
    """The weight decay, from the optimizer's own; None where the config gives it none.

    The custom key's ``decay_mult`` decides whatever the exemption says.

    Raises:
        DecayError: a ``decay_mult`` with nothing to multiply.
    """
    if custom is not None and custom.decay_mult is not None:
        if base is None:
            raise DecayError(
                "decay_mult has no weight decay to multiply",
                where=custom.where,
                fix="give the optimizer a weight_decay",
            )
        return arrow(
            "custom_key",
            custom.key,
            "base_weight_decay * decay_mult",
            f"{base!r} * {custom.decay_mult!r}",
            base * custom.decay_mult,
            {"base_weight_decay": base, "decay_mult": custom.decay_mult},
        )
    if exemption:
        return arrow("exemption", exemption, "0", "0.0", 0.0)
    if base is None:
        return Formula("base weight decay", repr(base), base, basis="default")
    inputs = {"base_weight_decay": base}
    return Formula("base weight decay", repr(base), base, inputs, "given", expression="base_weight_decay")
