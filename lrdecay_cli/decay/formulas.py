"""Formulas for the lr scale of a layer, and for the weight decay of a parameter.

The lr scale is the factor on the base lr. Source: mmdet 3.3.0, ``add_params`` of its layer decay constructor. lrdecay
computes in mmdet's order, so its floats are equal to mmdet's to the last bit.
"""

from __future__ import annotations

import math

from lrdecay_cli.decay.constructor_options import CustomKey
from lrdecay_cli.decay.options import DecayError, DecayOptions
from lrdecay_cli.domain.provenance import Formula, arrow, computed


def lr_scale_step(name: str, layer_id: int, options: DecayOptions, custom: CustomKey | None = None) -> Formula:
    """Return the formula for an lr scale: the scale of the layer, times the ``lr_mult`` of a custom key (if any).

    Raises:
        DecayError: the power is a division by zero, or the result is too large for a float.
    """
    rate, layers = options.decay_rate, options.num_layers + 2
    exponent = layers - layer_id - 1
    try:
        scale = rate**exponent
        float(scale)  # An int has no bounds, but becomes a learning rate.
    except ZeroDivisionError:
        raise DecayError(
            f"decay_rate {rate!r} to the power {exponent} is a division by zero: layer id {layer_id} is above"
            f" num_layers + 1 = {layers - 1}",
            where=name,
            fix="raise num_layers to fit the backbone, or set another decay_rate",
        ) from None
    except OverflowError:
        raise DecayError(
            f"decay_rate {rate!r} to the power {exponent} is too large for a float",
            where=name,
            fix="set a decay_rate closer to 1, and the num_layers that fits the backbone",
        ) from None
    expression = "decay_rate ** (num_layers + 2 - layer_id - 1)"
    formula = f"{power_text(rate)} ** ({layers} - {layer_id} - 1)"
    inputs: dict[str, int | float] = {"decay_rate": rate, "num_layers": options.num_layers, "layer_id": layer_id}
    if custom is None or custom.lr_mult is None:
        return computed(expression, formula, scale, inputs)
    lr_mult, result = custom.lr_mult, scale * custom.lr_mult
    if not math.isfinite(result):
        raise DecayError(
            f"lr scale {scale!r} times lr_mult {lr_mult!r} is too large for a float",
            where=name,
            fix=f"set a smaller lr_mult in {custom.where}",
        )
    inputs["lr_mult"] = lr_mult
    return arrow("custom_key", custom.key, f"{expression} * lr_mult", f"{formula} * {lr_mult!r}", result, inputs)


def power_text(rate: int | float) -> str:
    """Return a number as the base of a power, in text. A negative number gets parentheses, as in ``(-0.7) ** 2``."""
    return f"({rate!r})" if rate < 0 else f"{rate!r}"


def weight_decay_step(base: int | float | None, exemption: str | None, custom: CustomKey | None = None) -> Formula:
    """Return the formula for the weight decay of a parameter. It gives None if the config sets no weight decay.

    The ``decay_mult`` of a custom key takes precedence over an exemption from weight decay.

    Raises:
        DecayError: the config sets a ``decay_mult``, but no weight decay to multiply.
    """
    if custom is not None and custom.decay_mult is not None:
        if base is None:
            raise DecayError(
                "decay_mult needs a weight decay to multiply, but the config sets none",
                where=custom.where,
                fix="set the optimizer's weight_decay",
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
