"""From a layer id to a learning rate, and from a name and shape to a weight decay.

Source: mmdet 3.3.0, ``LearningRateDecayOptimizerConstructor.add_params``. Operands stand in the same order as there, so
that the floats are the same to the last bit.
"""

from __future__ import annotations

from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.options import DecayOptions
from lrdecay_cli.domain.provenance import Step

UNDECAYED_NAMES = ("pos_embed", "cls_token")
"""Whole parameter names. A token inside a backbone is named ``backbone.cls_token`` and decays like any other."""


def lr_scale_step(name: str, layer_id: int, options: DecayOptions) -> Step:
    """The factor on the base lr.

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
            remedy="raise num_layers to fit the backbone, or give another decay_rate",
        ) from None
    except OverflowError:
        raise DecayError(
            f"decay_rate {rate!r} to the power {exponent} is too large for a float",
            where=name,
            remedy="give a decay_rate nearer to 1, and the num_layers that fits the backbone",
        ) from None
    # Without brackets the sign of a negative rate would be put on after the power.
    base = f"({rate!r})" if rate < 0 else f"{rate!r}"
    return Step(
        "decay_rate ** (num_layers + 2 - layer_id - 1)",
        f"{base} ** ({layers} - {layer_id} - 1)",
        scale,
        {"decay_rate": rate, "num_layers": options.num_layers, "layer_id": layer_id},
    )


def lr_step(lr_scale: int | float, base_lr: int | float) -> Step:
    """The learning rate that the parameter starts with."""
    return Step(
        "lr_scale * base_lr",
        f"{lr_scale!r} * {base_lr!r}",
        lr_scale * base_lr,
        {"lr_scale": lr_scale, "base_lr": base_lr},
    )


def weight_decay_exemption(name: str, shape: tuple[int, ...]) -> str | None:
    """Why the parameter gets no weight decay, None if it gets the base weight decay."""
    if len(shape) == 1:
        return "1-D tensor"
    if name.endswith(".bias"):
        return "name ends in '.bias'"
    if name in UNDECAYED_NAMES:
        return f"name is {name!r}"
    return None


def weight_decay_step(name: str, shape: tuple[int, ...], base: int | float | None) -> Step:
    """The weight decay; ``base`` is the optimizer's own, None where the config gives it none."""
    if exemption := weight_decay_exemption(name, shape):
        return Step(f"{exemption} -> 0", "0.0", 0.0)
    return Step("base weight decay", repr(base), base, {} if base is None else {"base_weight_decay": base})
